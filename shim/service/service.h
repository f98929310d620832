/* SPDX-License-Identifier: MIT */
/* Several copies of a command as one service: what run -n does, and its state. */
#ifndef RP_SERVICE_H
#define RP_SERVICE_H

#include "launch/copy.h"
#include "launch/question.h"
#include "launch/ready.h"
#include "look/look.h"
#include "service/life.h"
#include "service/listening.h"
#include "service/manager.h"

#include <poll.h>
#include <signal.h>

enum rp_on_exit { RP_KEEP, RP_STOP, RP_RESTART };

/* What the command line asks for. Times are in seconds. */
struct rp_service_plan {
    struct rp_copies copies; /* count: how many at first; rolling starts a renewal */
    int most;                /* limit for TTIN; 0: copies.count */
    enum rp_on_exit on_exit;
    struct rp_ready ready;
    bool in_place; /* a renewal stops the old copy first */
    bool balance;
    long drain, start_timeout;
    long stop_timeout;   /* from TERM to KILL; 0: KILL only in a renewal */
    long hung;           /* time without an accept that ends a copy; 0: never */
    const char *manager; /* NOTIFY_SOCKET, or NULL */
};

/* A number and, unless absent, the copy that has it. Times are those of rp_now(). */
struct rp_copy {
    int number;
    enum rp_state state;
    double since; /* when it entered that state */
    pid_t keeper;
    unsigned generation;     /* the service's when it was started */
    struct rp_server server; /* the keeper and what descends from it */
    bool fresh;              /* started by a renewal, and not ready yet */
    bool gated;              /* gets no connection before it is ready */
    bool hides;              /* see rp_is_hidden(), when its processes were last searched */
    bool leaving;            /* will not be restarted */
    bool killed;             /* KILL was sent, as it did not end in time */
    int fruitless;           /* consecutive starts that ended before it listened */
    double patience;         /* seconds from TERM to KILL while leaving; 0: no KILL */
    double started;
    double listened; /* when it was first seen to listen; 0: not yet */
    double due;      /* when to start or kill it; 0: never */
    double delay;    /* before its next restart */
    double lived;    /* seconds in all since the delay began anew */
    struct rp_question question;
    double asked;                /* when the last question was asked */
    struct rp_sockets unsettled; /* handshakes that were under way when it began to drain, and if it
                                    hides its connections, those that there were */
    double busy;                 /* when it last had something to accept while draining */
    double counted;              /* when to count its connections again; 0: not counted yet */
    unsigned long connections;
    uint32_t *accepted; /* inodes of its connections at the last check of --hung */
    size_t accepted_count;
    double idle;               /* since when connections wait and it accepts none; 0: not so */
    double noted;              /* when these were noted, and how many were in its queue: */
    struct rp_sockets waiting; /* connections to any copy that were not accepted since then */
    unsigned long queued;
};

struct rp_service {
    const struct rp_service_plan *plan;
    struct rp_copies copies; /* with our sockets for READY=1 */
    struct rp_notify *notify;
    struct rp_copy *list; /* by number */
    int slots;            /* length of list */
    int target, most;     /* copies wanted, and the limit for TTIN */
    unsigned generation;  /* counts renewals */
    bool renewing, again; /* again: the signal arrived during a renewal */
    bool stopping;
    bool bereaved; /* a keeper was killed: its children become this process's */
    bool orphaned; /* such processes are to be waited for */
    bool judged;   /* status is final */
    int status;    /* of this process, at the end */
    pid_t outer;   /* whose PID users know: the parent, if this process went apart, or itself */
    int signals;   /* see rp_signals_open() */
    struct pollfd *turn;             /* for ppoll(2) */
    sigset_t mask;                   /* the one that copies get */
    double next_look, next_check;    /* not before, by rp_now(); the latter for --hung */
    double next_lock;                /* not before: whether this service is being replaced */
    double next_states;              /* not before: which copies are stopped, for --balance */
    double unbound;                  /* when to report ports that nobody bound; 0: never */
    int counters;                    /* /proc/net/snmp */
    unsigned long arrivals, arrived; /* connections in the namespace; since the last look */
    struct rp_listening listening;
    struct rp_manager manager;
};

/* Supervises copies until the last has ended. Passes on HUP INT QUIT TERM USR1 USR2 WINCH CONT,
 * each once to each copy. Returns the exit status: 0 if all copies ended with 0, else that of the
 * first that did not, 128 plus the signal's number for a killed one; copies that were removed,
 * renewed or restarted do not count. No process of a copy is left when it returns, nor when this
 * process is killed: prctl(2), PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG. Not
 * async-signal-safe. */
int rp_serve(const struct rp_service_plan *plan);

/* The number of copies in that state. Async-signal-safe. */
int rp_count(const struct rp_service *service, enum rp_state state);

/* Whether the copy may get new connections: it is ready, or starting and not gated.
 * Async-signal-safe. */
bool rp_may_receive(const struct rp_copy *copy);

/* The number of copies that exist or will be restarted. Async-signal-safe. */
int rp_count_live(const struct rp_service *service);

#endif
