/* SPDX-License-Identifier: MIT */
/* The kernel closes a process's files before its parent learns of its end, so what still exists
 * then is held by somebody else. */
#include "look/remains.h"

#include "inspect/holders.h"

#include <stdio.h>

/* Zombies, which their parent may never reap, hold nothing. */
static bool is_alive(const struct rp_process *process) {
    const char state = rp_process_state(process);
    return state && state != 'Z' && state != 'X';
}

static bool any_alive(const struct rp_tree *tree) {
    for (size_t i = 0; i < tree->count; i++)
        if (is_alive(&tree->members[i])) return true;
    return false;
}

static const struct rp_socket *find(const struct rp_look *look, uint32_t inode) {
    const struct rp_socket *socket = NULL;
    for (enum rp_side side = RP_OLD; side < RP_SIDES && !socket; side++)
        socket = rp_sockets_get(&look->of[side], inode);
    return socket;
}

static void note(struct rp_remains *remains, const struct rp_process *holder) {
    for (unsigned i = 0; i < remains->count; i++)
        if (remains->holders[i].pid == holder->pid && remains->holders[i].start == holder->start)
            return;
    if (remains->count < RP_HOLDERS_MAX) remains->holders[remains->count++] = *holder;
}

/* Whether the owner, perhaps of an earlier look, has the socket now. */
static bool still_has(const struct rp_owner *owner, const struct rp_socket *socket) {
    return is_alive(&owner->process) && rp_owner_has(owner, socket);
}

/* Notes who has the socket. Returns false if that is the old server, or unknown. */
static bool note_holders(struct rp_remains *remains, const struct rp_servers *servers,
                         const struct rp_socket *socket) {
    bool any = false;
    for (size_t i = 0; i < socket->owner_count; i++) {
        const struct rp_process *owner = &socket->owners[i].process;
        if (!still_has(&socket->owners[i], socket)) continue;
        if (rp_tree_has(&servers->old.tree, owner)) return false;
        if (!rp_tree_has(&servers->new.tree, owner)) note(remains, owner);
        any = true;
    }
    return any || (socket->searched && !any_alive(&servers->old.tree));
}

bool rp_remains_find(const struct rp_look *look, const struct rp_servers *servers,
                     const struct rp_sockets *held, struct rp_remains *remains) {
    bool any = false;
    *remains = (struct rp_remains){.count = 0};
    for (size_t i = 0; i < held->count; i++) {
        const struct rp_socket *socket = find(look, held->list[i].inode);
        if (socket && !note_holders(remains, servers, socket)) return false;
        any = any || socket;
    }
    return any;
}

const char *rp_remains_text(const struct rp_remains *remains, char text[RP_REMAINS_TEXT]) {
    char name[RP_NAME_SIZE];
    size_t length = 0;
    if (!remains->count) snprintf(text, RP_REMAINS_TEXT, "a process that this one may not see");
    for (unsigned i = 0; i < remains->count; i++)
        length += (size_t)snprintf(text + length, RP_REMAINS_TEXT - length, "%spid %d (%s)",
                                   i ? ", " : "", (int)remains->holders[i].pid,
                                   rp_process_name(&remains->holders[i], name));
    return text;
}
