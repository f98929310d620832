/* SPDX-License-Identifier: MIT */
/* Steering the groups of a replacement (group/steer.h), as a look shows them. None of these
 * functions is async-signal-safe. */
#ifndef RP_STEER_H
#define RP_STEER_H

#include "look/groups.h"

/* Steers every group whose members' numbers are known (rp_group_choose), through a duplicate of a
 * member of either server, or else by a visit; visit: also where the old server's listener, adopted
 * after listen(2), is in no group yet. RP_BY_HASH ends steering: the kernel's hash chooses again.
 * Updates each group's way. Returns 0, or the errno of the last failure. */
int rp_groups_steer(struct rp_groups *groups, const struct rp_look *look, enum rp_way way,
                    bool visit);

/* Said with rp_steer_reason. */
#define RP_NOT_STEERED "new connections could not be sent to the new server: %s"

/* What an errno of rp_groups_steer means for those groups, and what is missing; static. */
const char *rp_steer_reason(const struct rp_groups *groups, int error);

/* Steers the groups whose members have changed, or that are not steered that way yet, as
 * rp_groups_steer does with visit false. */
void rp_groups_renew(struct rp_groups *groups, const struct rp_look *look, enum rp_way way);

/* Makes the listeners that are about to leave invisible (rp_group_hide), where their group is
 * steered away from them for sure and all their owners are in the tree. Requires all owners
 * (rp_sockets_find_owners). */
void rp_groups_hide(const struct rp_groups *groups, const struct rp_sockets *leaving,
                    const struct rp_tree *tree);

#endif
