/* SPDX-License-Identifier: MIT */
/* The members of a port's group, by the numbers that the kernel and its programs know them by.
 * Members are numbered as they join, at listen(2) for TCP and at bind(2) for UDP; when one leaves,
 * the last takes its number (net/core/sock_reuseport.c). Nothing here makes a system call. */
#ifndef RP_MEMBERS_H
#define RP_MEMBERS_H

#include "inspect/sockets.h"

struct rp_members {
    uint32_t *inodes; /* by number */
    size_t count;
    size_t
        unordered; /* so many of the first have their numbers in unknown order; 0, or 2 and more */
    bool watched;  /* there has been a look */
};

/* Whether two sockets that receive are in one group: of one protocol, family, address, port and
 * interface. An invisible one is in that of its address. */
bool rp_is_same_group(const struct rp_socket *left, const struct rp_socket *right);

/* Brings the members up to date. inodes: who is in the group now, in the order of joining. With the
 * first look the order is a guess, as nobody knows who has left before; from then on every number
 * is known, as long as at most one member leaves between two looks and none joins in between.
 * Returns whether anything has changed. Exits with 125 if memory runs out. */
bool rp_members_update(struct rp_members *members, const uint32_t *inodes, size_t count);

/* Goes on from what another process has seen: the inodes by number, and how many of the first
 * are in unknown order. None: nothing has been seen. Exits with 125 if memory runs out. */
void rp_members_restore(struct rp_members *members, const uint32_t *inodes, size_t count,
                        size_t unordered);

/* Sorts sockets of one group into the order of joining, which stands in every dump: IPv4 newest
 * first, IPv6 oldest first. Requires positions of one call of rp_sockets_find. */
void rp_members_order(struct rp_socket *sockets, size_t count);

/* Stores for each number whether it is that of one of the inodes. Returns how many
 * are. *sure: the answer does not depend on an order that is unknown. chosen: of members->count. */
size_t rp_members_choose(const struct rp_members *members, const uint32_t *inodes, size_t count,
                         bool *chosen, bool *sure);

void rp_members_free(struct rp_members *members);

#endif
