/* SPDX-License-Identifier: MIT */
/* Copies of a command, and becoming one of them. */
#ifndef RP_COPY_H
#define RP_COPY_H

#include "launch/launch.h"
#include "launch/notify.h"

struct rp_copies {
    int count;
    const struct rp_launch *launch;
    char **arguments;    /* of every copy, from argv[0] on */
    const char *replace; /* the string that the copy's number replaces in the arguments, or NULL */
    const struct rp_notify *notify; /* of each copy, or NULL: NOTIFY_SOCKET stays as it is */
    void (*orphaned)(void);         /* in a keeper whose supervisor has died, or NULL */
    int rolling;                    /* the signal that is for the supervisor alone, or 0 */
    bool restart;                   /* those that end are started again: each end is told of */
    bool verbose;
};

/* Becomes copy number index, or the only one if that is negative: sets REUSEPORT_INSTANCE unless it
 * is the only one, and NOTIFY_SOCKET, puts the number into the arguments, lets seccomp watch this
 * process if that is the method, and executes. Returns only if that fails, after saying so: the
 * exit status 125, 126 or 127 (execve(2)). Not async-signal-safe. */
int rp_become_copy(const struct rp_copies *copies, int index);

#endif
