/* SPDX-License-Identifier: MIT */
/* Steering: which members of a group receive what arrives, by a classic BPF program on the group
 * (socket(7), SO_ATTACH_REUSEPORT_CBPF), which requires no privilege. */
#ifndef RP_STEER_H
#define RP_STEER_H

#include "handover/groups.h"

/* Steers every group whose members' numbers are known (rp_group_range), through a socket of either
 * server in the look, and marks it as steered. Returns 0, or the errno of the last failure. */
int rp_groups_steer(struct rp_groups *groups, const struct rp_look *look, enum rp_way way);

/* Ends steering: the kernel's hash chooses again. */
void rp_groups_release(struct rp_groups *groups, const struct rp_look *look);

#endif
