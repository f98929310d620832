/* SPDX-License-Identifier: MIT */
/* One look of reuseport list --watch. Sockets first, processes second: whoever had a socket then is
 * among the processes, or has closed it. */
#include "base/clock.h"
#include "base/memory.h"
#include "command/list_watch.h"
#include "core/procnet.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    CONNECTED = 1 << RP_ESTABLISHED | 1 << 8, /* and CLOSE_WAIT */
    SEARCH = 10,                              /* seconds */
};

static bool is_connection(const struct rp_socket *socket) {
    return socket->proto == RP_TCP && CONNECTED >> socket->state & 1;
}

/* Finds the sockets of the selection; what takes a process to know is as it was before. */
static void find_again(struct rp_watch *watch, const struct rp_sockets *before) {
    struct rp_sockets *sockets = &watch->sockets;
    for (size_t i = 0; i < watch->selection.count; i++)
        rp_sockets_find(&watch->selection.ports[i], sockets);
    for (size_t i = 0; i < sockets->count; i++) {
        struct rp_socket *socket = &sockets->list[i];
        const struct rp_socket *known = rp_sockets_get(before, socket->inode);
        if (!known) continue;
        socket->shares = known->shares;
        socket->mptcp = known->mptcp;
        socket->ipv6_only = known->ipv6_only;
        socket->interface = known->interface;
    }
}

/* Whether the listener is the first of its port and family. */
static bool is_first(const struct rp_sockets *sockets, size_t listener) {
    const struct rp_socket *socket = &sockets->list[listener];
    for (size_t i = 0; i < listener; i++)
        if (sockets->list[i].state == RP_LISTEN && sockets->list[i].ipv6 == socket->ipv6 &&
            sockets->list[i].local.port == socket->local.port)
            return false;
    return true;
}

/* Appends the connections, which have the port and family of their listeners. */
static void find_connections(struct rp_sockets *sockets) {
    const size_t count = sockets->count;
    for (size_t i = 0; i < count; i++) {
        if (sockets->list[i].state != RP_LISTEN || !is_first(sockets, i)) continue;
        const struct rp_wanted wanted = {RP_TCP, sockets->list[i].local.port, CONNECTED};
        rp_sockets_find_family(&wanted, sockets->list[i].ipv6 ? AF_INET6 : AF_INET, sockets);
    }
}

static void add_relative(struct rp_family *family, const struct rp_process *process,
                         const struct rp_process *parent) {
    family->list = rp_grow(family->list, family->count, sizeof(*family->list));
    family->list[family->count++] = (struct rp_relative){*process, *parent};
}

struct brood {
    struct rp_family *family;
    const struct rp_process *parent;
};

static void add_child(void *context, pid_t pid) {
    const struct brood *brood = context;
    struct rp_process child;
    if (rp_process_find(pid, &child, NULL)) add_relative(brood->family, &child, brood->parent);
}

/* By PID, children before owners: an owner that is another's child may have a connection that came
 * in through its parent's socket. */
static int by_pid(const void *a, const void *b) {
    const struct rp_relative *left = a, *right = b;
    if (left->process.pid != right->process.pid)
        return left->process.pid < right->process.pid ? -1 : 1;
    return (left->parent.pid == left->process.pid) - (right->parent.pid == right->process.pid);
}

static void drop_twins(struct rp_family *family) {
    size_t kept = 0;
    if (family->count) qsort(family->list, family->count, sizeof(*family->list), by_pid);
    for (size_t i = 0; i < family->count; i++)
        if (!kept || family->list[kept - 1].process.pid != family->list[i].process.pid)
            family->list[kept++] = family->list[i];
    family->count = kept;
}

/* Stores the owners of those sockets and their children, which may have inherited a socket since.
 * Those of PID 1 are anybody's. */
static void find_family(struct rp_family *family, const struct rp_sockets *known) {
    for (size_t i = 0; i < known->count; i++)
        for (size_t j = 0; j < known->list[i].owner_count; j++) {
            const struct rp_process *owner = &known->list[i].owners[j].process;
            add_relative(family, owner, owner);
        }
    drop_twins(family);
    const size_t owners = family->count;
    for (size_t i = 0; i < owners; i++) { /* the list grows, and may move, meanwhile */
        const struct rp_process owner = family->list[i].process;
        struct brood brood = {family, &owner};
        if (owner.pid != 1) rp_process_visit_children(owner.pid, add_child, &brood);
    }
    drop_twins(family);
}

/* Finds the owners of all sockets among those processes. */
static void find_owners(struct rp_sockets *sockets, const struct rp_family *family) {
    struct rp_tree tree = {NULL, 0};
    for (size_t i = 0; i < family->count; i++) {
        tree.members = rp_grow(tree.members, i, sizeof(*tree.members));
        tree.members[tree.count++] = family->list[i].process;
    }
    for (size_t i = 0; i < sockets->count; i++) sockets->list[i].owner_count = 0;
    rp_sockets_find_members(sockets, &tree);
    rp_tree_free(&tree);
}

static void split(struct rp_sockets *sockets, struct rp_sockets *connections) {
    size_t kept = 0;
    for (size_t i = 0; i < sockets->count; i++)
        if (is_connection(&sockets->list[i]))
            rp_sockets_add(connections, &sockets->list[i]);
        else
            sockets->list[kept++] = sockets->list[i];
    sockets->count = kept;
}

static void find_options(struct rp_sockets *sockets) {
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->list[i].shares == RP_UNKNOWN)
            rp_socket_read_option(&sockets->list[i], &sockets->why_unknown);
    rp_sockets_infer(sockets);
}

/* Completes a look at sockets that have been found; known: with owners, one look older. */
static void examine(struct rp_watch *watch, const struct rp_sockets *known) {
    struct rp_sockets connections = {NULL, 0, 0};
    struct rp_family family = {NULL, 0};
    find_connections(&watch->sockets);
    find_family(&family, known);
    find_owners(&watch->sockets, &family);
    split(&watch->sockets, &connections);
    find_options(&watch->sockets);
    rp_sockets_sort(&watch->sockets);
    free(watch->loads);
    watch->loads = rp_loads_count(&watch->sockets, &connections, &family);
    rp_sockets_free(&connections);
    free(family.list);
}

/* Whether a socket has appeared, or lost its owners, that no known process has. */
static bool is_incomplete(const struct rp_sockets *sockets, const struct rp_sockets *before) {
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        const struct rp_socket *known = rp_sockets_get(before, socket->inode);
        if (socket->inode && !socket->owner_count && (!known || known->owner_count)) return true;
    }
    return false;
}

static void search(struct rp_watch *watch) {
    rp_sockets_free(&watch->sockets);
    rp_selection_find(&watch->selection, &watch->sockets);
    examine(watch, &watch->sockets);
    watch->next_search = rp_now() + SEARCH;
}

void rp_watch_look(struct rp_watch *watch) {
    struct rp_sockets before = watch->sockets;
    if (rp_now() >= watch->next_search) {
        search(watch);
        return;
    }
    memset(&watch->sockets, 0, sizeof(watch->sockets));
    rp_sockets_index(&before);
    find_again(watch, &before);
    examine(watch, &before);
    if (is_incomplete(&watch->sockets, &before)) search(watch);
    rp_sockets_free(&before);
}
