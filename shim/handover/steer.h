/* Steering: which members of a group get what arrives, by a classic BPF program on the group
 * (socket(7), SO_ATTACH_REUSEPORT_CBPF; no privilege is needed). */
#ifndef RP_STEER_H
#define RP_STEER_H

#include "handover/groups.h"

/* Steers, by way of a socket of either server in the look, every group in which the numbers of the
 * members are known as counted (rp_group_range), and notes where. Returns 0, or the errno of the
 * last that could not be. */
int rp_groups_steer(struct rp_groups *groups, const struct rp_look *look, enum rp_way way);

/* Leaves the groups that were steered to the kernel's hash again. */
void rp_groups_release(struct rp_groups *groups, const struct rp_look *look);

#endif
