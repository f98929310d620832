/* SPDX-License-Identifier: MIT */
/* Which sockets reuseport list shows: those on the ports that are named, or on all shared ports. */
#include "base/memory.h"
#include "command/list.h"

#include <stdlib.h>

void rp_selection_add(struct rp_selection *selection, const struct rp_wanted *wanted) {
    for (size_t i = 0; i < selection->count; i++)
        if (selection->ports[i].port == wanted->port) {
            selection->ports[i].protos |= wanted->protos;
            return;
        }
    selection->ports = rp_grow(selection->ports, selection->count, sizeof(*selection->ports));
    selection->ports[selection->count++] = *wanted;
}

/* Drops the ports on which nobody shares. */
static void drop_unshared(struct rp_sockets *sockets) {
    size_t kept = 0;
    for (size_t start = 0, end; start < sockets->count; start = end) {
        bool shared = false;
        end = rp_group_end(sockets, start);
        for (size_t i = start; i < end; i++) shared = shared || sockets->list[i].shares == RP_YES;
        for (size_t i = start; i < end; i++) {
            if (shared)
                sockets->list[kept++] = sockets->list[i];
            else
                free(sockets->list[i].owners);
        }
    }
    sockets->count = kept;
}

static void select_shared(struct rp_selection *selection, struct rp_sockets *sockets) {
    drop_unshared(sockets);
    free(selection->ports);
    selection->ports = NULL;
    selection->count = 0;
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        rp_selection_add(selection, &(struct rp_wanted){socket->proto, socket->local.port, 0});
    }
}

void rp_selection_find(struct rp_selection *selection, struct rp_sockets *sockets) {
    if (!selection->named) rp_sockets_find(&(struct rp_wanted){RP_TCP | RP_UDP, 0, 0}, sockets);
    for (size_t i = 0; selection->named && i < selection->count; i++)
        rp_sockets_find(&selection->ports[i], sockets);
    rp_sockets_examine(sockets, selection->named);
    rp_sockets_infer(sockets);
    rp_sockets_sort(sockets);
    if (!selection->named) select_shared(selection, sockets);
}
