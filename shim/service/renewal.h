/* SPDX-License-Identifier: MIT */
/* A renewal: copies are replaced one after the other, without losing a connection. None of these
 * functions is async-signal-safe. */
#ifndef RP_RENEWAL_H
#define RP_RENEWAL_H

#include "service/service.h"

/* Begins a renewal of all copies. During one, it begins again after the present copy. */
void rp_renewal_begin(struct rp_service *service);

/* Takes the next step if the last one is done: start a new copy, have an old one leave, or end. */
void rp_renewal_step(struct rp_service *service);

/* Ends the renewal, as a new copy has not come up for that reason (printf(3)): the others stay. */
void rp_renewal_fail(struct rp_service *service, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The seconds after which a copy that was renewed and told to end is killed. */
enum { RP_LEAVE_TIME = 30 };

#endif
