/* SPDX-License-Identifier: MIT */
/* A draining copy gets no new connections, and finishes those that it has. None of these functions
 * is async-signal-safe. */
#ifndef RP_DRAIN_H
#define RP_DRAIN_H

#include "service/service.h"

/* To be called when the copy starts draining: sends new connections elsewhere, and notes the
 * handshakes that are under way. */
void rp_drain_begin(struct rp_service *service, struct rp_copy *copy);

/* Sends TERM to each draining copy that has nothing left to accept, and either no connections or
 * been draining for --drain. Hides its listeners first, so that closing them loses no SYN
 * (group/steer.h). */
void rp_drain_step(struct rp_service *service);

#endif
