/* SPDX-License-Identifier: MIT */
/* When a copy is ready, as --ready has it. */
#ifndef RP_SERVICE_READY_H
#define RP_SERVICE_READY_H

#include "service/service.h"

/* Moves each starting copy that is ready to the next state: one that listens, and has said READY=1
 * or of which the question was answered with 0, if that is wanted. Ends a renewal's new copy that
 * is not ready in time. Not async-signal-safe. */
void rp_ready_step(struct rp_service *service);

/* Reads what the copies say (launch/notify.h), so that they need not wait for room. Not
 * async-signal-safe. */
void rp_ready_read(struct rp_service *service);

#endif
