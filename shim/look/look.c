/* SPDX-License-Identifier: MIT */
/* Sockets first, processes second: whoever had a socket then is among the processes, or has closed
 * it. What the previous look found out is kept by inode. */
#include "look/look.h"

#include "base/clock.h"
#include "core/procnet.h"
#include "inspect/holders.h"

#include <stdlib.h>
#include <string.h>

bool rp_is_receiver(const struct rp_socket *socket) {
    return socket->proto == RP_UDP ? socket->state != RP_ESTABLISHED : socket->state == RP_LISTEN;
}

bool rp_server_plant(struct rp_server *server, pid_t pid) {
    struct rp_process process;
    struct rp_status status;
    if (!rp_tree_plant(&server->tree, pid) || !rp_process_find(pid, &process, &status))
        return false;
    memcpy(server->users, status.users, sizeof(server->users));
    return true;
}

/* Whether the server could act as that user. */
static bool can_be(const struct rp_server *server, uid_t user) {
    bool can = !user;
    for (int i = 0; i < 4; i++) can = can || !server->users[i] || server->users[i] == user;
    return can;
}

bool rp_server_has(const struct rp_server *server, const struct rp_socket *socket) {
    if (!can_be(server, socket->uid)) return false;
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

/* What the previous look knew of a socket, or NULL; *side: whose it was, or RP_SIDES. */
static struct rp_socket *recall(const struct rp_look *before, uint32_t inode, enum rp_side *side) {
    for (*side = RP_OLD; *side < RP_SIDES; ++*side) {
        struct rp_socket *known = rp_sockets_get(&before->of[*side], inode);
        if (known) return known;
    }
    return NULL;
}

static void inherit(struct rp_socket *socket, struct rp_socket *known) {
    socket->owners = known->owners;
    socket->owner_count = known->owner_count;
    known->owners = NULL;
    known->owner_count = 0;
}

/* Whether one of those who had the socket still does. */
static bool still_has(const struct rp_server *server, const struct rp_socket *known) {
    for (size_t i = 0; i < known->owner_count; i++)
        if (rp_tree_has(&server->tree, &known->owners[i].process) &&
            rp_owner_has(&known->owners[i], known))
            return true;
    return false;
}

/* Whether the previous look's answer still holds. The old server's connections are many, and stay
 * its own. */
static bool is_settled(const struct rp_servers *servers, const struct rp_socket *known,
                       enum rp_side side) {
    if (side == RP_OLD) return !rp_is_receiver(known) || still_has(&servers->old, known);
    return side == RP_NEW && still_has(&servers->new, known);
}

/* Moves what is settled to its side, and leaves the rest. */
static void keep_settled(struct rp_look *look, const struct rp_look *before,
                         const struct rp_servers *servers, struct rp_sockets *found) {
    size_t left = 0;
    for (size_t i = 0; i < found->count; i++) {
        enum rp_side side;
        struct rp_socket *known = recall(before, found->list[i].inode, &side);
        if (known && is_settled(servers, known, side)) {
            inherit(&found->list[i], known);
            move(&found->list[i], &look->of[side]);
        } else {
            found->list[left++] = found->list[i];
        }
    }
    found->count = left;
}

/* Whose the socket is now; last: whose it was. A socket of the old server remains so as long as it
 * exists, whoever has it, as it keeps its number in the group. */
static enum rp_side side_of(const struct rp_servers *servers, const struct rp_socket *socket,
                            enum rp_side last) {
    if (last == RP_OLD || rp_server_has(&servers->old, socket)) return RP_OLD;
    if (rp_server_has(&servers->new, socket)) return RP_NEW;
    return last == RP_OTHERS || socket->owner_count ? RP_OTHERS : RP_NOBODY;
}

/* Whether to search all processes for the owner of a socket that seems to have none: if it had none
 * last time either, as most are just being closed. */
static bool needs_search(const struct rp_socket *socket, const struct rp_socket *known) {
    return socket->inode && !socket->owner_count && !socket->searched && known &&
           !known->owner_count;
}

/* Searches take at most one part in so many of the time: strangers can open any number of sockets
 * on these ports, at other addresses, and of descriptors that a search reads. */
enum { SHARE = 5 };

static void search(struct rp_look *look, struct rp_sockets *ownerless) {
    const double begin = rp_now();
    rp_sockets_find_owners(ownerless);
    const double end = rp_now();
    look->next_search = end + (SHARE - 1) * (end - begin);
}

/* Moves a socket to its side, or to those whose owner is to be searched for. */
static void place(struct rp_look *look, const struct rp_look *before,
                  const struct rp_servers *servers, struct rp_socket *socket,
                  struct rp_sockets *ownerless) {
    enum rp_side last;
    struct rp_socket *known = recall(before, socket->inode, &last);
    socket->searched = socket->searched || (known && known->searched);
    if (ownerless && needs_search(socket, known)) {
        move(socket, ownerless);
        return;
    }
    if (last == RP_OLD && !socket->owner_count && socket->searched) inherit(socket, known);
    move(socket, &look->of[side_of(servers, socket, last)]);
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

void rp_look_again(struct rp_look *look, struct rp_servers *servers, const struct rp_sockets *like,
                   unsigned states) {
    struct rp_look before = *look;
    struct rp_sockets found = {NULL, 0, 0}, ownerless = {NULL, 0, 0};
    const bool may_search = rp_now() >= before.next_search;
    memset(look, 0, sizeof(*look));
    look->next_search = before.next_search;
    rp_sockets_find_on_ports(like, RP_LISTENING | states, &found);
    grow(servers);
    keep_settled(look, &before, servers, &found);
    find_members(servers, &found);
    for (size_t i = 0; i < found.count; i++)
        place(look, &before, servers, &found.list[i], may_search ? &ownerless : NULL);
    if (ownerless.count) {
        search(look, &ownerless);
        grow(servers);
    }
    for (size_t i = 0; i < ownerless.count; i++)
        place(look, &before, servers, &ownerless.list[i], NULL);
    for (enum rp_side side = RP_OLD; side < RP_SIDES; side++) rp_sockets_index(&look->of[side]);
    rp_sockets_free(&found);
    rp_sockets_free(&ownerless);
    rp_look_free(&before);
}

void rp_look_free(struct rp_look *look) {
    for (enum rp_side side = RP_OLD; side < RP_SIDES; side++) rp_sockets_free(&look->of[side]);
}
