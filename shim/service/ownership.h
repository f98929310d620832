/* SPDX-License-Identifier: MIT */
/* Which copy has a socket. None of these functions is async-signal-safe. */
#ifndef RP_OWNERSHIP_H
#define RP_OWNERSHIP_H

#include "service/listening.h"

/* Attributes listeners to copies. new: there are some that have not been searched for, which is
 * done at once; others are searched for again now and then. Exits with 125 if memory runs out. */
void rp_find_owners(struct rp_service *service, bool new);

/* Whether the copy, or several copies, have a listener in the group. */
bool rp_has_listener(const struct rp_shared *shared, const struct rp_copy *copy);

/* Whether the copy has sockets that cannot be told from others': a process of it may not be looked
 * into, or is in another network namespace (proc(5)). */
bool rp_is_hidden(const struct rp_copy *copy);

/* Forgets whose the sockets of a copy were, which has ended. */
void rp_forget_owner(struct rp_service *service, const struct rp_copy *copy);

#endif
