/* SPDX-License-Identifier: MIT */
/* Compares the sockets of this process's descendants with the list. */
#include "launch/unbound.h"

#include "base/die.h"
#include "core/apply.h"
#include "inspect/holders.h"
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

/* The first socket that the members have bound to a port of the list; NULL if there is none. */
static const struct rp_socket *find_listed(const struct rp_sockets *sockets,
                                           const struct rp_ports *ports) {
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        if (is_bound(socket) && rp_ports_match(ports, &socket->local, socket->proto) == RP_SHARE)
            return socket;
    }
    return NULL;
}

/* True also if that is unknown. */
static bool shares(const struct rp_socket *socket) {
    const int fd = rp_socket_take(socket, &socket->owners[0]);
    const bool shared = fd < 0 || rp_is_shared(fd);
    if (fd >= 0) close(fd);
    return shared;
}

/* The library may be loaded into a script, and not into what that starts. */
static void tell_unshared(const struct rp_socket *socket, enum rp_method method) {
    char name[RP_SOCKET_TEXT];
    rp_warn("%s is bound, but not shared%s", rp_socket_text(socket, name),
            method == RP_PRELOAD ? "; static and Go programs behind a script need -m seccomp" : "");
}

static void tell_nothing_bound(const struct rp_sockets *sockets, const struct rp_launch *launch) {
    char text[256];
    name_bound(sockets, text, sizeof(text));
    rp_warn("nothing bound %s in %d s%s%s%s%s", rp_environment_list(launch->list), RP_BIND_TIME,
            *text ? "; " : "", *text ? launch->command : "", *text ? " bound " : "", text);
}

void rp_tell_unbound(const struct rp_copies *copies) {
    const struct rp_launch *launch = copies->launch;
    const struct rp_wanted wanted = {.protos = RP_TCP | RP_UDP};
    struct rp_sockets sockets = {0};
    struct rp_tree tree = {0};
    if (!rp_tree_plant(&tree, getpid())) return;
    rp_tree_grow(&tree);
    rp_sockets_find(&wanted, &sockets);
    rp_sockets_find_members(&sockets, &tree);
    rp_sockets_sort(&sockets);
    const struct rp_socket *listed = find_listed(&sockets, &launch->config.ports);
    if (listed && !shares(listed))
        tell_unshared(listed, launch->method);
    else if (!listed && all_near(&tree))
        tell_nothing_bound(&sockets, launch);
    rp_sockets_free(&sockets);
    rp_tree_free(&tree);
}
