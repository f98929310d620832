/* SPDX-License-Identifier: MIT */
/* A timer that interrupts system calls which a stranger could block for long. */
#ifndef RP_HURRY_H
#define RP_HURRY_H

#include <signal.h>
#include <sys/time.h>

/* What an interval timer displaces. */
struct rp_hurry {
    struct itimerval timer;
    struct sigaction action;
    sigset_t mask;
};

/* From here on no interruptible system call blocks for more than 2 ms: a stranger may send a socket
 * with SO_LINGER, or have it duplicated, and closing its last descriptor blocks until its data is
 * sent or a signal arrives (socket(7)). Uses SIGALRM and ITIMER_REAL (setitimer(2)).
 * Async-signal-safe. */
void rp_hurry_begin(struct rp_hurry *before);

/* Restores timer, action and mask. Async-signal-safe. */
void rp_hurry_end(const struct rp_hurry *before);

/* Closes a descriptor between the two. Async-signal-safe. */
void rp_close_hurriedly(int fd);

#endif
