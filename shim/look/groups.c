/* SPDX-License-Identifier: MIT */
/* A socket belongs to a group by its address, and to a server by the side of the look it is on. */
#include "look/groups.h"

#include "base/die.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct rp_group *rp_groups_find(const struct rp_groups *groups, const struct rp_socket *socket) {
    for (size_t i = 0; i < groups->count; i++)
        if (rp_is_same_group(&groups->list[i].like, socket)) return &groups->list[i];
    return NULL;
}

void rp_groups_make(struct rp_groups *groups, const struct rp_sockets *sockets) {
    for (size_t i = 0; i < sockets->count; i++) {
        struct rp_group group = {.like = sockets->list[i]};
        if (rp_groups_find(groups, &group.like)) continue;
        group.like.owners = NULL;
        group.like.owner_count = 0;
        groups->list = rp_grow(groups->list, groups->count, sizeof(group));
        groups->list[groups->count++] = group;
    }
}

static unsigned count_in(const struct rp_group *group, const struct rp_sockets *sockets) {
    unsigned count = 0;
    for (size_t i = 0; i < sockets->count; i++)
        count +=
            rp_is_receiver(&sockets->list[i]) && rp_is_same_group(&group->like, &sockets->list[i]);
    return count;
}

/* Appends copies, without owners. */
static void collect(const struct rp_group *group, const struct rp_sockets *from,
                    struct rp_sockets *to) {
    for (size_t i = 0; i < from->count; i++) {
        struct rp_socket socket = from->list[i];
        socket.owners = NULL;
        socket.owner_count = 0;
        if (rp_is_receiver(&socket) && rp_is_same_group(&group->like, &socket))
            rp_sockets_add(to, &socket);
    }
}

static bool renumber(struct rp_group *group, const struct rp_look *look) {
    struct rp_sockets all = {NULL, 0, 0};
    for (enum rp_side side = RP_OLD; side < RP_SIDES; side++) collect(group, &look->of[side], &all);
    rp_members_order(all.list, all.count);
    uint32_t *inodes = rp_sockets_inodes(&all);
    const bool changed = rp_members_update(&group->members, inodes, all.count);
    free(inodes);
    rp_sockets_free(&all);
    return changed;
}

void rp_groups_count(struct rp_groups *groups, const struct rp_look *look) {
    for (size_t i = 0; i < groups->count; i++) {
        struct rp_group *group = &groups->list[i];
        group->olds = count_in(group, &look->of[RP_OLD]);
        group->news = count_in(group, &look->of[RP_NEW]);
        group->others =
            count_in(group, &look->of[RP_OTHERS]) + count_in(group, &look->of[RP_NOBODY]);
        group->changed = renumber(group, look);
    }
}

bool rp_groups_are_up(const struct rp_groups *groups, unsigned copies) {
    for (size_t i = 0; i < groups->count; i++)
        if (groups->list[i].news < copies || groups->list[i].news < groups->list[i].olds)
            return false;
    return true;
}

unsigned rp_port_news(const struct rp_group *group, const struct rp_look *look) {
    const struct rp_sockets *news = &look->of[RP_NEW];
    unsigned count = 0;
    for (size_t i = 0; i < news->count; i++)
        count += news->list[i].local.port == group->like.local.port &&
                 news->list[i].proto == group->like.proto && rp_is_receiver(&news->list[i]);
    return count;
}

bool rp_ports_are_up(const struct rp_groups *groups, const struct rp_look *look, unsigned copies) {
    for (size_t i = 0; i < groups->count; i++)
        if (rp_port_news(&groups->list[i], look) < copies) return false;
    return true;
}

/* Stores which numbers are those of one side, and how many. Returns whether that is sure. */
static bool choose_side(const struct rp_group *group, const struct rp_look *look, enum rp_side side,
                        bool *chosen, size_t *count) {
    struct rp_sockets sockets = {NULL, 0, 0};
    bool sure;
    collect(group, &look->of[side], &sockets);
    uint32_t *inodes = rp_sockets_inodes(&sockets);
    *count = rp_members_choose(&group->members, inodes, sockets.count, chosen, &sure);
    free(inodes);
    rp_sockets_free(&sockets);
    return sure;
}

bool rp_group_choose(const struct rp_group *group, const struct rp_look *look, enum rp_way way,
                     bool *chosen) {
    const enum rp_side to = way == RP_TO_OLD ? RP_OLD : RP_NEW, away = to ^ RP_OLD ^ RP_NEW;
    const size_t all = group->members.count;
    size_t count;
    if (way == RP_BY_HASH || !(to == RP_OLD ? group->olds : group->news)) return false;
    if (!choose_side(group, look, away, chosen, &count)) return false;
    /* Among those may be one that another program is kept there for. */
    if (way == RP_TO_OLD && group->others && group->members.unordered) return false;
    for (size_t i = 0; i < all; i++) chosen[i] = !chosen[i];
    if (way != RP_TO_FIRST) return true;
    if (!choose_side(group, look, to, chosen, &count)) return false;
    for (size_t i = 0, seen = 0; i < all; i++) {
        chosen[i] = chosen[i] && !seen;
        seen += chosen[i];
    }
    return true;
}

bool rp_group_except(const struct rp_group *group, struct rp_exception *exception) {
    const struct rp_members *members = &group->members;
    bool sure = false, *chosen = calloc(members->count + 1, sizeof(*chosen));
    if (!chosen) rp_die("%s", strerror(errno));
    const size_t count = rp_members_choose(members, &group->guest.inode, 1, chosen, &sure);
    for (size_t i = 0; i < members->count; i++)
        if (chosen[i]) *exception = (struct rp_exception){group->guest.address, (unsigned)i};
    free(chosen);
    return group->guest.inode && count == 1 && sure;
}

const char *rp_group_weakness(const struct rp_group *group, const struct rp_look *look) {
    if (!group->news)
        return "the new server has no socket on this address, so what arrives here cannot be sent "
               "to it";
    bool *chosen = calloc(group->members.count, sizeof(*chosen));
    const bool known = chosen && rp_group_choose(group, look, RP_TO_NEW, chosen);
    free(chosen);
    if (!known) return "the new server's sockets cannot be told apart from the others there";
    if (group->olds > group->news && group->like.proto == RP_TCP)
        return "the old server has more sockets than the new one, so a connection may still reach "
               "it while it ends";
    return NULL;
}

bool rp_still_exist(const struct rp_look *look, const struct rp_sockets *sockets) {
    for (size_t i = 0; i < sockets->count; i++)
        for (enum rp_side side = RP_OLD; side < RP_SIDES; side++)
            if (rp_sockets_get(&look->of[side], sockets->list[i].inode)) return true;
    return false;
}
