/* SPDX-License-Identifier: MIT */
/* What -v says about who gets connections. */
#ifndef RP_RECEIVERS_H
#define RP_RECEIVERS_H

#include "service/choice.h"

/* With -v, reports which copies of the group get new connections, when that has changed, at most
 * once a second. Not async-signal-safe. */
void rp_say_receivers(const struct rp_service *service, struct rp_shared *shared,
                      enum rp_target target);

#endif
