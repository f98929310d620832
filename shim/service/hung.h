/* SPDX-License-Identifier: MIT */
/* --hung: ends copies that do not accept. */
#ifndef RP_HUNG_H
#define RP_HUNG_H

#include "service/service.h"

/* Ends each ready copy for which connections have been waiting that long without an accept: none of
 * its queues became shorter, and it got no new connection. A copy whose descriptors cannot be
 * listed is left alone while its queue is full: a full queue looks the same after each accept. Not
 * async-signal-safe. */
void rp_hung_step(struct rp_service *service);

/* Seconds from one call to the next. */
double rp_hung_pause(const struct rp_service *service);

#endif
