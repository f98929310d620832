/* SPDX-License-Identifier: MIT */
/* Which socket each connection came in through. The kernel does not say, so this goes by the
 * process that has it. */
#include "base/die.h"
#include "base/memory.h"
#include "command/list_watch.h"
#include "core/procnet.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* A listener that a process has. */
struct stake {
    struct rp_process process;
    size_t listener; /* index of listed */
};

struct stakes {
    struct stake *list;
    size_t count;
};

/* By PID, then in the order of listed. */
static int by_pid(const void *a, const void *b) {
    const struct stake *left = a, *right = b;
    if (left->process.pid != right->process.pid)
        return left->process.pid < right->process.pid ? -1 : 1;
    return (left->listener > right->listener) - (left->listener < right->listener);
}

static void find_stakes(const struct rp_sockets *listed, struct stakes *stakes) {
    for (size_t i = 0; i < listed->count; i++)
        for (size_t j = 0; listed->list[i].state == RP_LISTEN && j < listed->list[i].owner_count;
             j++) {
            stakes->list = rp_grow(stakes->list, stakes->count, sizeof(*stakes->list));
            stakes->list[stakes->count++] = (struct stake){listed->list[i].owners[j].process, i};
        }
    if (stakes->count) qsort(stakes->list, stakes->count, sizeof(*stakes->list), by_pid);
}

/* The first stake of a PID not less than that. */
static size_t lower_bound(const struct stakes *stakes, pid_t pid) {
    size_t from = 0, to = stakes->count;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if (stakes->list[middle].process.pid < pid)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool are_alike(const struct rp_socket *left, const struct rp_socket *right) {
    return left->local.port == right->local.port && left->ipv6 == right->ipv6 &&
           left->interface == right->interface &&
           IN6_ARE_ADDR_EQUAL(&left->local.address, &right->local.address);
}

/* Whether the listener can have brought the connection, which has its family: on a dual-stack
 * listener those from IPv4 are IPv6 sockets, too. */
static bool can_bring(const struct rp_socket *listener, const struct rp_socket *connection) {
    return listener->local.port == connection->local.port && listener->ipv6 == connection->ipv6 &&
           (rp_is_wildcard(&listener->local.address) ||
            IN6_ARE_ADDR_EQUAL(&listener->local.address, &connection->local.address));
}

/* The load of the process's listener through which the connection came, or NULL. The kernel prefers
 * those that come first in listed. */
static struct rp_load *origin(const struct rp_sockets *listed, const struct stakes *stakes,
                              const struct rp_process *process, const struct rp_socket *connection,
                              struct rp_load *loads) {
    for (size_t i = lower_bound(stakes, process->pid);
         i < stakes->count && stakes->list[i].process.pid == process->pid; i++) {
        const size_t listener = stakes->list[i].listener;
        if (stakes->list[i].process.start == process->start &&
            can_bring(&listed->list[listener], connection))
            return &loads[listener];
    }
    return NULL;
}

static const struct rp_process *parent_of(const struct rp_family *family, pid_t pid) {
    size_t from = 0, to = family->count;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if (family->list[middle].process.pid == pid) return &family->list[middle].parent;
        if (family->list[middle].process.pid < pid)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

/* Counts a connection at the socket that it came in through, if that can be told. */
static void count(const struct rp_sockets *listed, const struct stakes *stakes,
                  const struct rp_family *family, const struct rp_socket *connection,
                  struct rp_load *loads) {
    struct rp_load *load = NULL;
    for (size_t i = 0; i < connection->owner_count && !load; i++) {
        const struct rp_process *owner = &connection->owners[i].process;
        const struct rp_process *parent = parent_of(family, owner->pid);
        load = origin(listed, stakes, owner, connection, loads);
        if (!load && parent) load = origin(listed, stakes, parent, connection, loads);
    }
    if (load && load->connections >= 0) load->connections++;
}

/* Marks the listeners of one address that one process has: which of them brought a connection
 * cannot be told. */
static void mark_twins(const struct rp_sockets *listed, const struct stakes *stakes,
                       struct rp_load *loads) {
    for (size_t i = 0; i < stakes->count; i++)
        for (size_t j = i; j-- && stakes->list[j].process.pid == stakes->list[i].process.pid;) {
            const size_t left = stakes->list[i].listener, right = stakes->list[j].listener;
            if (!are_alike(&listed->list[left], &listed->list[right])) continue;
            loads[left].connections = loads[right].connections = -1;
        }
}

/* How many connections each port has. Those without an inode still wait in an accept queue; the
 * subflows of an MPTCP connection have one in common. */
static void add_up(const struct rp_sockets *listed, const struct rp_sockets *connections,
                   struct rp_load *loads) {
    long *totals = calloc(UINT16_MAX + 1, sizeof(*totals));
    if (!totals) rp_die("%s", strerror(errno));
    for (size_t i = 0; i < connections->count; i++) {
        const struct rp_socket *connection = &connections->list[i];
        if (connection->inode && (!i || connection->inode != connection[-1].inode))
            totals[connection->local.port]++;
    }
    for (size_t i = 0; i < listed->count; i++) loads[i].total = totals[listed->list[i].local.port];
    free(totals);
}

struct rp_load *rp_loads_count(const struct rp_sockets *listed,
                               const struct rp_sockets *connections,
                               const struct rp_family *family) {
    struct stakes stakes = {NULL, 0};
    struct rp_load *loads = calloc(listed->count + 1, sizeof(*loads));
    if (!loads) rp_die("%s", strerror(errno));
    for (size_t i = 0; i < listed->count; i++) {
        const struct rp_socket *socket = &listed->list[i];
        if (socket->owner_count) loads[i].stopped = rp_socket_is_stopped(socket) ? RP_YES : RP_NO;
        if (socket->state != RP_LISTEN || !socket->owner_count) loads[i].connections = -1;
    }
    find_stakes(listed, &stakes);
    mark_twins(listed, &stakes, loads);
    add_up(listed, connections, loads);
    for (size_t i = 0; i < connections->count; i++)
        count(listed, &stakes, family, &connections->list[i], loads);
    free(stakes.list);
    return loads;
}
