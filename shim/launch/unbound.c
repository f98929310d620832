/* SPDX-License-Identifier: MIT */
/* Compares the sockets of this process's descendants with the list. */
#include "launch/unbound.h"

#include "base/die.h"
#include "core/apply.h"
#include "inspect/holders.h"
#include "inspect/rights.h"
#include "launch/environment.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Whether every member is in this network namespace, where its sockets can be seen. */
static bool all_near(const struct rp_tree *tree) {
    for (size_t i = 0; i < tree->count; i++)
        if (!rp_process_is_surely_near(tree->members[i].pid)) return false;
    return true;
}

/* Whether the members have bound the socket; a client's are connected, too. */
static bool is_bound(const struct rp_socket *socket) {
    return socket->owner_count && !socket->remote.port;
}

/* Names the sockets that the members have bound, each address once. Returns text. */
static const char *name_bound(const struct rp_sockets *sockets, char *text, size_t size) {
    char last[RP_SOCKET_TEXT] = "", name[RP_SOCKET_TEXT];
    size_t length = 0;
    *text = '\0';
    for (size_t i = 0; i < sockets->count && length + sizeof(name) + 2 < size; i++) {
        if (!is_bound(&sockets->list[i]) || !strcmp(last, rp_socket_text(&sockets->list[i], name)))
            continue;
        length += (size_t)snprintf(text + length, size - length, "%s%s", length ? ", " : "", name);
        memcpy(last, name, sizeof(last));
    }
    return text;
}

/* Whether the kernel may have chosen the port, as for a program that sends without a bind, or binds
 * port 0, which is never shared: an entry that names this one port says otherwise. */
static bool is_by_chance(const struct rp_ports *ports, uint16_t port, long first_chosen) {
    for (unsigned i = 0; i < ports->count; i++)
        if (ports->entries[i].first == port && ports->entries[i].last == port) return false;
    return port >= first_chosen;
}

/* Whether a bound socket is one that this process had before it started any copy. */
static bool is_inherited(const struct rp_socket *socket) {
    for (size_t i = 0; i < socket->owner_count; i++)
        if (socket->owners[i].process.pid == getpid()) return true;
    return false;
}

/* True also if that is unknown. */
static bool shares(const struct rp_socket *socket) {
    const int fd = rp_socket_take(socket, &socket->owners[0]);
    const bool shared = fd < 0 || rp_is_shared(fd);
    if (fd >= 0) close(fd);
    return shared;
}

/* Finds a socket that the copies have bound to a port of the list without sharing it; NULL if
 * there is none. *listed: whether they have bound any port of the list. */
static const struct rp_socket *find_unshared(const struct rp_sockets *sockets,
                                             const struct rp_ports *ports, bool *listed) {
    const long first_chosen = rp_setting("/proc/sys/net/ipv4/ip_local_port_range", 32768);
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        if (!is_bound(socket) || rp_ports_match(ports, &socket->local, socket->proto) != RP_SHARE)
            continue;
        *listed = true;
        if (!is_by_chance(ports, socket->local.port, first_chosen) && !is_inherited(socket) &&
            !shares(socket))
            return socket;
    }
    return NULL;
}

/* The library may be loaded into a script, and not into what that starts. */
static void tell_unshared(const struct rp_socket *socket, enum rp_method method) {
    char name[RP_SOCKET_TEXT];
    rp_warn("%s is bound, but not shared%s", rp_socket_text(socket, name),
            method == RP_PRELOAD ? "; static and Go programs behind a script need -m seccomp" : "");
}

/* Returns false if nothing else is bound that would explain a failure, and says nothing then. */
static bool tell_nothing_bound(const struct rp_sockets *sockets, const struct rp_launch *launch,
                               bool failed) {
    char text[256], time[32] = "";
    if (!*name_bound(sockets, text, sizeof(text)) && failed) return false;
    if (!failed) snprintf(time, sizeof(time), " in %d s", RP_BIND_TIME);
    rp_warn("nothing bound %s%s%s%s%s%s", rp_environment_list(launch->list), time,
            *text ? "; " : "", *text ? launch->command : "", *text ? " bound " : "", text);
    return true;
}

bool rp_tell_unbound(const struct rp_copies *copies, bool failed) {
    const struct rp_launch *launch = copies->launch;
    const struct rp_wanted wanted = {.protos = RP_TCP | RP_UDP};
    struct rp_sockets sockets = {0};
    struct rp_tree tree = {0};
    bool listed = false, told = true;
    if (!rp_tree_plant(&tree, getpid())) return false;
    rp_tree_grow(&tree);
    rp_sockets_find(&wanted, &sockets);
    rp_sockets_find_members(&sockets, &tree);
    rp_sockets_sort(&sockets);
    const struct rp_socket *unshared = find_unshared(&sockets, &launch->config.ports, &listed);
    if (unshared)
        tell_unshared(unshared, launch->method);
    else
        told = (copies->verbose || failed) && !listed && all_near(&tree) &&
               tell_nothing_bound(&sockets, launch, failed);
    rp_sockets_free(&sockets);
    rp_tree_free(&tree);
    return told;
}
