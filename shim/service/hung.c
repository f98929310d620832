/* SPDX-License-Identifier: MIT */
/* The kernel does not count accepts; they show as a shorter queue, or as new connections. */
#include "service/hung.h"

#include "base/clock.h"
#include "base/die.h"
#include "inspect/holders.h"
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

/* The inodes of the copy's connections on its ports, sorted; free(3) them. */
static uint32_t *find_accepted(const struct rp_service *service, struct rp_copy *copy,
                               size_t *count) {
    struct rp_sockets like = {NULL, 0, 0}, found = {NULL, 0, 0};
    for (size_t i = 0; i < service->listening.count; i++)
        if (service->listening.list[i].like.proto == RP_TCP)
            rp_sockets_add(&like, &service->listening.list[i].like);
    rp_sockets_find_on_ports(&like, RP_CONNECTED, &found);
    free(like.list);
    rp_tree_grow(&copy->server.tree);
    rp_sockets_find_members(&found, &copy->server.tree);
    uint32_t *inodes = calloc(found.count + 1, sizeof(*inodes));
    if (!inodes) rp_die("%s", strerror(errno));
    *count = 0;
    for (size_t i = 0; i < found.count; i++)
        if (found.list[i].owner_count) inodes[(*count)++] = found.list[i].inode;
    rp_sockets_free(&found);
    if (*count) qsort(inodes, *count, sizeof(*inodes), by_number);
    return inodes;
}

/* Whether the copy has a connection that it did not have at the last check. */
static bool has_accepted(const struct rp_service *service, struct rp_copy *copy) {
    size_t count;
    bool any = false;
    uint32_t *now = find_accepted(service, copy, &count);
    for (size_t i = 0; i < count; i++)
        any = any || !copy->accepted_count ||
              !bsearch(&now[i], copy->accepted, copy->accepted_count, sizeof(*now), by_number);
    free(copy->accepted);
    copy->accepted = now;
    copy->accepted_count = count;
    return any;
}

static void step(struct rp_service *service, struct rp_copy *copy) {
    const double now = rp_now();
    bool full;
    if (!is_stalled(service, copy, &full) || (full && rp_is_hidden(copy))) {
        copy->idle = 0;
        return;
    }
    const bool accepted = has_accepted(service, copy);
    if (copy->idle <= 0 || accepted) copy->idle = now;
    if (now - copy->idle < (double)service->plan->hung) return;
    rp_warn("copy %d: accepted no connection for %ld s, while %lu wait; sending TERM", copy->number,
            service->plan->hung, rp_queued(service, copy));
    rp_copy_end(service, copy, SIGTERM, RP_FROM_PROCESS, patience);
}

void rp_hung_step(struct rp_service *service) {
    for (int i = 0; i < service->slots; i++)
        if (service->list[i].state == RP_SERVING) step(service, &service->list[i]);
}

double rp_hung_pause(const struct rp_service *service) {
    const double pause = (double)service->plan->hung / 10;
    return pause < 1 ? pause : 1;
}
