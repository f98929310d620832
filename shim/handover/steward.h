/* SPDX-License-Identifier: MIT */
/* A process that outlives this one if need be, to end the steering of groups: a classic BPF program
 * has no clock, and left attached it would starve whoever joins later. */
#ifndef RP_STEWARD_H
#define RP_STEWARD_H

#include "look/groups.h"

struct rp_steward;

/* Starts a process for those groups. It is nobody's child, in a session of its own, without this
 * process's descriptors, and sleeps until this process ends or calls rp_steward_leave. Then it
 * detaches the groups' programs and ends: at once, or if a server's end is expected, once none of
 * that server's sockets is left in the group; until then it steers to all other members, including
 * those that join. A KILL of the whole cgroup ends it, too. Returns NULL and errno if it cannot be
 * started. None of these functions is async-signal-safe; NULL is accepted by all of them. */
struct rp_steward *rp_steward_start(struct rp_groups *groups);

/* Tells it how the groups are numbered now. Cheap: a copy in shared memory. Whether a group is
 * steered, handover/steer tells it by group->noted. */
void rp_steward_note(struct rp_steward *steward, const struct rp_groups *groups);

/* Tells it that a server is about to be signalled, and the receivers among those sockets may be
 * invisible. Returns false if it cannot look after so many: then make none of them invisible. */
bool rp_steward_expect_end(struct rp_steward *steward, const struct rp_sockets *leaving);

/* Has it end steering as above, while this process goes on. */
void rp_steward_leave(struct rp_steward *steward);

#endif
