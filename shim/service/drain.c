/* SPDX-License-Identifier: MIT */
/* The kernel does not show which listener a handshake belongs to: any that was under way when
 * draining began may still reach the copy. */
#include "service/drain.h"

#include "base/clock.h"
#include "base/die.h"
#include "group/steer.h"
#include "inspect/holders.h"
#include "look/traffic.h"
#include "service/copies.h"
#include "service/ownership.h"
#include "service/steering.h"

#include <stdlib.h>

/* In seconds: how long nothing must be left to accept; between two counts of connections. */
static const double quiet_time = 0.1, count_pause = 0.1;

/* The addresses at which the copy listens by one of those protocols; free(3) the list. */
static struct rp_sockets addresses(const struct rp_service *service, const struct rp_copy *copy,
                                   unsigned protos) {
    struct rp_sockets like = {NULL, 0, 0};
    for (size_t i = 0; i < service->listening.count; i++) {
        const struct rp_shared *shared = &service->listening.list[i];
        for (size_t j = 0; j < shared->count; j++)
            if (shared->like.proto & protos && rp_may_have(shared, &shared->list[j], copy))
                rp_sockets_add(&like, &shared->like);
    }
    return like;
}

/* The sockets of those protocols at the copy's addresses, TCP sockets in those states. */
static void find(const struct rp_service *service, const struct rp_copy *copy, unsigned protos,
                 unsigned states, struct rp_sockets *found) {
    struct rp_sockets like = addresses(service, copy, protos);
    rp_sockets_find_on_ports(&like, states, found);
    free(like.list);
}

void rp_drain_begin(struct rp_service *service, struct rp_copy *copy) {
    rp_listening_look(service, true);
    rp_steer_anew(service);
    rp_tree_grow(&copy->server.tree);
    const unsigned states = RP_SYN_RECEIVED | (rp_is_hidden(copy) ? RP_CONNECTED : 0);
    find(service, copy, RP_TCP, states, &copy->unsettled);
    if (copy->unsettled.count)
        qsort(copy->unsettled.list, copy->unsettled.count, sizeof(*copy->unsettled.list),
              rp_by_ends);
    copy->busy = rp_now();
}

/* Whether the connection was under way when the copy began to drain. */
static bool was_there(const struct rp_copy *copy, const struct rp_socket *socket) {
    const struct rp_sockets *then = &copy->unsettled;
    return then->count && bsearch(socket, then->list, then->count, sizeof(*then->list), rp_by_ends);
}

/* Handshakes noted at the beginning that are still under way, and their clients not silent. */
static unsigned long count_unsettled(const struct rp_service *service, const struct rp_copy *copy) {
    struct rp_sockets now = {NULL, 0, 0};
    unsigned long count = 0;
    if (!copy->unsettled.count) return 0;
    find(service, copy, RP_TCP, RP_SYN_RECEIVED, &now);
    for (size_t i = 0; i < now.count; i++)
        count += !now.list[i].repeated && was_there(copy, &now.list[i]);
    rp_sockets_free(&now);
    return count;
}

/* Whether datagrams wait for the copy. */
static bool has_datagrams(const struct rp_service *service, const struct rp_copy *copy) {
    struct rp_sockets found = {NULL, 0, 0};
    bool any = false;
    find(service, copy, RP_UDP, RP_LISTENING, &found);
    for (size_t i = 0; i < service->listening.count; i++) {
        const struct rp_shared *shared = &service->listening.list[i];
        for (size_t j = 0; j < shared->count; j++)
            for (size_t k = 0; k < found.count; k++)
                any = any || (found.list[k].unread &&
                              found.list[k].inode == shared->list[j].socket.inode &&
                              rp_may_have(shared, &shared->list[j], copy));
    }
    rp_sockets_free(&found);
    return any;
}

/* Counts the copy's connections, if that is due; of a copy that hides them, all that were there at
 * the beginning. */
static void count_connections(const struct rp_service *service, struct rp_copy *copy) {
    struct rp_sockets found = {NULL, 0, 0};
    const double begin = rp_now();
    if (begin < copy->counted) return;
    find(service, copy, RP_TCP | RP_UDP, RP_CONNECTED, &found);
    rp_tree_grow(&copy->server.tree);
    rp_sockets_find_members(&found, &copy->server.tree);
    const bool hidden = rp_is_hidden(copy);
    copy->connections = 0;
    for (size_t i = 0; i < found.count; i++)
        copy->connections += hidden ? was_there(copy, &found.list[i])
                                    : found.list[i].owner_count && found.list[i].remote.port;
    rp_sockets_free(&found);
    copy->counted = rp_now() + count_pause + 4 * (rp_now() - begin);
}

/* Hides the copy's listeners in the groups that are steered. */
static void hide(const struct rp_service *service, const struct rp_copy *copy) {
    for (size_t i = 0; i < service->listening.count; i++) {
        const struct rp_shared *shared = &service->listening.list[i];
        for (size_t j = 0; j < shared->count && shared->steered; j++)
            if (shared->list[j].copy == copy->number && shared->like.proto == RP_TCP)
                rp_group_hide(&shared->list[j].socket);
    }
}

/* What is lost with the copy, or may be. */
static void tell_loss(const struct rp_service *service, const struct rp_copy *copy, bool excluded,
                      unsigned long waiting) {
    if (!excluded && rp_count(service, RP_SERVING))
        rp_warn("copy %d: connections could not be kept from it; those that it has not accepted "
                "when it ends are lost",
                copy->number);
    else if (waiting)
        rp_warn("copy %d: has not accepted %lu of its connections in time; they will be reset",
                copy->number, waiting);
}

static void step(struct rp_service *service, struct rp_copy *copy) {
    const double now = rp_now(), patience = (double)service->plan->drain;
    const bool excluded = rp_is_excluded(service, copy);
    const unsigned long waiting = rp_queued(service, copy) + count_unsettled(service, copy);
    if (waiting || has_datagrams(service, copy)) copy->busy = now;
    const bool quiet = now - copy->busy >= quiet_time, late = now - copy->since >= patience;
    if (quiet && !late) count_connections(service, copy);
    const bool idle = quiet && (late || (copy->counted > 0 && !copy->connections));
    if (!idle && now - copy->since < patience + 1) return;
    tell_loss(service, copy, excluded, waiting);
    rp_copy_change(service, copy, RP_TOLD);
    rp_steer(service); /* to members whose numbers do not change when this copy's leave */
    if (excluded) hide(service, copy);
    rp_copy_end(service, copy, SIGTERM, RP_FROM_PROCESS, copy->patience);
}

void rp_drain_step(struct rp_service *service) {
    for (int i = 0; i < service->slots; i++)
        if (service->list[i].state == RP_DRAINING) step(service, &service->list[i]);
}
