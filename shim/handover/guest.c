/* SPDX-License-Identifier: MIT */
/* Each group has room for one guest: an address, and the socket that gets what comes from it. */
#include "handover/guest.h"

#include <arpa/inet.h>
#include <sys/random.h>

/* Whether connections from 127/8, which come through lo, reach the socket. */
static bool is_reachable(const struct rp_socket *like) {
    const struct in6_addr *address = &like->local.address;
    if (like->interface) return false;
    return IN6_IS_ADDR_V4MAPPED(address) || (rp_is_wildcard(address) && !like->ipv6_only);
}

static bool has_owner_below(const struct rp_socket *socket, pid_t copy) {
    for (size_t i = 0; i < socket->owner_count; i++)
        if (rp_process_is_below(socket->owners[i].process.pid, copy)) return true;
    return false;
}

/* The inode of the copy's socket in the group, or 0. */
static uint32_t find_socket(const struct rp_replacement *this, const struct rp_group *group,
                            pid_t copy) {
    const struct rp_sockets *news = &this->look.of[RP_NEW];
    const bool alone = this->plan->copies.count <= 1;
    for (size_t i = 0; i < news->count; i++)
        if (rp_is_receiver(&news->list[i]) &&
            rp_groups_find(&this->groups, &news->list[i]) == group &&
            (alone || has_owner_below(&news->list[i], copy)))
            return news->list[i].inode;
    return 0;
}

const char *rp_guest_admit(struct rp_replacement *this, pid_t copy, char text[INET_ADDRSTRLEN]) {
    uint32_t random;
    bool any = false, all = true;
    rp_guest_dismiss(this);
    if (getrandom(&random, sizeof(random), 0) != sizeof(random)) return NULL;
    /* Outside 127.0/16, where other programs have addresses. */
    const uint32_t address = 0x7f010000 | (random & 0x00fffffe);
    for (size_t i = 0; i < this->groups.count; i++) {
        struct rp_group *group = &this->groups.list[i];
        if (!is_reachable(&group->like)) continue;
        group->guest = (struct rp_guest){address, find_socket(this, group, copy)};
        any = true;
    }
    if (!any || rp_replacement_steer(this, RP_TO_OLD, false)) return NULL;
    for (size_t i = 0; i < this->groups.count; i++) {
        const struct rp_group *group = &this->groups.list[i];
        struct rp_exception unused;
        if (is_reachable(&group->like))
            all = all && group->way == RP_TO_OLD && rp_group_except(group, &unused);
    }
    const struct in_addr network = {htonl(address)};
    return all ? inet_ntop(AF_INET, &network, text, INET_ADDRSTRLEN) : NULL;
}

void rp_guest_dismiss(struct rp_replacement *this) {
    for (size_t i = 0; i < this->groups.count; i++)
        this->groups.list[i].guest = (struct rp_guest){0, 0};
}
