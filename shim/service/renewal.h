/* SPDX-License-Identifier: MIT */
/* A renewal: copies are replaced one after the other, without losing a connection. None of these
 * functions is async-signal-safe. */
#ifndef RP_RENEWAL_H
#define RP_RENEWAL_H

#include "service/service.h"

/* Starts a renewal of all copies; one that is under way starts over after the current copy. */
void rp_renewal_begin(struct rp_service *service);

/* Takes the next step if the last one is done: start a new copy, remove an old one, or end. */
void rp_renewal_step(struct rp_service *service);

/* Ends the renewal because a new copy did not come up, and reports why (printf(3)). The others
 * stay. */
void rp_renewal_fail(struct rp_service *service, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Seconds from TERM to KILL in a renewal, unless --stop-timeout is given. */
enum { RP_LEAVE_TIME = 30 };

#endif
