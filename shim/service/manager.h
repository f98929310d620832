/* SPDX-License-Identifier: MIT */
/* What a service manager is told, as sd_notify(3) has it. Messages are sent when there is room for
 * them: a manager that does not read delays nothing. None of these functions is
 * async-signal-safe. */
#ifndef RP_MANAGER_H
#define RP_MANAGER_H

#include <stdbool.h>

struct rp_service;

struct rp_manager {
    const char *socket; /* NOTIFY_SOCKET, or NULL: nobody listens */
    int relay;          /* to the process that the manager listens to (launch/apart.h), or -1 */
    bool told;          /* that nobody can be reached there */
    bool waits;         /* there was no room: to be called again soon */
    bool ready;         /* READY=1 was said */
    bool reloading;     /* RELOADING=1 is to be said */
    long extend;        /* seconds to ask for then, or 0 */
    bool reloaded;      /* and then READY=1 again */
    bool stopping;      /* STOPPING=1 was said */
    char status[96];    /* the last STATUS= */
};

/* Takes NOTIFY_SOCKET out of the environment, as well as WATCHDOG_USEC, WATCHDOG_PID, LISTEN_FDS,
 * LISTEN_FDNAMES and LISTEN_PID with the descriptors that they are about: they are this process's,
 * not the copies'. Returns what NOTIFY_SOCKET named, or NULL. Exits with 125 if memory runs out. */
const char *rp_manager_take(void);

/* Says what has changed: READY=1 once all copies are ready, STATUS=, STOPPING=1, and what the
 * functions below have noted. Sets waits unless all was sent. */
void rp_manager_tell(struct rp_service *service);

/* Has RELOADING=1 said, with the time: at each signal for a renewal, one during a renewal, too. */
void rp_manager_reloading(struct rp_service *service);

/* Has READY=1 said after a renewal, or in place of it. */
void rp_manager_reloaded(struct rp_service *service);

/* Asks for the time that the next step of a renewal may take (EXTEND_TIMEOUT_USEC=). */
void rp_manager_extend(struct rp_service *service);

#endif
