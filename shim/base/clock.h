/* SPDX-License-Identifier: MIT */
/* Time, for waiting on what no event announces. */
#ifndef RP_CLOCK_H
#define RP_CLOCK_H

/* Seconds of the monotonic clock (clock_gettime(2)). Async-signal-safe. */
double rp_now(void);

enum { RP_TICK = 20 }; /* milliseconds */

/* Sleeps for a tick, or until a signal handler has run (poll(2)). Async-signal-safe. */
void rp_tick(void);

#endif
