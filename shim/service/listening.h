/* SPDX-License-Identifier: MIT */
/* Which copy listens where: the sockets on the listed ports, by group. None of these functions is
 * async-signal-safe; all that allocate exit with 125 if memory runs out. */
#ifndef RP_LISTENING_H
#define RP_LISTENING_H

#include "group/members.h"

struct rp_copy;
struct rp_dealer;
struct rp_service;

/* Whose a socket is, if not the copy's with that number. */
enum {
    RP_STRANGER = -1,  /* not known to be any copy's */
    RP_EVERYBODY = -2, /* held by several copies */
    RP_HIDDEN = -3,    /* of one of several copies whose descriptors cannot be listed */
};

struct rp_listener {
    struct rp_socket socket; /* its owners: the copies' processes that hold it */
    int copy;
    unsigned tries;   /* numbers that it turned out not to have, while it is excluded */
    double since;     /* when it was first seen */
    double stalled;   /* since when connections wait and none was accepted; 0: not so */
    double excluded;  /* since when the program is to give it nothing; 0: not so */
    long least;       /* its shortest queue since then; -1: not known yet */
    bool seen;        /* in this look */
    bool searched;    /* for, among the copies' processes */
    bool stopped;     /* all processes that are known to have it, for --balance */
    bool passed_over; /* by --balance */
};

/* See service/dealing.h. */
struct rp_dealing {
    struct rp_dealer *dealer; /* or NULL */
    bool attached;            /* its program is the one that steers the group */
    bool refused;             /* a member was, of those that there are */
    double checked;           /* when it was last checked whether it deals, and what it had dealt */
    uint32_t dealt;
    unsigned long arrivals; /* of the namespace, then */
};

/* A group: sockets that share one address. */
struct rp_shared {
    struct rp_socket like;    /* one of them, without owners */
    struct rp_listener *list; /* in the order of joining */
    size_t count;
    struct rp_members members;
    bool steered; /* a program of ours is attached */
    bool cleaned; /* what an earlier process may have left has been detached */
    bool told;    /* why it cannot be steered */
    bool visited; /* since the last look: see rp_group_visit() */
    struct rp_dealing dealing;
    bool *chosen;           /* by number, of that program */
    size_t chosen_count;    /* 0: it is to be attached again */
    double patience;        /* see rp_exclusion_fails(), in seconds; 0: as at first */
    double retry;           /* not before, after a failure */
    double open;            /* since when nobody is excluded; 0: somebody is */
    double quiet;           /* since when no connection has arrived */
    unsigned long arrivals; /* rp_arrivals() at the last check for `quiet` */
    char receivers[128];    /* the copies that -v last said connections go to */
    double said;            /* when */
};

struct rp_listening {
    struct rp_shared *list;
    size_t count;
    bool complete;      /* the last look found all groups that there were */
    double next_search; /* for owners, not before, by rp_now() */
    double pause;       /* after it, in seconds */
};

/* Looks at the sockets on the listed ports; without `all` only at those of known groups, which is
 * cheaper. Attributes new ones to copies by the descriptors of their processes; one that these do
 * not show, to the one copy that can have it. */
void rp_listening_look(struct rp_service *service, bool all);

/* Whether the copy listens: on each port on which a copy that is ready does, and on one at least.
 * A UDP port that the kernel may have chosen does not count, unless the list names it alone. */
bool rp_listens(const struct rp_service *service, const struct rp_copy *copy);

/* Connections that wait for the copy to accept them, on all ports. */
unsigned long rp_queued(const struct rp_service *service, const struct rp_copy *copy);

/* The group's sockets, in the order of joining; their owners remain the listeners'. free(3) the
 * list. */
struct rp_sockets rp_shared_sockets(const struct rp_shared *shared);

#endif
