/* SPDX-License-Identifier: MIT */
/* Counting of connections by state and side. */
#include "look/traffic.h"

#include <stdlib.h>
#include <string.h>

enum { UNDER_WAY = RP_CONNECTED | RP_SYN_RECEIVED };

static bool is_in_states(const struct rp_socket *socket, unsigned states) {
    return socket->proto == RP_TCP && states >> socket->state & 1;
}

unsigned long rp_waiting(const struct rp_look *look, enum rp_side side) {
    const struct rp_sockets *sockets = &look->of[side];
    unsigned long waiting = 0;
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        if (socket->queue > 0) waiting += (unsigned long)socket->queue;
        if (socket->proto == RP_UDP && socket->unread && rp_is_receiver(socket)) waiting++;
    }
    return waiting;
}

unsigned long rp_connections(const struct rp_look *look, enum rp_side side) {
    const struct rp_sockets *sockets = &look->of[side];
    unsigned long count = 0;
    for (size_t i = 0; i < sockets->count; i++) count += RP_CONNECTED >> sockets->list[i].state & 1;
    return count;
}

unsigned long rp_passing(const struct rp_look *look) {
    const struct rp_sockets *sockets = &look->of[RP_NOBODY];
    unsigned long count = 0;
    for (size_t i = 0; i < sockets->count; i++)
        count += !sockets->list[i].inode && is_in_states(&sockets->list[i], RP_HOLDING);
    return count;
}

/* Whether a connection came in through one of the groups, judging by its address. */
static bool is_through(const struct rp_groups *groups, const struct rp_socket *socket) {
    for (size_t i = 0; i < groups->count; i++) {
        const struct rp_endpoint *at = &groups->list[i].like.local;
        if (at->port == socket->local.port &&
            (rp_is_wildcard(&at->address) ||
             IN6_ARE_ADDR_EQUAL(&at->address, &socket->local.address)))
            return true;
    }
    return false;
}

static int compare(const struct rp_endpoint *left, const struct rp_endpoint *right) {
    return left->port != right->port
               ? left->port - right->port
               : memcmp(&left->address, &right->address, sizeof(left->address));
}

int rp_by_ends(const void *a, const void *b) {
    const struct rp_socket *left = a, *right = b;
    const int remote = compare(&left->remote, &right->remote);
    return remote ? remote : compare(&left->local, &right->local);
}

void rp_unsettled(const struct rp_groups *groups, const struct rp_look *look,
                  struct rp_sockets *unsettled) {
    const struct rp_sockets *sockets = &look->of[RP_NOBODY];
    for (size_t i = 0; i < sockets->count; i++) {
        struct rp_socket socket = sockets->list[i];
        socket.owners = NULL;
        socket.owner_count = 0;
        if (is_in_states(&socket, UNDER_WAY) && is_through(groups, &socket))
            rp_sockets_add(unsettled, &socket);
    }
    if (unsettled->count)
        qsort(unsettled->list, unsettled->count, sizeof(*unsettled->list), rp_by_ends);
}

unsigned long rp_still_unsettled(const struct rp_look *look, const struct rp_sockets *unsettled) {
    const struct rp_sockets *now = &look->of[RP_NOBODY];
    unsigned long still = 0;
    for (size_t i = 0; unsettled->count && i < now->count; i++)
        still += is_in_states(&now->list[i], UNDER_WAY) && !now->list[i].repeated &&
                 bsearch(&now->list[i], unsettled->list, unsettled->count, sizeof(*unsettled->list),
                         rp_by_ends);
    return still;
}
