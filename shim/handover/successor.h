/* SPDX-License-Identifier: MIT */
/* The new server of a replacement: COMMAND and whatever it starts, as child processes, or with --to
 * a process that somebody else has started. None of these functions is async-signal-safe. */
#ifndef RP_SUCCESSOR_H
#define RP_SUCCESSOR_H

#include "launch/copy.h"

#include <sys/types.h>

struct rp_successor {
    pid_t child; /* COMMAND's first process; 0: not started */
    int given;   /* pidfd of child, a server that somebody else started; 0: COMMAND */
    int status;  /* its exit status as a shell has it; -1: still running */
    bool left;   /* no process of COMMAND is left */
    int output;  /* its standard output and error (rp_output_open), set before the start; 0: those
                    of this process */
};

/* Starts the copies in a session of their own, so that they outlive this command's session. Their
 * daemons become children of this process (prctl(2), PR_SET_CHILD_SUBREAPER). Returns 0 or the
 * errno of fork(2). */
int rp_successor_start(struct rp_successor *successor, const struct rp_copies *copies);

/* Reaps what has ended. Returns whether COMMAND can no longer come up: no process of it is left, or
 * the first one failed. A starter that ended with 0 may have left a daemon. */
bool rp_successor_is_lost(struct rp_successor *successor);

/* Ends COMMAND: sends TERM once to each process that is or becomes a child of this one, and after 5
 * seconds KILL. Returns false if one is still there 5 seconds later. */
bool rp_successor_end(struct rp_successor *successor);

/* Takes a process that somebody else started as the new server: it is lost when it has ended, and
 * rp_successor_end leaves it alone. */
void rp_successor_take(struct rp_successor *successor, pid_t pid, int pidfd);

/* The process that serves: COMMAND's first, or else its daemon; 0 if there is none. */
pid_t rp_successor_pid(struct rp_successor *successor);

/* The same of copy number index while all copies are there, or of the only one. */
pid_t rp_successor_copy(struct rp_successor *successor, const struct rp_copies *copies,
                        unsigned index);

/* Stands in for the new server, for whoever watches this PID: passes on HUP INT QUIT TERM USR1 USR2
 * WINCH CONT until no process of it is left. Returns the exit status of the one that serves. */
int rp_successor_stay(struct rp_successor *successor);

#endif
