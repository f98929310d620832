/* SPDX-License-Identifier: MIT */
/* An address from which connections reach one of the new server's copies, while all others go to
 * the old server: REUSEPORT_FROM. A convenience, and no secret. */
#ifndef RP_GUEST_H
#define RP_GUEST_H

#include "handover/replacement.h"

#include <netinet/in.h>

/* Chooses an address of 127/8 at random, and steers what comes from it to the sockets of the copy
 * with that process. Requires that the groups are steered to the old server, and the latest look.
 * Returns the address in text. Returns NULL if no group can be reached over IPv4 from this machine,
 * or if one that can could not be steered so. Exits with 125 if memory runs out. Not
 * async-signal-safe. */
const char *rp_guest_admit(struct rp_replacement *this, pid_t copy, char text[INET_ADDRSTRLEN]);

/* Forgets the address: from the next steering on, it is like any other. Async-signal-safe. */
void rp_guest_dismiss(struct rp_replacement *this);

#endif
