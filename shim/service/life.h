/* SPDX-License-Identifier: MIT */
/* The states of a copy, and the events that lead from one to another. */
#ifndef RP_LIFE_H
#define RP_LIFE_H

enum rp_state {
    RP_ABSENT, /* no copy has this number */
    RP_STARTING,
    RP_SERVING,  /* ready */
    RP_DRAINING, /* gets no new connections, and finishes what it has */
    RP_ENDING,   /* was sent a signal that ends it */
    RP_WAITING,  /* has ended, and will be restarted */
    RP_STATES
};

enum rp_event {
    RP_STARTED, /* its keeper was forked */
    RP_CAME_UP, /* it is ready */
    RP_LEAVES,  /* it is to be drained, and not restarted */
    RP_TOLD,    /* it was sent a signal that ends it */
    RP_FELL,    /* it ended, and will be restarted */
    RP_GONE,    /* it ended for good */
};

/* The state that follows; the same one if the event has no meaning in it. Async-signal-safe. */
enum rp_state rp_state_after(enum rp_state state, enum rp_event event);

/* Seconds from a copy's end to its restart: twice those before, which are 0 for the first, from 0.1
 * to 30. *lived: seconds that it has lived in all; from 10 on the delay begins anew, and so does
 * *lived. In all, as otherwise copies that are killed in turn would all be waiting in the end,
 * though none of them fails early. Async-signal-safe. */
double rp_restart_delay(double before, double *lived);

/* "starting", "ready", ... Async-signal-safe. */
const char *rp_state_name(enum rp_state state);

#endif
