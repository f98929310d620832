/* SPDX-License-Identifier: MIT */
/* Entering seccomp: from here on the kernel asks before this process, or any that comes from it,
 * binds. */
#ifndef RP_ENTER_H
#define RP_ENTER_H

#include "core/config.h"

/* Has this process watched, across execve(2), by a guard and a watcher, which are started anew
 * should they die and end when all that they watch has ended. Where it is watched already with the
 * same settings, nothing changes. list: the list of ports in the settings, in words. The guard is a
 * child that wait(2) does not see unless called with __WALL (clone(2), no exit signal). Sets
 * REUSEPORT_SECCOMP. Returns NULL, or why it cannot be done, static, in words that follow
 * "seccomp"; the process must then end. Not async-signal-safe. */
const char *rp_seccomp_enter(const struct rp_config *config, const char *list);

/* Whether that would work, tried in a process of its own. Returns the same. */
const char *rp_seccomp_try(const struct rp_config *config, const char *list);

#endif
