/* SPDX-License-Identifier: MIT */
/* Which copy listens where: the sockets on the ports of the list, group by group. None of these
 * functions is async-signal-safe; all that allocate exit with 125 if memory runs out. */
#ifndef RP_LISTENING_H
#define RP_LISTENING_H

#include "group/members.h"

struct rp_service;
struct rp_copy;

/* Whose a socket is, unless it is a copy's, by number. */
enum {
    RP_STRANGER = -1,  /* nobody's that we see */
    RP_EVERYBODY = -2, /* several copies have it */
    RP_HIDDEN = -3,    /* one of several copies', whose processes may not be looked into */
};

struct rp_listener {
    struct rp_socket socket; /* with its owners among the copies' processes */
    int copy;
    bool seen;        /* in this look */
    bool searched;    /* the copies' processes, for its owner */
    bool passed_over; /* by --balance */
    double stalled;   /* since when connections wait and none was accepted; 0: not so */
};

/* A group: sockets that share one address. */
struct rp_shared {
    struct rp_socket like;    /* one of them, without owners */
    struct rp_listener *list; /* in the order of joining */
    size_t count;
    struct rp_members members;
    bool steered; /* a program of ours is attached */
    bool cleaned; /* what an earlier process left has been detached */
    bool told;    /* that it cannot be steered */
    bool *chosen; /* by number, of that program */
    size_t chosen_count;
    double open;            /* since when nobody is excluded; 0: somebody is */
    double quiet;           /* since when nothing has arrived, and how much had */
    unsigned long arrivals; /* of the namespace */
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

/* Looks at the sockets on the ports of the list; all: else only at those of known groups, which is
 * cheaper. New ones are attributed to copies by the descriptors of their processes; what those
 * hide, to the one copy whose socket it can be. */
void rp_listening_look(struct rp_service *service, bool all);

/* Whether the copy listens: on each port on which a copy that is ready does, and on one at least.
 * A UDP port that the kernel may have chosen does not count, unless the list names it alone. */
bool rp_listens(const struct rp_service *service, const struct rp_copy *copy);

/* Connections that wait for the copy to accept them, on all ports. */
unsigned long rp_queued(const struct rp_service *service, const struct rp_copy *copy);

#endif
