/* SPDX-License-Identifier: MIT */
/* Sockets are read first, processes second: whoever held a socket is then among the processes, or
 * has closed it. */
#include "service/listening.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/memory.h"
#include "group/dealer.h"
#include "inspect/rights.h"
#include "service/ownership.h"
#include "service/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ALL_PORTS = 65535 };

/* Whether the socket receives on a listed port. */
static bool is_listed(const struct rp_service *service, const struct rp_socket *socket) {
    const struct rp_ports *list = &service->plan->copies.launch->config.ports;
    return rp_is_receiver(socket) &&
           rp_ports_match(list, &socket->local, socket->proto) == RP_SHARE;
}

/* Groups stand in order: those of one port, protocol and family together, which are asked for at
 * once. */
static void find_sockets(const struct rp_listening *listening, bool all, struct rp_sockets *found) {
    const struct rp_socket *last = NULL;
    if (all) rp_sockets_find(&(struct rp_wanted){RP_TCP | RP_UDP, 0, RP_LISTENING}, found);
    for (size_t i = 0; i < listening->count && !all; i++) {
        const struct rp_socket *like = &listening->list[i].like;
        const struct rp_wanted wanted = {like->proto, like->local.port, RP_LISTENING};
        if (!last || last->local.port != like->local.port || last->proto != like->proto ||
            last->ipv6 != like->ipv6)
            rp_sockets_find_family(&wanted, like->ipv6 ? AF_INET6 : AF_INET, found);
        last = like;
    }
}

/* By what rp_is_same_group() compares, but for the interface. */
static int by_address(const void *a, const void *b) {
    const struct rp_socket *left = a, *right = b;
    if (left->local.port != right->local.port) return left->local.port < right->local.port ? -1 : 1;
    if (left->proto != right->proto) return left->proto < right->proto ? -1 : 1;
    const int left_form = 2 * left->ipv6 + left->ipv6_only;
    const int right_form = 2 * right->ipv6 + right->ipv6_only;
    if (left_form != right_form) return left_form - right_form;
    return memcmp(&left->local.address, &right->local.address, sizeof(left->local.address));
}

static int by_group(const void *a, const void *b) {
    return by_address(&((const struct rp_shared *)a)->like, &((const struct rp_shared *)b)->like);
}

/* The group among the first `sorted`, which are in order, or the last one, or NULL. */
static struct rp_shared *find_shared(const struct rp_listening *listening, size_t sorted,
                                     const struct rp_socket *socket) {
    size_t low = 0, high = sorted;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (by_address(&listening->list[middle].like, socket) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < sorted && !by_address(&listening->list[low].like, socket); low++)
        if (rp_is_same_group(&listening->list[low].like, socket)) return &listening->list[low];
    for (size_t i = listening->count;
         i-- > sorted && !by_address(&listening->list[i].like, socket);)
        if (rp_is_same_group(&listening->list[i].like, socket)) return &listening->list[i];
    return NULL;
}

static struct rp_shared *add_shared(struct rp_listening *listening,
                                    const struct rp_socket *socket) {
    const struct rp_shared new = {.like = *socket, .cleaned = listening->complete};
    listening->list = rp_grow(listening->list, listening->count, sizeof(new));
    struct rp_shared *shared = &listening->list[listening->count++];
    *shared = new;
    /* It had no members at the last look, which was complete. */
    if (listening->complete) rp_members_update(&shared->members, NULL, 0);
    return shared;
}

/* Notes since when the queue has been waiting without an accept. */
static void note_queue(struct rp_listener *listener, long queue) {
    if (queue <= 0 || queue < listener->socket.queue)
        listener->stalled = 0;
    else if (listener->stalled == 0)
        listener->stalled = rp_now();
    listener->socket.queue = queue;
}

static void note_socket(struct rp_shared *shared, const struct rp_socket *socket) {
    struct rp_listener *known = NULL;
    for (size_t i = 0; i < shared->count && !known; i++)
        if (shared->list[i].socket.inode == socket->inode) known = &shared->list[i];
    if (!known) {
        shared->list = rp_grow(shared->list, shared->count, sizeof(*known));
        known = &shared->list[shared->count++];
        *known = (struct rp_listener){.socket = *socket, .copy = RP_STRANGER, .since = rp_now()};
    }
    known->seen = true;
    known->socket.position = socket->position;
    known->socket.limit = socket->limit;
    note_queue(known, socket->queue);
}

static int oldest_first(const void *a, const void *b) {
    const struct rp_listener *left = a, *right = b;
    const uint32_t one = left->socket.position, other = right->socket.position;
    const int order = (one > other) - (one < other);
    return left->socket.ipv6 ? order : -order; /* see rp_members_order */
}

/* Drops sockets that were not seen, and updates the members' numbers. */
static void settle(struct rp_shared *shared) {
    size_t kept = 0;
    for (size_t i = 0; i < shared->count; i++) {
        if (shared->list[i].seen)
            shared->list[kept++] = shared->list[i];
        else
            free(shared->list[i].socket.owners);
    }
    shared->count = kept;
    if (kept) qsort(shared->list, kept, sizeof(*shared->list), oldest_first);
    uint32_t *inodes = calloc(kept + 1, sizeof(*inodes));
    if (!inodes) rp_die("%s", strerror(errno));
    for (size_t i = 0; i < kept; i++) {
        inodes[i] = shared->list[i].socket.inode;
        shared->list[i].seen = false;
    }
    const size_t before = shared->members.count;
    if (rp_members_update(&shared->members, inodes, kept)) shared->dealing.refused = false;
    if (shared->dealing.dealer) rp_dealer_look(shared->dealing.dealer);
    free(inodes);
    /* The visitor was among those that joined, and the last took its place. */
    if (shared->visited && shared->members.count > before + 1) shared->members.unordered = kept;
    shared->visited = false;
}

