/* SPDX-License-Identifier: MIT */
/* Runs several copies of a command and waits for them. */
#ifndef RP_SUPERVISOR_H
#define RP_SUPERVISOR_H

#include "launch/copy.h"

/* Starts all copies and waits until the last has ended. Passes on HUP INT QUIT TERM USR1 USR2 WINCH
 * CONT, each once to each copy; with stop_all, sends TERM once when the first copy ends, unless the
 * copies were told to end before. Returns 0 if all ended with 0, else the status of the first that
 * did not, 128 plus the signal's number for a killed one. No process of a copy is left when it
 * returns, nor when this process is killed: prctl(2), PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG.
 * Not async-signal-safe. */
int rp_supervise(const struct rp_copies *copies);

#endif
