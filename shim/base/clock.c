/* SPDX-License-Identifier: MIT */
/* The clock of the command and its tick. */
#include "base/clock.h"

#include <poll.h>
#include <time.h>

double rp_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void rp_tick(void) {
    poll(NULL, 0, RP_TICK);
}