/* Whether a copy of ours may be in the group, or a program. */
static bool is_of_interest(const struct rp_shared *shared) {
    if (shared->steered) return true;
    for (size_t i = 0; i < shared->count; i++)
        if (shared->list[i].copy != RP_STRANGER || !shared->list[i].searched) return true;
    return false;
}

/* Drops groups without members: the kernel has freed them and their programs. Without `all` also
 * those that are others' alone, of which there may be many. */
static void drop(struct rp_listening *listening, bool all) {
    size_t kept = 0;
    for (size_t i = 0; i < listening->count; i++) {
        struct rp_shared *shared = &listening->list[i];
        if (shared->count && (all || is_of_interest(shared))) {
            listening->list[kept++] = *shared;
            continue;
        }
        rp_members_free(&shared->members);
        free(shared->list);
        free(shared->chosen);
        rp_dealer_close(shared->dealing.dealer);
    }
    listening->count = kept;
}

/* Notes the sockets that were found, without `all` only those of known groups. Returns whether
 * there are new ones. */
static bool note_all(const struct rp_service *service, struct rp_listening *listening,
                     struct rp_sockets *found, bool all) {
    const size_t sorted = listening->count;
    bool new = false;
    if (all && found->count) qsort(found->list, found->count, sizeof(*found->list), by_address);
    for (size_t i = 0; i < found->count; i++) {
        const struct rp_socket *socket = &found->list[i];
        if (!is_listed(service, socket)) continue;
        struct rp_shared *shared = find_shared(listening, sorted, socket);
        if (!shared && all) shared = add_shared(listening, socket);
        if (!shared) continue;
        const size_t before = shared->count;
        note_socket(shared, socket);
        new = new || shared->count > before;
    }
    return new;
}

void rp_listening_look(struct rp_service *service, bool all) {
    struct rp_listening *listening = &service->listening;
    struct rp_sockets found = {NULL, 0, 0};
    find_sockets(listening, all, &found);
    const bool new = note_all(service, listening, &found, all);
    for (size_t i = 0; i < listening->count; i++) settle(&listening->list[i]);
    drop(listening, all);
    if (listening->count)
        qsort(listening->list, listening->count, sizeof(*listening->list), by_group);
    listening->complete = all;
    rp_sockets_free(&found);
    rp_find_owners(service, new);
}

/* Whether the kernel may have chosen the port: only an entry for all ports matches it. */
static bool is_by_chance(const struct rp_service *service, const struct rp_socket *socket) {
    const struct rp_ports *list = &service->plan->copies.launch->config.ports;
    const uint16_t port = socket->local.port;
    for (unsigned i = 0; i < list->count; i++)
        if (!list->entries[i].deny && port >= list->entries[i].first &&
            port <= list->entries[i].last &&
            (list->entries[i].first > 1 || list->entries[i].last < ALL_PORTS))
            return false;
    return port >= rp_setting("/proc/sys/net/ipv4/ip_local_port_range", 32768);
}

/* Whether a copy that is ready, other than that one, listens there. */
static bool is_served(const struct rp_service *service, const struct rp_shared *shared,
                      const struct rp_copy *but) {
    for (size_t i = 0; i < shared->count; i++) {
        const int copy = shared->list[i].copy;
        if (copy >= 0 && copy != but->number && service->list[copy].state == RP_SERVING)
            return true;
    }
    return false;
}

/* Whether the copy has that group's port, at whatever address. */
static bool has_port(const struct rp_service *service, const struct rp_copy *copy,
                     const struct rp_socket *like) {
    for (size_t i = 0; i < service->listening.count; i++) {
        const struct rp_shared *shared = &service->listening.list[i];
        if (shared->like.local.port == like->local.port && shared->like.proto == like->proto &&
            rp_has_listener(shared, copy))
            return true;
    }
    return false;
}

bool rp_listens(const struct rp_service *service, const struct rp_copy *copy) {
    bool any = false;
    for (size_t i = 0; i < service->listening.count; i++) {
        const struct rp_shared *shared = &service->listening.list[i];
        if (is_by_chance(service, &shared->like)) continue;
        const bool has = has_port(service, copy, &shared->like);
        if (!has && is_served(service, shared, copy)) return false;
        any = any || has;
    }
    return any;
}

unsigned long rp_queued(const struct rp_service *service, const struct rp_copy *copy) {
    unsigned long queued = 0;
    for (size_t i = 0; i < service->listening.count; i++) {
        const struct rp_shared *shared = &service->listening.list[i];
        for (size_t j = 0; j < shared->count; j++)
            if (shared->list[j].socket.queue > 0 && rp_may_have(shared, &shared->list[j], copy))
                queued += (unsigned long)shared->list[j].socket.queue;
    }
    return queued;
}

struct rp_sockets rp_shared_sockets(const struct rp_shared *shared) {
    struct rp_sockets sockets = {NULL, 0, 0};
    for (size_t i = 0; i < shared->count; i++) rp_sockets_add(&sockets, &shared->list[i].socket);
    return sockets;
}
