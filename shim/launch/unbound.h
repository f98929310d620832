/* SPDX-License-Identifier: MIT */
/* Tells of copies that bind other ports than those of the list. */
#ifndef RP_UNBOUND_H
#define RP_UNBOUND_H

#include "launch/copy.h"

enum { RP_BIND_TIME = 10 /* seconds in which copies are expected to bind */ };

/* Warns in one line if no descendant of this process has bound a port of the list, and says what
 * they bound instead. Silent if one of them is in another network namespace, or hides that. Exits
 * with 125 if memory runs out. Not async-signal-safe. */
void rp_tell_unbound(const struct rp_copies *copies);

#endif
