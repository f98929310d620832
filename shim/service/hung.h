/* SPDX-License-Identifier: MIT */
/* --hung: ends copies that do not accept. */
#ifndef RP_HUNG_H
#define RP_HUNG_H

#include "service/service.h"

/* Ends each ready copy for which connections have been waiting that long without an accept: none of
 * its queues became shorter, it got no new connection, and all connections that waited still do.
 * The kernel does not show for which copy a connection waits: a copy is spared as long as all that
 * wait may wait for other copies that do not accept. A copy whose descriptors cannot be listed is
 * left alone while its queue is full. Not async-signal-safe. */
void rp_hung_step(struct rp_service *service);

/* Seconds from one call to the next. */
double rp_hung_pause(const struct rp_service *service);

#endif
