/* SPDX-License-Identifier: MIT */
/* The timer fires repeatedly, as its first signal may arrive before the call blocks. */
#include "base/hurry.h"

#include <unistd.h>

enum { INTERVAL = 2000 /* microseconds */ };

static void wake(int number) {
    (void)number;
}

void rp_hurry_begin(struct rp_hurry *before) {
    const struct itimerval often = {{0, INTERVAL}, {0, INTERVAL}};
    const struct sigaction action = {.sa_handler = wake};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGALRM);
    sigaction(SIGALRM, &action, &before->action);
    sigprocmask(SIG_UNBLOCK, &signals, &before->mask);
    setitimer(ITIMER_REAL, &often, &before->timer);
}

void rp_hurry_end(const struct rp_hurry *before) {
    setitimer(ITIMER_REAL, &before->timer, NULL);
    sigprocmask(SIG_SETMASK, &before->mask, NULL);
    sigaction(SIGALRM, &before->action, NULL);
}

void rp_close_hurriedly(int fd) {
    struct rp_hurry before;
    rp_hurry_begin(&before);
    close(fd);
    rp_hurry_end(&before);
}
