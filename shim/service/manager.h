/* SPDX-License-Identifier: MIT */
/* Messages to the service manager, as of sd_notify(3). Sending never waits: what finds no room is
 * sent later. None of these functions is async-signal-safe. */
#ifndef RP_MANAGER_H
#define RP_MANAGER_H

#include <stdbool.h>

struct rp_service;

struct rp_manager {
    const char *socket; /* NOTIFY_SOCKET, or NULL: no manager */
    int relay;          /* to the process that the manager listens to (launch/apart.h), or -1 */
    bool told;          /* reported that nobody can be reached there */
    bool waits;         /* there was no room: rp_manager_tell() is due soon */
    bool ready;         /* READY=1 was sent */
    bool reloading;     /* RELOADING=1 is still to be sent */
    long extend;        /* seconds to ask for, or 0 */
    bool reloaded;      /* and then READY=1 again */
    bool stopping;      /* STOPPING=1 was sent */
    bool failed;        /* the last renewal did */
    char status[128];   /* the last STATUS= that was sent */
};

/* Removes NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID
 * from the environment, and makes the passed descriptors close-on-exec: they are for this process,
 * not for the copies. Warns if the manager expects WATCHDOG=1, which nobody is going to send.
 * Returns the value of NOTIFY_SOCKET, or NULL. Exits with 125 if memory runs out. */
const char *rp_manager_take(void);

/* Sends what has changed: READY=1 once all copies are ready, STATUS=, STOPPING=1, and what the
 * functions below have noted. Sets `waits` unless all was sent. */
void rp_manager_tell(struct rp_service *service);

/* Has RELOADING=1 sent, with the time: at each signal for a renewal, even during one. */
void rp_manager_reloading(struct rp_service *service);

/* Has READY=1 sent after a renewal, or in place of one: nothing else ends what RELOADING=1 began.
 * That it failed is in STATUS=. */
void rp_manager_reloaded(struct rp_service *service, bool failed);

/* Asks the manager for the time that the next step of a renewal may take (EXTEND_TIMEOUT_USEC=). */
void rp_manager_extend(struct rp_service *service);

#endif
