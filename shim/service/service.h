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

/* What is wanted. Times are in seconds. */
struct rp_service_plan {
    struct rp_copies copies; /* count: how many at first */
    int most;                /* copies that TTIN leads to; 0: copies.count */
    enum rp_on_exit on_exit;
    struct rp_ready ready;
    int rolling;   /* the signal at which copies are renewed, or 0 */
    bool in_place; /* a renewed copy's successor gets its number */
    bool balance;
    long drain, start_timeout;
    long stop_timeout;   /* from TERM to KILL; 0: no KILL but in a renewal */
    long hung;           /* without an accept, until a copy is ended; 0: never */
    const char *manager; /* what NOTIFY_SOCKET named, or NULL */
};

/* A number, and the copy that has it unless that is absent. Times are by rp_now(). */
struct rp_copy {
    int number;
    enum rp_state state;
    double since; /* of the state */
    pid_t keeper;
    struct rp_server server; /* the keeper and what descends from it */
    unsigned generation;     /* of the renewals, in which it was started */
    bool fresh;              /* started by a renewal, and not ready yet */
    bool gated;              /* gets no connection before it is ready */
    bool leaving;            /* not to be started again */
    double patience;         /* in seconds, from TERM to KILL, of one that leaves; 0: endless */
    bool killed;             /* as it did not end in time */
    double started;
    double listened; /* since when; 0: not yet */
    double due;      /* when it is started, or killed; 0: never */
    double delay;    /* before its next start */
    int fruitless;   /* starts in a row that ended before it listened */
    struct rp_question question;
    double asked;                /* when the last question was */
    struct rp_sockets unsettled; /* handshakes that were under way when it began to drain */
    double busy;                 /* when it last had something to accept while draining */
    double counted;              /* when its connections were last counted, and how many */
    unsigned long connections;
    uint32_t *accepted; /* the connections that it had while its queue waits, for --hung */
    size_t accepted_count;
    double idle; /* since when it has accepted none of those that wait; 0: not so */
};

struct rp_service {
    const struct rp_service_plan *plan;
    struct rp_copies copies; /* with our sockets for READY=1 */
    struct rp_notify *notify;
    struct rp_copy *list; /* by number */
    int slots;            /* numbers */
    int target, most;     /* copies that there should be, and at most */
    unsigned generation;
    bool renewing, again; /* again: the signal came once more */
    bool stopping;
    bool bereaved; /* a keeper was killed: what it kept comes to this process */
    bool orphaned; /* such processes are to be waited for */
    bool judged;   /* status stays as it is */
    int status;    /* of this process, at the end */
    pid_t outer; /* whose PID users know: the parent, if this process had to go apart, or itself */
    int signals; /* see rp_signals_open() */
    struct pollfd *turn;             /* what is waited for */
    sigset_t mask;                   /* as it was before */
    double next_look, next_check;    /* not before, by rp_now(); the latter for --hung */
    double unbound;                  /* when to tell of ports that nobody bound; 0: never */
    int counters;                    /* /proc/net/snmp */
    unsigned long arrivals, arrived; /* connections in the namespace; since the last look */
    struct rp_listening listening;
    struct rp_manager manager;
};

/* Supervises copies until the last has ended. Passes on HUP INT QUIT TERM USR1 USR2 WINCH
 * CONT, each once to each copy. Returns the exit status: 0 if all ended with 0, else that of the
 * first that did not, 128 plus the signal's number for a killed one; ends that were asked for, or
 * that a new start followed, do not count. No process of a copy is left when it returns, nor when
 * this process is killed: prctl(2), PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG. Not
 * async-signal-safe. */
int rp_serve(const struct rp_service_plan *plan);

/* Copies in that state. Async-signal-safe. */
int rp_count(const struct rp_service *service, enum rp_state state);

/* Whether the copy may get new connections: it is ready, or need not be. Async-signal-safe. */
bool rp_may_receive(const struct rp_copy *copy);

/* Copies that exist or will be started again. Async-signal-safe. */
int rp_count_live(const struct rp_service *service);

#endif
