/* SPDX-License-Identifier: MIT */
/* Repeats what the kernel does to a group's array when members join and leave. */
#include "group/members.h"

#include "base/memory.h"
#include "inspect/trial.h"

#include <stdlib.h>
#include <string.h>

bool rp_is_same_group(const struct rp_socket *left, const struct rp_socket *right) {
    return left->proto == right->proto && left->ipv6 == right->ipv6 &&
           left->ipv6_only == right->ipv6_only && left->local.port == right->local.port &&
           (left->interface == right->interface || left->interface == RP_NOWHERE ||
            right->interface == RP_NOWHERE) &&
           IN6_ARE_ADDR_EQUAL(&left->local.address, &right->local.address);
}

static bool has(const uint32_t *inodes, size_t count, uint32_t inode) {
    for (size_t i = 0; i < count; i++)
        if (inodes[i] == inode) return true;
    return false;
}

static void add(struct rp_members *members, uint32_t inode) {
    members->inodes = rp_grow(members->inodes, members->count, sizeof(inode));
    members->inodes[members->count++] = inode;
}

/* The last takes the place of the one that leaves. Where it is among members in unknown order, so
 * is the last from then on. */
static void leave(struct rp_members *members, size_t number) {
    const bool shrinks = members->unordered == members->count;
    members->inodes[number] = members->inodes[--members->count];
    if (shrinks) members->unordered--;
    if (members->unordered < 2) members->unordered = 0;
}

static void guess(struct rp_members *members, const uint32_t *inodes, size_t count) {
    members->count = 0;
    for (size_t i = 0; i < count; i++) add(members, inodes[i]);
    members->unordered = count > 1 ? count : 0;
}

bool rp_members_update(struct rp_members *members, const uint32_t *inodes, size_t count) {
    size_t left = 0, joined = 0;
    for (size_t i = 0; i < members->count; i++) left += !has(inodes, count, members->inodes[i]);
    for (size_t i = 0; i < count; i++) joined += !has(members->inodes, members->count, inodes[i]);
    if (members->watched && !left && !joined) return false;
    if (!members->watched) {
        guess(members, inodes, count);
    } else {
        for (size_t i = members->count; i-- > 0;)
            if (!has(inodes, count, members->inodes[i])) leave(members, i);
        for (size_t i = count - joined; i < count; i++) add(members, inodes[i]);
        if (left > 1 || (left && joined)) members->unordered = count > 1 ? count : 0;
    }
    members->watched = true;
    return true;
}

void rp_members_doubt(struct rp_members *members, uint32_t inode, const bool *chosen) {
    size_t number = 0;
    while (number < members->count && members->inodes[number] != inode) number++;
    if (number == members->count) return;
    if (number >= members->unordered) members->unordered = members->count;
    for (size_t i = 1; i < members->unordered; i++) {
        const size_t other = (number + i) % members->unordered;
        if (!chosen[other]) continue;
        members->inodes[number] = members->inodes[other];
        members->inodes[other] = inode;
        return;
    }
}

void rp_members_restore(struct rp_members *members, const uint32_t *inodes, size_t count,
                        size_t unordered) {
    guess(members, inodes, count);
    members->unordered = unordered;
    members->watched = count > 0;
}

static int oldest_first(const void *a, const void *b) {
    const struct rp_socket *left = a, *right = b;
    const int order = (left->position > right->position) - (left->position < right->position);
    return left->ipv6 ? order : -order;
}

void rp_members_order(struct rp_socket *sockets, size_t count) {
    if (count) qsort(sockets, count, sizeof(*sockets), oldest_first);
}

size_t rp_members_choose(const struct rp_members *members, const uint32_t *inodes, size_t count,
                         bool *chosen, bool *sure) {
    size_t all = 0, unordered = 0;
    for (size_t i = 0; i < members->count; i++) {
        chosen[i] = has(inodes, count, members->inodes[i]);
        all += chosen[i];
        if (i < members->unordered) unordered += chosen[i];
    }
    *sure = !unordered || unordered == members->unordered;
    return all;
}

void rp_members_free(struct rp_members *members) {
    free(members->inodes);
    memset(members, 0, sizeof(*members));
}
