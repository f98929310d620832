/* SPDX-License-Identifier: MIT */
/* Groups of sockets on one address, as the kernel sees them, and what a look tells of them. Nothing
 * here makes a system call. */
#ifndef RP_GROUPS_H
#define RP_GROUPS_H

#include "handover/look.h"

struct rp_group {
    struct rp_socket like; /* one of the old server's; without owners */
    unsigned olds, news, others;
    unsigned first; /* the new server's first member, by its number when steering began */
    bool steered;
};

struct rp_groups {
    struct rp_group *list;
    size_t count;
};

/* Makes the groups of those sockets. Exits with 125 if memory runs out. */
void rp_groups_make(struct rp_groups *groups, const struct rp_sockets *sockets);

/* The socket's group, or NULL. */
struct rp_group *rp_groups_find(const struct rp_groups *groups, const struct rp_socket *socket);

/* Counts the members of each group. */
void rp_groups_count(struct rp_groups *groups, const struct rp_look *look);

/* Whether the new server has that many sockets in every group, as counted. */
bool rp_groups_are_up(const struct rp_groups *groups, unsigned copies);

/* Whether it has that many on every port, whatever the address. */
bool rp_ports_are_up(const struct rp_groups *groups, const struct rp_look *look, unsigned copies);

/* RP_TO_FIRST: to the new server's first socket alone. Its number stays valid while the old
 * server's sockets close one by one, the last member taking the number of each, if the new server
 * has as many. */
enum rp_way { RP_TO_NEW, RP_TO_FIRST, RP_TO_OLD };

/* The range of members that receive what arrives. Returns false if their numbers are unknown: the
 * old server's come first only if both servers are there, as counted, and nobody else is. */
bool rp_group_range(const struct rp_group *group, enum rp_way way, unsigned *first,
                    unsigned *count);

/* Why connections to the group could be lost, or NULL; static. */
const char *rp_group_weakness(const struct rp_group *group);

/* Whether one of those sockets still exists, whoever has it. */
bool rp_still_exist(const struct rp_look *look, const struct rp_sockets *sockets);

#endif
