/* SPDX-License-Identifier: MIT */
/* An address from which connections reach one of the new server's copies, while all others go to
 * the old server: REUSEPORT_FROM. A convenience, and no secret. */
#ifndef RP_GUEST_H
#define RP_GUEST_H

#include "handover/replacement.h"

#include <netinet/in.h>

/* Chooses an address of 127/8 at random, and steers what comes from it to the sockets of the copy
 * whose process that is. Requires that the groups are steered, and the latest look. Returns it in
 * text, or NULL if a group that IPv4 connections from this machine reach could not be steered so,
 * or there is none. Exits with 125 if memory runs out. Not async-signal-safe. */
const char *rp_guest_admit(struct rp_replacement *this, pid_t copy, char text[INET_ADDRSTRLEN]);

/* From the next steering on there is no such address. */
void rp_guest_dismiss(struct rp_replacement *this);

#endif
