/* SPDX-License-Identifier: MIT */
/* Tells of copies that bind other ports than those of the list, or do not share one of them. */
#ifndef RP_UNBOUND_H
#define RP_UNBOUND_H

#include "launch/copy.h"

enum { RP_BIND_TIME = 10 /* seconds in which copies are expected to bind */ };

/* Warns in one line if a descendant of this process has bound a port of the list without
 * SO_REUSEPORT; if verbose, also if none has bound any, and what they bound instead. failed: a copy
 * has ended with an error, as the second does if the list names other ports: says the latter even
 * if not verbose, if they bound others. Returns whether it has said anything. Leaves out sockets
 * that this process has inherited, ports that the kernel may have chosen unless the list names them
 * one by one, and the latter warning if a descendant is in another network namespace, or hides
 * that. Exits with 125 if memory runs out. Not async-signal-safe. */
bool rp_tell_unbound(const struct rp_copies *copies, bool failed);

#endif
