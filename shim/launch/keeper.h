/* SPDX-License-Identifier: MIT */
/* The process between the supervisor and a copy. It adopts what the copy leaves behind, so that a
 * server that puts itself into the background still belongs to its copy, gets its signals, and is
 * waited for. */
#ifndef RP_KEEPER_H
#define RP_KEEPER_H

#include "launch/copy.h"

#include <signal.h>
#include <sys/types.h>

/* Starts copy number index, with that signal mask, and keeps it: to be called in a child of the
 * supervisor, after rp_signals_block(). Passes signals on, INT and QUIT of a terminal to the copy's
 * whole process group, and copies->rolling not at all. When the supervisor dies, calls
 * copies->orphaned and sends TERM to the copy, and KILL 5 seconds later. Exits when nothing of the
 * copy is left, with the status of its first process, or of a later one that did not end with 0 if
 * the first did (prctl(2), PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG); says so first unless that
 * was asked for by a signal that stops, or was 0 where copies are not started again, or is to be
 * quiet. Not async-signal-safe. */
void rp_keep_copy(const struct rp_copies *copies, int index, pid_t supervisor, const sigset_t *mask)
    __attribute__((noreturn));

/* Has a keeper kill its copy at once, and all that is left of it. Async-signal-safe. */
void rp_keeper_kill(pid_t keeper);

#endif
