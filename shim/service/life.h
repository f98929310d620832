/* SPDX-License-Identifier: MIT */
/* The states of a copy, and what leads from one to the other: a table. */
#ifndef RP_LIFE_H
#define RP_LIFE_H

enum rp_state {
    RP_ABSENT, /* no copy has this number */
    RP_STARTING,
    RP_SERVING,  /* ready */
    RP_DRAINING, /* gets no new connections, and finishes what it has */
    RP_ENDING,   /* was told to end */
    RP_WAITING,  /* has ended, and will be started again */
    RP_STATES
};

enum rp_event {
    RP_STARTED, /* its keeper was forked */
    RP_CAME_UP, /* it is ready */
    RP_LEAVES,  /* its number is to become free, or another copy takes its place */
    RP_TOLD,    /* it was sent a signal that ends it */
    RP_FELL,    /* it ended, and is to be started again */
    RP_GONE,    /* it ended for good */
};

/* The state that the event leads to; the same one if the event means nothing in it.
 * Async-signal-safe. */
enum rp_state rp_state_after(enum rp_state state, enum rp_event event);

/* Seconds from the end of a copy to its next start: twice as long as before, which is 0 for one that
 * was not started again yet, from 0.1 to 30; as at first if it had lived for 10 seconds.
 * Async-signal-safe. */
double rp_restart_delay(double before, double lived);

/* "starting", "ready", ... Async-signal-safe. */
const char *rp_state_name(enum rp_state state);

#endif
