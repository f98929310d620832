/* Groups of sockets on one address, as the kernel sees them, and what a look tells of them. Nothing
 * here makes a system call. */
#ifndef RP_GROUPS_H
#define RP_GROUPS_H

#include "handover/look.h"

struct rp_group {
    struct rp_socket like; /* one of the old server's; without owners */
    unsigned olds, news, others;
    unsigned first; /* number of the new server's first member, as it was when steering began */
    bool steered;
};

struct rp_groups {
    struct rp_group *list;
    size_t count;
};

/* Makes the groups that those sockets are members of. Exits with 125 if memory runs out. */
void rp_groups_make(struct rp_groups *groups, const struct rp_sockets *sockets);

/* The group that the socket is a member of, or NULL. */
struct rp_group *rp_groups_find(const struct rp_groups *groups, const struct rp_socket *socket);

/* Counts the members of each group anew. */
void rp_groups_count(struct rp_groups *groups, const struct rp_look *look);

/* Whether the new server has that many sockets in every group, as counted. */
bool rp_groups_are_up(const struct rp_groups *groups, unsigned copies);

/* Whether it has that many on every port, whatever the address. */
bool rp_ports_are_up(const struct rp_groups *groups, const struct rp_look *look, unsigned copies);

/* RP_TO_FIRST is the new server's first socket alone. Its number stays good while the old server's
 * sockets go one by one, the last member taking the number of each, if the new server has no fewer.
 * */
enum rp_way { RP_TO_NEW, RP_TO_FIRST, RP_TO_OLD };

/* Which members, from first on, get what arrives that way. Returns false where their numbers are
 * unknown, as counted: those of the old server come first only if both servers are there and nobody
 * else is. */
bool rp_group_range(const struct rp_group *group, enum rp_way way, unsigned *first,
                    unsigned *count);

/* What cannot be promised for a group whose connections are to go to the new server, or NULL;
 * static. */
const char *rp_group_weakness(const struct rp_group *group);

/* Whether one of those sockets still exists, whoever has it. */
bool rp_still_exist(const struct rp_look *look, const struct rp_sockets *sockets);

#endif
