/* SPDX-License-Identifier: MIT */
/* A process that outlives this one if need be, to end the steering of groups: a classic BPF program
 * has no clock, and left attached it would starve whoever joins later. */
#ifndef RP_STEWARD_H
#define RP_STEWARD_H

#include "handover/groups.h"

struct rp_steward;

/* Starts a process for those groups; held: the old server's receivers. It is nobody's child, in
 * a session of its own, without this process's descriptors, and sleeps until this process ends
 * or calls rp_steward_leave. Then it ends steering and itself: at once, or where the old
 * server's end is expected, when none of held is left in the group; until then it keeps new
 * members in the group and held out. A KILL of the whole cgroup ends it, too. Returns NULL if it
 * cannot be started. None of these functions is async-signal-safe; NULL is accepted by all of
 * them. */
struct rp_steward *rp_steward_start(const struct rp_groups *groups, const struct rp_sockets *held);

/* Tells it how the groups are steered and numbered now. Cheap: a copy in shared memory. */
void rp_steward_note(struct rp_steward *steward, const struct rp_groups *groups);

/* Tells it that the old server is about to be signalled, and its sockets may be invisible. */
void rp_steward_expect_end(struct rp_steward *steward);

/* Leaves the rest to it. */
void rp_steward_leave(struct rp_steward *steward);

#endif
