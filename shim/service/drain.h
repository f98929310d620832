/* SPDX-License-Identifier: MIT */
/* A copy that is to end gets no new connections, and finishes those that it has. None of these
 * functions is async-signal-safe. */
#ifndef RP_DRAIN_H
#define RP_DRAIN_H

#include "service/service.h"

/* To be called when the copy has begun to drain: sends new connections elsewhere, and notes the
 * handshakes that are under way. */
void rp_drain_begin(struct rp_service *service, struct rp_copy *copy);

/* Sends TERM to each draining copy that has nothing left to accept, and no connections, or has been
 * draining for --drain: after its listeners have been made invisible, so that their closing loses
 * no SYN (group/steer.h). */
void rp_drain_step(struct rp_service *service);

#endif
