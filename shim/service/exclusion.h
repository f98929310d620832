/* SPDX-License-Identifier: MIT */
/* Whether the members' numbers are what they seem to be: a copy that is passed over, and gets
 * connections all the same, has another one. None of these functions is async-signal-safe. */
#ifndef RP_EXCLUSION_H
#define RP_EXCLUSION_H

#include "service/service.h"

/* To be called when a program has been attached that excludes the listeners for which `excluded`
 * is true, in the order of shared->list; with NULL, when it has been detached. */
void rp_exclusion_begin(struct rp_shared *shared, const bool *excluded);

/* Corrects the numbers if the queue of an excluded listener has grown, once handshakes of before
 * are over. Returns whether it has: then the program is to be made anew. */
bool rp_exclusion_fails(struct rp_shared *shared);

/* Whether --balance may go by numbers that are not certain: if it is wrong, a copy that is free is
 * passed over until rp_exclusion_fails() corrects that. Not while a copy is to get no connection at
 * all. */
bool rp_may_guess(const struct rp_service *service, const struct rp_shared *shared);

#endif
