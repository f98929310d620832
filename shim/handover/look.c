/* Sockets first, processes second: then whoever had a socket is among the processes, or has closed
 * it. What the look before has found out is kept by inode. */
#include "handover/look.h"

#include "core/procnet.h"
#include "inspect/holders.h"

#include <stdlib.h>
#include <string.h>

bool rp_is_receiver(const struct rp_socket *socket) {
    return socket->proto == RP_UDP || socket->state == RP_LISTEN;
}

bool rp_server_plant(struct rp_server *server, pid_t pid) {
    struct rp_process process;
    struct rp_status status;
    if (!rp_tree_plant(&server->tree, pid) || !rp_process_find(pid, &process, &status))
        return false;
    server->user = status.users[1];
    for (int i = 0; i < 4; i++)
        if (!status.users[i]) server->user = 0;
    return true;
}

bool rp_server_has(const struct rp_server *server, const struct rp_socket *socket) {
    if (server->user && socket->uid && socket->uid != server->user) return false;
    for (size_t i = 0; i < socket->owner_count; i++)
        if (rp_tree_has(&server->tree, &socket->owners[i].process)) return true;
    return false;
}

/* Into another list, with its owners. */
static void move(struct rp_socket *socket, struct rp_sockets *to) {
    rp_sockets_add(to, socket);
    socket->owners = NULL;
    socket->owner_count = 0;
}

void rp_server_find(struct rp_server *server, const struct rp_ports *list,
                    struct rp_sockets *held) {
    struct rp_sockets all = {NULL, 0, 0};
    rp_sockets_find(&(struct rp_wanted){RP_TCP | RP_UDP, 0, RP_LISTENING}, &all);
    rp_tree_grow(&server->tree);
    rp_sockets_find_members(&all, &server->tree);
    for (size_t i = 0; i < all.count; i++) {
        struct rp_socket *socket = &all.list[i];
        const bool wanted =
            !list->count || rp_ports_match(list, &socket->local, socket->proto) == RP_SHARE;
        if (wanted && rp_is_receiver(socket) && rp_server_has(server, socket)) move(socket, held);
    }
    rp_sockets_free(&all);
}

static void find_on_ports(const struct rp_sockets *like, unsigned states,
                          struct rp_sockets *found) {
    for (size_t i = 0; i < like->count; i++) {
        const struct rp_socket *socket = &like->list[i];
        bool done = false;
        for (size_t j = 0; j < i; j++)
            done = done || (like->list[j].local.port == socket->local.port &&
                            like->list[j].proto == socket->proto);
        if (!done)
            rp_sockets_find(
                &(struct rp_wanted){socket->proto, socket->local.port, RP_LISTENING | states},
                found);
    }
}

/* Whether one of those who had the socket still does. */
static bool still_has(const struct rp_server *server, const struct rp_socket *known) {
    for (size_t i = 0; i < known->owner_count; i++)
        if (rp_tree_has(&server->tree, &known->owners[i].process) &&
            rp_owner_has(&known->owners[i], known))
            return true;
    return false;
}

/* Takes over the side and the owners of a socket that the look before has found out, or returns
 * RP_NOBODY. The old server's connections are many, and are not asked for again. */
static enum rp_side recall(const struct rp_look *before, const struct rp_servers *servers,
                           struct rp_socket *socket) {
    struct rp_socket *old = rp_sockets_get(&before->of[RP_OLD], socket->inode);
    struct rp_socket *new = rp_sockets_get(&before->of[RP_NEW], socket->inode);
    const bool is_old = old && (!rp_is_receiver(old) || still_has(&servers->old, old));
    struct rp_socket *known = is_old ? old : new &&still_has(&servers->new, new) ? new : NULL;
    if (!known) return RP_NOBODY;
    socket->owners = known->owners;
    socket->owner_count = known->owner_count;
    known->owners = NULL;
    known->owner_count = 0;
    return is_old ? RP_OLD : RP_NEW;
}

/* Moves what is known already to where it belongs, and leaves the rest. */
static void keep_known(struct rp_look *look, struct rp_look *before,
                       const struct rp_servers *servers, struct rp_sockets *found) {
    size_t left = 0;
    for (size_t i = 0; i < found->count; i++) {
        const enum rp_side side = recall(before, servers, &found->list[i]);
        if (side != RP_NOBODY)
            move(&found->list[i], &look->of[side]);
        else
            found->list[left++] = found->list[i];
    }
    found->count = left;
}

/* Whose the socket is. What once was the old server's stays so for as long as it exists: it keeps
 * its place in the group, whoever has it. */
static enum rp_side side_of(const struct rp_look *before, const struct rp_servers *servers,
                            const struct rp_socket *socket) {
    if (rp_server_has(&servers->old, socket) || rp_sockets_get(&before->of[RP_OLD], socket->inode))
        return RP_OLD;
    if (rp_server_has(&servers->new, socket)) return RP_NEW;
    return socket->owner_count || rp_sockets_get(&before->of[RP_OTHERS], socket->inode) ? RP_OTHERS
                                                                                        : RP_NOBODY;
}

/* Whether all processes are to be searched for the owner of a socket that seems to have none. */
static bool is_riddle(const struct rp_look *before, const struct rp_socket *socket) {
    return socket->inode && !socket->searched &&
           (rp_is_receiver(socket) || rp_sockets_get(&before->of[RP_NOBODY], socket->inode));
}

static void grow(struct rp_servers *servers) {
    rp_tree_grow(&servers->old.tree);
    rp_tree_grow(&servers->new.tree);
}

static void find_members(const struct rp_servers *servers, struct rp_sockets *sockets) {
    bool any = false;
    for (size_t i = 0; i < sockets->count; i++) any = any || sockets->list[i].inode;
    if (!any) return;
    rp_sockets_find_members(sockets, &servers->old.tree);
    rp_sockets_find_members(sockets, &servers->new.tree);
}

/* Moves each socket to its side, but for the riddles. */
static void sort_out(struct rp_look *look, const struct rp_look *before,
                     const struct rp_servers *servers, struct rp_sockets *found,
                     struct rp_sockets *riddles) {
    for (size_t i = 0; i < found->count; i++) {
        struct rp_socket *socket = &found->list[i];
        const struct rp_socket *known = rp_sockets_get(&before->of[RP_NOBODY], socket->inode);
        const enum rp_side side = side_of(before, servers, socket);
        socket->searched = socket->searched || (known && known->searched);
        move(socket, side == RP_NOBODY && is_riddle(before, socket) ? riddles : &look->of[side]);
    }
}

void rp_look_again(struct rp_look *look, struct rp_servers *servers, const struct rp_sockets *like,
                   unsigned states) {
    struct rp_look before = *look;
    struct rp_sockets found = {NULL, 0, 0}, riddles = {NULL, 0, 0};
    memset(look, 0, sizeof(*look));
    find_on_ports(like, states, &found);
    grow(servers);
    keep_known(look, &before, servers, &found);
    find_members(servers, &found);
    sort_out(look, &before, servers, &found, &riddles);
    if (riddles.count) {
        rp_sockets_find_owners(&riddles);
        grow(servers);
        sort_out(look, &before, servers, &riddles, NULL);
    }
    for (enum rp_side side = RP_OLD; side < RP_SIDES; side++) rp_sockets_index(&look->of[side]);
    rp_sockets_free(&found);
    rp_sockets_free(&riddles);
    rp_look_free(&before);
}

void rp_look_free(struct rp_look *look) {
    for (enum rp_side side = RP_OLD; side < RP_SIDES; side++) rp_sockets_free(&look->of[side]);
}
