/* SPDX-License-Identifier: MIT */
/* The members of a group: the sockets that share one address by SO_REUSEPORT (socket(7)), by the
 * numbers by which the group's BPF program chooses them. They are numbered as they join, at
 * listen(2) for TCP and at bind(2) for UDP; when one leaves, the last takes its number
 * (net/core/sock_reuseport.c). Nothing here makes a system call or is async-signal-safe. */
#ifndef RP_MEMBERS_H
#define RP_MEMBERS_H

#include "inspect/sockets.h"

struct rp_members {
    uint32_t *inodes; /* by number */
    size_t count;
    size_t unordered; /* the order of the first `unordered` members is unknown; 0, or at least 2 */
    bool watched;     /* rp_members_update has been called */
};

/* Whether two sockets that receive are in one group: of one protocol, family, address, port and
 * interface. One that was made invisible (RP_NOWHERE) is still in the group of its address. */
bool rp_is_same_group(const struct rp_socket *left, const struct rp_socket *right);

/* Brings the members up to date. inodes: the sockets in the group now, in the order of joining. On
 * the first call the numbers of two and more are unknown, as members may have left before. From
 * then on the number of each that joins is known, as long as between two calls either one member
 * leaves, or members only join. Returns whether anything has changed. Exits with 125 if memory runs
 * out. */
bool rp_members_update(struct rp_members *members, const uint32_t *inodes, size_t count);

/* To be called when a member that the program does not choose has got a connection: its number is
 * not the one that it has here. Has it change places with the next member that is chosen and whose
 * number is not known either; if its own was, none is from now on. chosen: by number, as in
 * rp_members_choose. */
void rp_members_doubt(struct rp_members *members, uint32_t inode, const bool *chosen);

/* Takes over what another process knows: the inodes by number, and `unordered` as above. A count of
 * 0: nothing is known. Exits with 125 if memory runs out. */
void rp_members_restore(struct rp_members *members, const uint32_t *inodes, size_t count,
                        size_t unordered);

/* Sorts sockets of one group into the order of joining, which follows from their positions in the
 * kernel's list: IPv4 newest first, IPv6 oldest first. Requires the positions of one call of
 * rp_sockets_find. */
void rp_members_order(struct rp_socket *sockets, size_t count);

/* Stores for each number, in chosen, which has room for members->count, whether it belongs to one
 * of the inodes. Returns how many do. *sure: false if that depends on an order that is unknown. */
size_t rp_members_choose(const struct rp_members *members, const uint32_t *inodes, size_t count,
                         bool *chosen, bool *sure);

/* Frees what the members hold, and empties them. */
void rp_members_free(struct rp_members *members);

#endif
