/* Running several copies of a command and seeing them through to their end. */
#ifndef RP_SUPERVISE_H
#define RP_SUPERVISE_H

#include "launch/launch.h"

struct rp_copies {
    int count;
    const struct rp_launch *launch;
    char **arguments;    /* of every copy, from argv[0] on */
    const char *replace; /* what stands for the copy's number in the arguments, or NULL */
    bool stop_all;       /* when one copy ends, the others are sent TERM */
    bool verbose;
};

/* Becomes copy number index, or the only one if that is negative: sets REUSEPORT_INSTANCE unless it is the
 * only one, puts the number into the arguments, has itself watched if it is to be by seccomp, and executes.
 * Returns the exit status, 125, 126 or 127, only if that fails, after saying so (execve(2)). */
int rp_become_copy(const struct rp_copies *copies, int index);

/* What a shell calls the exit status of a process that ended so (wait(2)): 128 plus the signal for a killed one. */
int rp_exit_status(int how);

/* Starts all copies and waits until the last has ended. Passes on HUP INT QUIT TERM USR1 USR2 WINCH CONT,
 * each once to each copy. Returns 0 if all ended with 0, else the status of the first that did not, 128
 * plus the signal for a killed one. No process of a copy is left when it returns, nor when this process
 * is killed: prctl(2), PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG. */
int rp_supervise(const struct rp_copies *copies);

#endif
