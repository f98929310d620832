/* SPDX-License-Identifier: MIT */
/* --hung: copies that do not accept what waits for them. */
#ifndef RP_HUNG_H
#define RP_HUNG_H

#include "service/service.h"

/* Ends each ready copy for which connections have been waiting that long without an accept: none of
 * its queues became shorter, it got no new connection, and all connections that waited still do. It
 * cannot be seen for which copy a connection waits; a copy is spared while all of them may wait for
 * others that do not accept either. A copy whose descriptors cannot be listed is left alone while
 * its queue is full. Not async-signal-safe. */
void rp_hung_step(struct rp_service *service);

/* Seconds from one call to the next. */
double rp_hung_pause(const struct rp_service *service);

#endif
