/* SPDX-License-Identifier: MIT */
/* A replacement by a server that somebody else has started (--to): the steps that take the place of
 * starting one, and telling the two servers' sockets apart. */
#ifndef RP_TRANSFER_H
#define RP_TRANSFER_H

#include "handover/replacement.h"

/* Takes the process with that PID as the new server, before anything has been changed. Exits with
 * 125 after a line that says why, if there is none, or it is another user's and this process is not
 * root, in another network namespace, part of the old server or the reverse, part of another
 * replacement, or has a socket in common with the old one. Not async-signal-safe, like the others.
 */
void rp_transfer_open(struct rp_replacement *this, pid_t pid);

/* The new server's name in messages, such as "pid 4711"; static. */
char *rp_transfer_name(pid_t pid);

/* Waits until the new server listens where the old one does, and is ready. If it joins meanwhile,
 * connections stay with the old one until then. Both may have joined their groups
 * before the first look: then the members' numbers are taken from the order of joining, where that
 * tells the servers apart: one's sockets have all joined before the other's, and nobody else's are
 * there. That is a guess, as members may have left earlier: the last one took the number of each.
 * Nothing is switched on: what has joined shares. Returns 0, or 125 after rp_undo. */
int rp_transfer_begin(struct rp_replacement *this);

/* Compares a guess with its effect, once new connections are sent to the new server: for a second,
 * whose are those that have come since. If they are the old server's, turns the numbers of a group
 * of two round; if that is no better, or there are more members, ends steering and says so, or with
 * --strict undoes everything. A guess that nothing has confirmed stays marked. Returns 0, or 125
 * after rp_undo. */
int rp_transfer_verify(struct rp_replacement *this);

/* For --dry-run: looks, guesses, and doubts (rp_doubt) as the steps would. */
void rp_transfer_rehearse(struct rp_replacement *this);

#endif
