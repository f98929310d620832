/* SPDX-License-Identifier: MIT */
/* A connection is known by its two ends. One that is accepted and closed between two looks is not
 * seen, but under load some wait in the queue of the listener that they have been sent to. */
#include "handover/evidence.h"

#include "base/clock.h"
#include "handover/traffic.h"

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
    unsigned long unread[2];     /* of UDP sockets, at the previous look */
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

/* Counts the side's listeners in the group where something waits, and whether more datagrams do. */
static unsigned long count_waiting(const struct rp_replacement *this, const struct rp_group *group,
                                   enum rp_side side, struct arrivals *arrivals) {
    const struct rp_sockets *sockets = &this->look.of[side];
    unsigned long waiting = 0, unread = 0;
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        if (!rp_is_receiver(socket) || !rp_is_same_group(&group->like, socket)) continue;
        waiting += socket->queue > 0;
        unread += socket->unread;
    }
    const bool more = unread > arrivals->unread[side];
    arrivals->unread[side] = unread;
    return waiting + more;
}

/* What waits in queues counts only once all connections that began before the change belong to a
 * process: until then some of those may be in a queue. */
static void look(struct rp_replacement *this, const struct rp_group *group,
                 struct arrivals *arrivals) {
    rp_replacement_look(this, UNDER_WAY);
    const bool settled = !rp_still_unsettled(&this->look, &arrivals->unsettled);
    for (enum rp_side side = RP_OLD; side <= RP_NEW; side++) {
        const unsigned long waiting = count_waiting(this, group, side, arrivals);
        arrivals->seen[side] += learn(this, group, side, &arrivals->known);
        if (settled) arrivals->seen[side] += waiting;
    }
}

static void begin(struct rp_replacement *this, const struct rp_group *group,
                  struct arrivals *arrivals) {
    rp_replacement_look(this, UNDER_WAY);
    rp_unsettled(&this->groups, &this->look, &arrivals->unsettled);
    for (enum rp_side side = RP_OLD; side < RP_SIDES; side++)
        learn(this, group, side, &arrivals->known);
    for (enum rp_side side = RP_OLD; side <= RP_NEW; side++)
        count_waiting(this, group, side, arrivals);
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
    if (seen[RP_OLD] * TOLERANCE > seen[RP_NEW]) return RP_AGAINST;
    return seen[RP_NEW] ? RP_FOR : RP_NONE;
}
