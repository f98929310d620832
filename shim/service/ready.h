/* SPDX-License-Identifier: MIT */
/* --ready: when a copy is ready. */
#ifndef RP_SERVICE_READY_H
#define RP_SERVICE_READY_H

#include "service/service.h"

/* Moves each starting copy that is ready to the next state: one that listens and, if --ready asks
 * for that, has said READY=1 or had its question answered with 0. Ends a renewal's new copy that is
 * not ready in time. Not async-signal-safe. */
void rp_ready_step(struct rp_service *service);

/* Reads the copies' messages (launch/notify.h), so that their senders do not wait for room. Not
 * async-signal-safe. */
void rp_ready_read(struct rp_service *service);

/* Ends the questions that are left when no copy is. Takes up to 3 seconds for each that does not
 * end. Not async-signal-safe. */
void rp_ready_end(struct rp_service *service);

#endif
