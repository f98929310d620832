/* The new server of a replacement: COMMAND and whatever it starts, until it is let go or ended. */
#ifndef RP_SUCCESSOR_H
#define RP_SUCCESSOR_H

#include "launch/copy.h"

#include <sys/types.h>

struct rp_successor {
    pid_t child; /* COMMAND's first process; 0: not started */
    int status;  /* how that one ended, as an exit status; -1: it has not */
    bool left;   /* no process of COMMAND is left */
};

/* Starts the copies in a session of their own, so that what ends this command's session does not
 * end them; what they leave in the background becomes a child of this process (prctl(2),
 * PR_SET_CHILD_SUBREAPER). Returns 0 or the errno of fork(2). */
int rp_successor_start(struct rp_successor *successor, const struct rp_copies *copies);

/* Notes which of its processes have ended. Returns whether it cannot come up any more: none is
 * left, or the first one failed. A starter that ended with 0 may have left a daemon. */
bool rp_successor_is_lost(struct rp_successor *successor);

/* Ends it: sends each of its processes that is or becomes a child of this one TERM once, and after
 * 5 seconds KILL. Returns false if 5 seconds later there still is a process that the kernel does
 * not end. */
bool rp_successor_end(struct rp_successor *successor);

/* The process that serves: COMMAND's first, or what it left in the background; 0 if there is none.
 * */
pid_t rp_successor_pid(struct rp_successor *successor);

/* Stays in its place, for whoever watches this PID: passes on HUP INT QUIT TERM USR1 USR2 WINCH
 * CONT and returns the exit status of the process that serves once no process of it is left. */
int rp_successor_stay(struct rp_successor *successor);

#endif
