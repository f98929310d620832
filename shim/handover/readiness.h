/* SPDX-License-Identifier: MIT */
/* The step between listening and traffic: the new server says, or is asked, whether it is ready.
 * None of these functions is async-signal-safe. */
#ifndef RP_READINESS_H
#define RP_READINESS_H

#include "handover/replacement.h"

/* With --ready=notify opens a socket for each copy, on which it says that it is ready, and returns
 * them, for the plan's copies; else returns NULL. Exits with 125 if it cannot. */
const struct rp_notify *rp_open_notify(struct rp_replacement *this);

/* Waits until the new server, which listens on all ports, is ready: until each copy has said so, or
 * its question has ended with 0, asked at most every 200 ms, of one copy after the other. Gives
 * up the plan's start_timeout after COMMAND was started. Returns 0, or 125 after rp_undo. */
int rp_wait_until_ready(struct rp_replacement *this);

/* Ends listening to what COMMAND says. */
void rp_close_notify(struct rp_replacement *this);

#endif
