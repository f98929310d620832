/* SPDX-License-Identifier: MIT */
/* The step between listening and traffic: the new server says, or is asked, whether it is ready. */
#ifndef RP_READINESS_H
#define RP_READINESS_H

#include "handover/replacement.h"

/* Opens the sockets on which the copies say that they are ready, if they are to. Returns them, for
 * the plan's copies, or NULL. Exits with 125 if it cannot. Not async-signal-safe, like the others.
 */
const struct rp_notify *rp_open_notify(struct rp_replacement *this);

/* Waits until the new server, which listens on all ports, is ready: until each copy has said so, or
 * its question has ended with 0, asked at most each 200 ms, of one copy after the other. Time is
 * that of the plan's start_timeout, from COMMAND's start on. Returns 0, or 125 after rp_undo. */
int rp_wait_until_ready(struct rp_replacement *this);

/* Ends listening to what COMMAND says. */
void rp_close_notify(struct rp_replacement *this);

#endif
