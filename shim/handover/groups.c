/* SPDX-License-Identifier: MIT */
/* Members of a group have identical addresses, and are numbered in the order of joining. */
#include "handover/groups.h"

#include "base/memory.h"

static bool is_in(const struct rp_group *group, const struct rp_socket *socket) {
    return group->like.proto == socket->proto && group->like.ipv6 == socket->ipv6 &&
           group->like.ipv6_only == socket->ipv6_only &&
           group->like.local.port == socket->local.port &&
           group->like.interface == socket->interface &&
           IN6_ARE_ADDR_EQUAL(&group->like.local.address, &socket->local.address);
}

struct rp_group *rp_groups_find(const struct rp_groups *groups, const struct rp_socket *socket) {
    for (size_t i = 0; i < groups->count; i++)
        if (is_in(&groups->list[i], socket)) return &groups->list[i];
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
        count += rp_is_receiver(&sockets->list[i]) && is_in(group, &sockets->list[i]);
    return count;
}

void rp_groups_count(struct rp_groups *groups, const struct rp_look *look) {
    for (size_t i = 0; i < groups->count; i++) {
        struct rp_group *group = &groups->list[i];
        group->olds = count_in(group, &look->of[RP_OLD]);
        group->news = count_in(group, &look->of[RP_NEW]);
        group->others =
            count_in(group, &look->of[RP_OTHERS]) + count_in(group, &look->of[RP_NOBODY]);
    }
}

bool rp_groups_are_up(const struct rp_groups *groups, unsigned copies) {
    for (size_t i = 0; i < groups->count; i++)
        if (groups->list[i].news < copies) return false;
    return true;
}

bool rp_ports_are_up(const struct rp_groups *groups, const struct rp_look *look, unsigned copies) {
    const struct rp_sockets *news = &look->of[RP_NEW];
    for (size_t i = 0; i < groups->count; i++) {
        const struct rp_socket *like = &groups->list[i].like;
        unsigned count = 0;
        for (size_t j = 0; j < news->count; j++)
            count += news->list[j].local.port == like->local.port &&
                     news->list[j].proto == like->proto && rp_is_receiver(&news->list[j]);
        if (count < copies) return false;
    }
    return true;
}

bool rp_group_range(const struct rp_group *group, enum rp_way way, unsigned *first,
                    unsigned *count) {
    /* Stays valid while old members leave. */
    const unsigned news_first = group->steered ? group->first : group->olds;
    *first = way == RP_TO_OLD ? 0 : news_first;
    *count = way == RP_TO_OLD ? group->olds : way == RP_TO_NEW ? group->news : 1;
    return group->olds && group->news && !group->others;
}

const char *rp_group_weakness(const struct rp_group *group) {
    if (!group->news)
        return "the new server is on another address, so what arrives here cannot be sent to it";
    if (group->others)
        return "somebody else has sockets there too, so the new ones cannot be told apart";
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
