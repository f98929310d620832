/* SPDX-License-Identifier: MIT */
/* The kernel does not count accepts; they show as a shorter queue, as new connections, or as
 * connections that no longer wait. */
#include "service/hung.h"

#include "base/clock.h"
#include "base/die.h"
#include "inspect/holders.h"
#include "look/traffic.h"
#include "service/copies.h"
#include "service/ownership.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const double patience = 5; /* seconds from TERM to KILL */

/* Whether connections wait for the copy, and none of its queues has become shorter. *full: whether
 * one of these queues is full. */
static bool is_stalled(const struct rp_service *service, const struct rp_copy *copy, bool *full) {
    bool stalled = false;
    *full = false;
    for (size_t i = 0; i < service->listening.count; i++) {
        const struct rp_shared *shared = &service->listening.list[i];
        for (size_t j = 0; j < shared->count; j++) {
            const struct rp_listener *listener = &shared->list[j];
            if (listener->copy != copy->number || listener->socket.queue <= 0) continue;
            if (listener->stalled <= 0) return false;
            stalled = true;
            *full = *full || listener->socket.queue >= listener->socket.limit;
        }
    }
    return stalled;
}

static int by_number(const void *a, const void *b) {
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* The connections to all copies, accepted or not. */
static struct rp_sockets find_connections(const struct rp_service *service) {
    struct rp_sockets like = {NULL, 0, 0}, found = {NULL, 0, 0};
    for (size_t i = 0; i < service->listening.count; i++)
        if (service->listening.list[i].like.proto == RP_TCP)
            rp_sockets_add(&like, &service->listening.list[i].like);
    rp_sockets_find_on_ports(&like, RP_CONNECTED, &found);
    free(like.list);
    if (found.count) qsort(found.list, found.count, sizeof(*found.list), rp_by_ends);
    return found;
}

/* The inodes of the copy's connections, sorted; free(3) them. */
static uint32_t *find_accepted(const struct rp_sockets *connections, struct rp_copy *copy,
                               size_t *count) {
    struct rp_sockets found = {NULL, 0, 0};
    for (size_t i = 0; i < connections->count; i++)
        if (connections->list[i].inode) rp_sockets_add(&found, &connections->list[i]);
    rp_tree_grow(&copy->server.tree);
    rp_sockets_find_members(&found, &copy->server.tree); /* sorts */
    uint32_t *inodes = calloc(found.count + 1, sizeof(*inodes));
    if (!inodes) rp_die("%s", strerror(errno));
    *count = 0;
    for (size_t i = 0; i < found.count; i++)
        if (found.list[i].owner_count) inodes[(*count)++] = found.list[i].inode;
    rp_sockets_free(&found);
    return inodes;
}

/* Whether the copy has a connection that it did not have at the last check. */
static bool has_accepted(const struct rp_sockets *connections, struct rp_copy *copy) {
    size_t count;
    bool any = false;
    uint32_t *now = find_accepted(connections, copy, &count);
    for (size_t i = 0; i < count; i++)
        any = any || !copy->accepted_count ||
              !bsearch(&now[i], copy->accepted, copy->accepted_count, sizeof(*now), by_number);
    free(copy->accepted);
    copy->accepted = now;
    copy->accepted_count = count;
    return any;
}

/* Notes the connections that nobody has accepted yet, whichever copy's they are. */
static void begin(const struct rp_service *service, struct rp_copy *copy,
                  const struct rp_sockets *connections, double now) {
    copy->idle = copy->noted = now;
    copy->queued = rp_queued(service, copy);
    rp_sockets_free(&copy->waiting);
    for (size_t i = 0; i < connections->count; i++)
        if (!connections->list[i].inode) rp_sockets_add(&copy->waiting, &connections->list[i]);
}

/* Drops those that have been accepted since. Returns whether any has. */
static bool drop_accepted(struct rp_copy *copy, const struct rp_sockets *connections) {
    const size_t before = copy->waiting.count;
    size_t kept = 0;
    for (size_t i = 0; connections->count && i < before; i++) {
        const struct rp_socket *now = bsearch(&copy->waiting.list[i], connections->list,
                                              connections->count, sizeof(*now), rp_by_ends);
        if (now && !now->inode) copy->waiting.list[kept++] = copy->waiting.list[i];
    }
    copy->waiting.count = kept;
    return kept < before;
}

static bool may_hang(const struct rp_service *service, const struct rp_copy *copy) {
    bool full;
    return copy->state == RP_SERVING && is_stalled(service, copy, &full) &&
           !(full && rp_is_hidden(copy));
}

static bool may_any_hang(const struct rp_service *service) {
    for (int i = 0; i < service->slots; i++)
        if (may_hang(service, &service->list[i])) return true;
    return false;
}

static void watch(const struct rp_service *service, struct rp_copy *copy,
                  const struct rp_sockets *connections, double now) {
    if (!may_hang(service, copy)) {
        copy->idle = 0;
    } else if (has_accepted(connections, copy) || copy->idle <= 0) {
        begin(service, copy, connections, now);
    } else if (drop_accepted(copy, connections)) {
        copy->idle = now;
        if (!copy->waiting.count) begin(service, copy, connections, now);
    }
}

/* Connections wait, and it is not seen to accept any. */
static bool is_idle(const struct rp_copy *copy) {
    return copy->state == RP_SERVING && copy->idle > 0;
}

/* Whether others that are idle, too, may have all that the copy has noted: of what was noted at the
 * same time, as many as were in their queues then, else at most as many as are now. */
static bool is_in_doubt(const struct rp_service *service, const struct rp_copy *copy, double now) {
    unsigned long others = 0;
    for (int i = 0; i < service->slots; i++) {
        const struct rp_copy *other = &service->list[i];
        if (other == copy || !is_idle(other) || other->idle >= now) continue;
        others += other->noted >= copy->noted && other->noted <= copy->noted
                      ? other->queued
                      : rp_queued(service, other);
    }
    return others && copy->waiting.count <= others;
}

/* Ends the copy, or in doubt has all that are idle begin anew, at the same time. */
static void judge(struct rp_service *service, struct rp_copy *copy,
                  const struct rp_sockets *connections, double now) {
    if (is_in_doubt(service, copy, now)) {
        for (int i = 0; i < service->slots; i++)
            if (is_idle(&service->list[i])) begin(service, &service->list[i], connections, now);
        return;
    }
    rp_warn("copy %d: accepted no connection for %ld s, while %lu wait; sending TERM", copy->number,
            service->plan->hung, rp_queued(service, copy));
    rp_copy_end(service, copy, SIGTERM, RP_FROM_PROCESS, patience);
}

void rp_hung_step(struct rp_service *service) {
    struct rp_sockets connections = {NULL, 0, 0};
    const double now = rp_now();
    if (may_any_hang(service)) connections = find_connections(service);
    for (int i = 0; i < service->slots; i++) watch(service, &service->list[i], &connections, now);
    for (int i = 0; i < service->slots; i++) {
        struct rp_copy *copy = &service->list[i];
        if (is_idle(copy) && now - copy->idle >= (double)service->plan->hung)
            judge(service, copy, &connections, now);
    }
    rp_sockets_free(&connections);
}

double rp_hung_pause(const struct rp_service *service) {
    const double pause = (double)service->plan->hung / 10;
    return pause < 1 ? pause : 1;
}
