/* SPDX-License-Identifier: MIT */
/* A connection is known by its two ends. One that is accepted and closed between two looks is not
 * seen, but under load some wait in the queue of the listener that they have been sent to. */
#include "handover/evidence.h"

#include "base/clock.h"
#include "look/traffic.h"

#include <stdlib.h>

static const double patience = 1; /* seconds */

enum {
    ENOUGH = 32,    /* arrivals that have been seen */
    TOLERANCE = 16, /* one in so many may be a straggler */
    UNDER_WAY = RP_CONNECTED | RP_SYN_RECEIVED,
};

struct arrivals {
    struct rp_sockets known;     /* connections to the group */
    struct rp_sockets unsettled; /* those that belonged to no process at the first look */
    bool settled;                /* none of those was left at the previous look */
    unsigned long waiting[2];    /* connections and bytes of datagrams, at the previous look */
    unsigned long seen[2];       /* by side, RP_OLD and RP_NEW */
};

static bool is_under_way(const struct rp_socket *socket) {
    return socket->proto == RP_TCP && UNDER_WAY >> socket->state & 1;
}

/* An exact address goes before a wildcard. */
static const struct rp_group *group_of(const struct rp_groups *groups,
                                       const struct rp_socket *socket) {
    const struct rp_group *wild = NULL;
    for (size_t i = 0; i < groups->count; i++) {
        const struct rp_socket *like = &groups->list[i].like;
        if (like->proto != socket->proto || like->ipv6 != socket->ipv6 ||
            like->local.port != socket->local.port)
            continue;
        if (IN6_ARE_ADDR_EQUAL(&like->local.address, &socket->local.address))
            return &groups->list[i];
        if (rp_is_wildcard(&like->local.address)) wild = &groups->list[i];
    }
    return wild;
}

static bool is_known(const struct rp_sockets *known, size_t count, const struct rp_socket *socket) {
    return count && bsearch(socket, known->list, count, sizeof(*socket), rp_by_ends);
}

/* Adds the side's connections to the group that are not known yet. Returns how many. */
static unsigned long learn(const struct rp_replacement *this, const struct rp_group *group,
                           enum rp_side side, struct rp_sockets *known) {
    const struct rp_sockets *sockets = &this->look.of[side];
    const size_t before = known->count;
    for (size_t i = 0; i < sockets->count; i++) {
        struct rp_socket socket = sockets->list[i];
        if (!is_under_way(&socket) || group_of(&this->groups, &socket) != group ||
            is_known(known, before, &socket))
            continue;
        socket.owners = NULL;
        socket.owner_count = 0;
        rp_sockets_add(known, &socket);
    }
    if (known->count > before) qsort(known->list, known->count, sizeof(*known->list), rp_by_ends);
    return known->count - before;
}

/* Whether more waits in the side's queues for the group than at the previous look. */
static bool has_grown(const struct rp_replacement *this, const struct rp_group *group,
                      enum rp_side side, struct arrivals *arrivals) {
    const struct rp_sockets *sockets = &this->look.of[side];
    unsigned long waiting = 0;
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        if (!rp_is_receiver(socket) || !rp_is_same_group(&group->like, socket)) continue;
        waiting += (socket->queue > 0 ? (unsigned long)socket->queue : 0) + socket->unread;
    }
    const bool grown = waiting > arrivals->waiting[side];
    arrivals->waiting[side] = waiting;
    return grown;
}

/* A queue grows by what began after the change if all that began before it belonged to a process at
 * the previous look: the kernel lists queues before connections, which may be accepted in between.
 */
static void look(struct rp_replacement *this, const struct rp_group *group,
                 struct arrivals *arrivals) {
    const bool settled = arrivals->settled;
    rp_replacement_look(this, UNDER_WAY);
    arrivals->settled = settled || !rp_still_unsettled(&this->look, &arrivals->unsettled);
    for (enum rp_side side = RP_OLD; side <= RP_NEW; side++) {
        const bool grown = has_grown(this, group, side, arrivals);
        arrivals->seen[side] += learn(this, group, side, &arrivals->known);
        if (settled || group->like.proto == RP_UDP) arrivals->seen[side] += grown;
    }
}

static void begin(struct rp_replacement *this, const struct rp_group *group,
                  struct arrivals *arrivals) {
    rp_replacement_look(this, UNDER_WAY);
    rp_unsettled(&this->groups, &this->look, &arrivals->unsettled);
    for (enum rp_side side = RP_OLD; side < RP_SIDES; side++)
        learn(this, group, side, &arrivals->known);
    for (enum rp_side side = RP_OLD; side <= RP_NEW; side++) has_grown(this, group, side, arrivals);
}

enum rp_evidence rp_evidence_gather(struct rp_replacement *this, struct rp_group *group) {
    struct arrivals arrivals = {.known = {NULL, 0, 0}};
    const unsigned long *seen = arrivals.seen;
    begin(this, group, &arrivals);
    for (const double end = rp_now() + patience;
         rp_now() < end && seen[RP_OLD] + seen[RP_NEW] < ENOUGH && !rp_is_interrupted() &&
         !rp_successor_is_lost(&this->successor) && !rp_old_has_ended(this) && !group->changed;
         rp_tick())
        look(this, group, &arrivals);
    rp_sockets_free(&arrivals.known);
    rp_sockets_free(&arrivals.unsettled);
    /* Of two members, one gets all. */
    const unsigned tolerance = group->members.count > 2 ? TOLERANCE : 1;
    if (seen[RP_OLD] * tolerance > seen[RP_NEW]) return RP_AGAINST;
    return seen[RP_NEW] ? RP_FOR : RP_NONE;
}
