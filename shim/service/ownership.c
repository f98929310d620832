/* SPDX-License-Identifier: MIT */
/* By the descriptors of the copies' processes; a socket that these do not show belongs to a copy
 * whose descriptors cannot be listed. */
#include "service/ownership.h"

#include "base/clock.h"
#include "inspect/holders.h"
#include "service/service.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Seconds from one search to the next, at first and after many: a new process may be missed once.
 */
static const double pause_least = 0.02, pause_most = 1;

static bool is_alive(const struct rp_copy *copy) {
    return copy->state != RP_ABSENT && copy->state != RP_WAITING;
}

bool rp_has_listener(const struct rp_shared *shared, const struct rp_copy *copy) {
    for (size_t i = 0; i < shared->count; i++)
        if (shared->list[i].copy == copy->number || shared->list[i].copy == RP_EVERYBODY)
            return true;
    return false;
}

/* The sockets that belong to no known copy; they have no owners yet. */
static void collect_unknown(struct rp_listening *listening, struct rp_sockets *unknown) {
    for (size_t i = 0; i < listening->count; i++)
        for (size_t j = 0; j < listening->list[i].count; j++) {
            struct rp_listener *listener = &listening->list[i].list[j];
            if (listener->copy == RP_HIDDEN) listener->copy = RP_STRANGER;
            if (listener->copy == RP_STRANGER) rp_sockets_add(unknown, &listener->socket);
        }
}

/* Attributes the listener to the copy, if one of its processes was found to hold it. */
static void attribute(struct rp_listener *listener, const struct rp_copy *copy,
                      const struct rp_sockets *searched) {
    struct rp_socket *held = rp_sockets_get(searched, listener->socket.inode);
    if (!held || !held->owner_count) return;
    if (listener->copy == RP_STRANGER) {
        listener->copy = copy->number;
        listener->socket.owners = held->owners;
        listener->socket.owner_count = held->owner_count;
    } else {
        listener->copy = RP_EVERYBODY;
        free(held->owners);
    }
    held->owners = NULL;
    held->owner_count = 0;
}

/* Whether a process's descriptors cannot be listed, or may be of another network namespace. */
static bool hides(pid_t pid) {
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) close(fd);
    return fd < 0 || !rp_process_is_surely_near(pid);
}

bool rp_is_hidden(const struct rp_copy *copy) {
    const struct rp_tree *tree = &copy->server.tree;
    for (size_t i = 0; i < tree->count; i++)
        if (hides(tree->members[i].pid) && rp_process_exists(&tree->members[i]) &&
            rp_process_state(&tree->members[i]) != 'Z')
            return true;
    return false;
}

/* The number of copies that may have a hidden listener there. only: those in that state; RP_ABSENT:
 * in any. *last: one of them. */
static unsigned count_hidden(const struct rp_service *service, const struct rp_shared *shared,
                             enum rp_state only, int *last) {
    unsigned count = 0;
    for (int i = 0; i < service->slots; i++) {
        const struct rp_copy *copy = &service->list[i];
        if (!is_alive(copy) || (only != RP_ABSENT && copy->state != only) ||
            rp_has_listener(shared, copy) || !copy->hides)
            continue;
        *last = i;
        count++;
    }
    return count;
}

bool rp_may_have(const struct rp_shared *shared, const struct rp_listener *listener,
                 const struct rp_copy *copy) {
    if (listener->copy != RP_HIDDEN) return listener->copy == copy->number;
    return is_alive(copy) && copy->started <= listener->since && !rp_has_listener(shared, copy) &&
           rp_is_hidden(copy);
}

static unsigned count_unknown(const struct rp_shared *shared, bool new) {
    unsigned count = 0;
    for (size_t i = 0; i < shared->count; i++)
        count += shared->list[i].copy == RP_STRANGER && !(new && shared->list[i].searched);
    return count;
}

static void give_unknown(struct rp_shared *shared, bool new, int copy) {
    for (size_t i = 0; i < shared->count; i++)
        if (shared->list[i].copy == RP_STRANGER && !(new && shared->list[i].searched))
            shared->list[i].copy = copy;
}

/* Attributes sockets that no process shows: a single new one to the only copy that starts, others
 * to the copies that hide theirs, unless there are more sockets than such copies. */
static void attribute_hidden(const struct rp_service *service, struct rp_shared *shared) {
    int last = 0;
    if (count_unknown(shared, true) == 1 && count_hidden(service, shared, RP_STARTING, &last) == 1)
        give_unknown(shared, true, last);
    const unsigned unknown = count_unknown(shared, false);
    const unsigned hidden = unknown ? count_hidden(service, shared, RP_ABSENT, &last) : 0;
    if (hidden && unknown <= hidden) give_unknown(shared, false, hidden == 1 ? last : RP_HIDDEN);
    for (size_t i = 0; i < shared->count; i++) shared->list[i].searched = true;
}

/* Searches the copies' processes for the unknown sockets. */
static void search(struct rp_service *service, struct rp_sockets *unknown) {
    struct rp_listening *listening = &service->listening;
    for (int i = 0; i < service->slots; i++) {
        struct rp_copy *copy = &service->list[i];
        if (!is_alive(copy)) continue;
        rp_tree_grow(&copy->server.tree);
        rp_sockets_find_members(unknown, &copy->server.tree);
        copy->hides = rp_is_hidden(copy);
        for (size_t j = 0; j < listening->count; j++)
            for (size_t k = 0; k < listening->list[j].count; k++)
                attribute(&listening->list[j].list[k], copy, unknown);
    }
    for (size_t i = 0; i < listening->count; i++) attribute_hidden(service, &listening->list[i]);
}

void rp_find_owners(struct rp_service *service, bool new) {
    struct rp_listening *listening = &service->listening;
    struct rp_sockets unknown = {NULL, 0, 0};
    if (!new &&rp_now() < listening->next_search) return;
    collect_unknown(listening, &unknown);
    if (unknown.count) search(service, &unknown);
    listening->pause = new ? pause_least : 2 * listening->pause;
    if (listening->pause > pause_most) listening->pause = pause_most;
    listening->next_search = rp_now() + listening->pause;
    rp_sockets_free(&unknown);
}

void rp_forget_owner(struct rp_service *service, const struct rp_copy *copy) {
    for (size_t i = 0; i < service->listening.count; i++) {
        struct rp_shared *shared = &service->listening.list[i];
        for (size_t j = 0; j < shared->count; j++) {
            if (shared->list[j].copy != copy->number) continue;
            shared->list[j].copy = RP_STRANGER;
            free(shared->list[j].socket.owners);
            shared->list[j].socket.owners = NULL;
            shared->list[j].socket.owner_count = 0;
        }
    }
}
