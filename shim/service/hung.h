/* SPDX-License-Identifier: MIT */
/* --hung: copies that do not accept what waits for them. */
#ifndef RP_HUNG_H
#define RP_HUNG_H

#include "service/service.h"

/* Ends each ready copy for which connections have been waiting for that long, while it accepted
 * none: no queue of it became shorter, and it has got no connection that it did not have before. A
 * copy whose descriptors cannot be listed is left alone while its queue is full, as that looks the
 * same from one accept to the next. Not async-signal-safe. */
void rp_hung_step(struct rp_service *service);

/* Seconds from one call to the next. */
double rp_hung_pause(const struct rp_service *service);

#endif
