/* SPDX-License-Identifier: MIT */
/* Which copy a socket belongs to. None of these functions is async-signal-safe. */
#ifndef RP_OWNERSHIP_H
#define RP_OWNERSHIP_H

#include "service/listening.h"

/* Attributes listeners to copies. new: some have not been searched for, which is done at once;
 * others are searched for again once a second. Exits with 125 if memory runs out. */
void rp_find_owners(struct rp_service *service, bool new);

/* Whether the copy has a listener in the group; one held by several copies counts. */
bool rp_has_listener(const struct rp_shared *shared, const struct rp_copy *copy);

/* Whether sockets of the copy may be hidden: the descriptors of one of its processes cannot be
 * listed (proc(5)), or that process may be in another network namespace. */
bool rp_is_hidden(const struct rp_copy *copy);

/* Whether the copy has the listener, or may have it as one of several that hide theirs. */
bool rp_may_have(const struct rp_shared *shared, const struct rp_listener *listener,
                 const struct rp_copy *copy);

/* Forgets which sockets a copy had that has ended. */
void rp_forget_owner(struct rp_service *service, const struct rp_copy *copy);

#endif
