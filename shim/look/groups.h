/* SPDX-License-Identifier: MIT */
/* Groups of sockets on one address, as the kernel sees them, and what a look tells of them. Nothing
 * here makes a system call; nothing is async-signal-safe. */
#ifndef RP_GROUPS_H
#define RP_GROUPS_H

#include "group/members.h"
#include "group/program.h"
#include "look/look.h"

/* Where what arrives is sent. RP_TO_FIRST: to the new server's first member alone. Its number stays
 * valid while the old server's members leave one by one, the last taking the number of each, if the
 * new server has as many. */
enum rp_way { RP_BY_HASH, RP_TO_OLD, RP_TO_NEW, RP_TO_FIRST };

/* What comes from that IPv4 address, in host byte order, goes to the member with that inode; 0 and
 * 0: nothing does. */
struct rp_guest {
    uint32_t address, inode;
};

struct rp_group {
    struct rp_socket like; /* one of the old server's; without owners */
    unsigned olds, news, others;
    struct rp_members members;
    bool changed;         /* the members have, with the latest count */
    bool guessed;         /* their numbers are a guess (handover/transfer.h) */
    enum rp_way way;      /* as it is steered now */
    volatile bool *noted; /* whether a program may be attached, for the steward; or NULL */
    struct rp_guest guest;
};

struct rp_groups {
    struct rp_group *list;
    size_t count;
    bool left_alone; /* none is to be steered */
};

/* Makes the groups of those sockets. Exits with 125 if memory runs out. */
void rp_groups_make(struct rp_groups *groups, const struct rp_sockets *sockets);

/* The socket's group, or NULL. */
struct rp_group *rp_groups_find(const struct rp_groups *groups, const struct rp_socket *socket);

/* Counts the members of each group, and brings their numbers up to date. Exits with 125 if memory
 * runs out. */
void rp_groups_count(struct rp_groups *groups, const struct rp_look *look);

/* Whether the new server has that many sockets in every group, and as many as the old one, as
 * counted. */
bool rp_groups_are_up(const struct rp_groups *groups, unsigned copies);

/* The new server's sockets on the group's port, whatever the address. */
unsigned rp_port_news(const struct rp_group *group, const struct rp_look *look);

/* Whether it has that many on every port. */
bool rp_ports_are_up(const struct rp_groups *groups, const struct rp_look *look, unsigned copies);

/* Stores which members receive what is steered that way, for each of group->members.count: all
 * but the other server's, so that others keep their share; with RP_TO_FIRST one. Returns false
 * if their numbers are unknown, or if the server has none; with RP_TO_OLD also if others have
 * been there from the start, who may be steered themselves. */
bool rp_group_choose(const struct rp_group *group, const struct rp_look *look, enum rp_way way,
                     bool *chosen);

/* Stores the guest and the number of its member. Returns false if there is none, or the number is
 * unknown. Exits with 125 if memory runs out. */
bool rp_group_except(const struct rp_group *group, struct rp_exception *exception);

/* Why connections to the group could be lost, or NULL; static. */
const char *rp_group_weakness(const struct rp_group *group, const struct rp_look *look);

/* Whether one of those sockets still exists, whoever has it. */
bool rp_still_exist(const struct rp_look *look, const struct rp_sockets *sockets);

#endif
