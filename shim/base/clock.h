/* The clock of whoever waits for something that no event tells of. */
#ifndef RP_CLOCK_H
#define RP_CLOCK_H

/* Seconds, monotonic (clock_gettime(2)). */
double rp_now(void);

enum { RP_TICK = 20 }; /* milliseconds */

/* Sleeps for a tick, or until a signal comes. */
void rp_tick(void);

#endif
