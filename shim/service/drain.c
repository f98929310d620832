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
#include "service/steering.h"

#include <stdlib.h>

/* In seconds: how long nothing must be left to accept; between two counts of connections. */
static const double quiet_time = 0.1, count_pause = 0.1;

/* The addresses at which the copy listens; free(3) the list. */
static struct rp_sockets addresses(const struct rp_service *service, const struct rp_copy *copy) {
    struct rp_sockets like = {NULL, 0, 0};
    for (size_t i = 0; i < service->listening.count; i++) {
        const struct rp_shared *shared = &service->listening.list[i];
        for (size_t j = 0; j < shared->count; j++)
            if (shared->list[j].copy == copy->number) rp_sockets_add(&like, &shared->like);
    }
    return like;
}

/* The TCP sockets in those states at the copy's addresses. */
static void find(const struct rp_service *service, const struct rp_copy *copy, unsigned states,
                 struct rp_sockets *found) {
    struct rp_sockets like = addresses(service, copy);
    rp_sockets_find_on_ports(&like, states, found);
    free(like.list);
}

void rp_drain_begin(struct rp_service *service, struct rp_copy *copy) {
    rp_listening_look(service, true);
    rp_steer(service);
    find(service, copy, RP_SYN_RECEIVED, &copy->unsettled);
    if (copy->unsettled.count)
        qsort(copy->unsettled.list, copy->unsettled.count, sizeof(*copy->unsettled.list),
              rp_by_ends);
    copy->busy = rp_now();
}

/* Whether a handshake noted at the beginning is still under way, and its client not silent. */
static bool is_unsettled(const struct rp_service *service, const struct rp_copy *copy) {
    struct rp_sockets now = {NULL, 0, 0};
    bool any = false;
    if (!copy->unsettled.count) return false;
    find(service, copy, RP_SYN_RECEIVED, &now);
    for (size_t i = 0; i < now.count; i++)
        any = any || (!now.list[i].repeated &&
                      bsearch(&now.list[i], copy->unsettled.list, copy->unsettled.count,
                              sizeof(*copy->unsettled.list), rp_by_ends));
    rp_sockets_free(&now);
    return any;
}

/* Whether datagrams wait for the copy. */
static bool has_datagrams(const struct rp_service *service, const struct rp_copy *copy) {
    struct rp_sockets found = {NULL, 0, 0};
    bool any = false;
    find(service, copy, RP_LISTENING, &found);
    for (size_t i = 0; i < service->listening.count; i++) {
        const struct rp_shared *shared = &service->listening.list[i];
        for (size_t j = 0; j < shared->count; j++)
            for (size_t k = 0; k < found.count && shared->list[j].copy == copy->number; k++)
                any = any || (shared->like.proto == RP_UDP && found.list[k].unread &&
                              found.list[k].inode == shared->list[j].socket.inode);
    }
    rp_sockets_free(&found);
    return any;
}

/* Counts the copy's connections, if that is due. */
static void count_connections(const struct rp_service *service, struct rp_copy *copy) {
    struct rp_sockets found = {NULL, 0, 0};
    const double begin = rp_now();
    if (begin < copy->counted) return;
    find(service, copy, RP_CONNECTED, &found);
    rp_tree_grow(&copy->server.tree);
    rp_sockets_find_members(&found, &copy->server.tree);
    copy->connections = 0;
    for (size_t i = 0; i < found.count; i++)
        copy->connections += found.list[i].owner_count && found.list[i].remote.port;
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

static void step(struct rp_service *service, struct rp_copy *copy) {
    const double now = rp_now(), patience = (double)service->plan->drain;
    const bool excluded = rp_is_excluded(service, copy);
    if (rp_queued(service, copy) || is_unsettled(service, copy) || has_datagrams(service, copy))
        copy->busy = now;
    const bool quiet = now - copy->busy >= quiet_time, late = now - copy->since >= patience;
    if (quiet && !late) count_connections(service, copy);
    const bool idle = quiet && (late || (copy->counted > 0 && !copy->connections));
    if (!idle && now - copy->since < patience + 1) return;
    if (excluded && quiet)
        hide(service, copy);
    else if (rp_count(service, RP_SERVING))
        rp_warn("copy %d: connections could not be kept from it; those that it has not accepted "
                "when it ends are lost",
                copy->number);
    rp_copy_end(service, copy, SIGTERM, RP_FROM_PROCESS, copy->patience);
}

void rp_drain_step(struct rp_service *service) {
    for (int i = 0; i < service->slots; i++)
        if (service->list[i].state == RP_DRAINING) step(service, &service->list[i]);
}
