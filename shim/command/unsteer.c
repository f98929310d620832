/* SPDX-License-Identifier: MIT */
/* The kernel does not show whether a program is attached; detaching it tells whether one was. */
#include "command/unsteer.h"

#include "base/die.h"
#include "core/procnet.h"
#include "group/members.h"
#include "group/steer.h"
#include "inspect/holders.h"
#include "inspect/option.h"

#include <errno.h>
#include <stdio.h>

static const char *reason(const struct rp_socket *socket, int error) {
    if (error == EADDRINUSE) return "another socket holds the port without sharing it";
    if (error == EPERM && !socket->owner_count) return rp_no_owner_reason("adopt");
    return rp_option_reason(error);
}

static bool unsteer(const struct rp_sockets *sockets, const struct rp_socket *like) {
    char where[RP_SOCKET_TEXT];
    const int error = rp_group_unsteer(like, sockets);
    rp_socket_text(like, where);
    if (error && error != ENOENT) {
        rp_warn("adopt: %s: %s", where, reason(like, error));
        return false;
    }
    printf("%s: %s\n", where, error ? "was not steered" : "no longer steered");
    return true;
}

bool rp_unsteer(struct rp_wanted wanted, const char *text) {
    struct rp_sockets sockets = {NULL, 0, 0};
    bool good = true;
    wanted.states = 1U << RP_LISTEN;
    rp_sockets_find(&wanted, &sockets);
    if (!sockets.count) rp_die("adopt: nothing holds port %s", text);
    rp_sockets_find_owners(&sockets);
    rp_sockets_sort(&sockets);
    for (size_t i = 0; i < sockets.count; i++) {
        bool done = false;
        for (size_t j = 0; j < i; j++)
            done = done || rp_is_same_group(&sockets.list[i], &sockets.list[j]);
        if (!done) good = unsteer(&sockets, &sockets.list[i]) && good;
    }
    rp_sockets_free(&sockets);
    return good;
}
