/* SPDX-License-Identifier: MIT */
/* System calls that a stranger could make wait for long are broken off. */
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

/* From here on no interruptible system call waits for more than 2 ms: whoever drops the last
 * descriptor of a socket with SO_LINGER, as a stranger may send it or have it duplicated, waits in
 * the kernel for data to be sent (socket(7)), but for no longer than until a signal arrives. Uses
 * SIGALRM. Async-signal-safe. */
void rp_hurry_begin(struct rp_hurry *before);

/* Restores timer, action and mask. Async-signal-safe. */
void rp_hurry_end(const struct rp_hurry *before);

/* Closes a descriptor so. */
void rp_close_hurriedly(int fd);

#endif
