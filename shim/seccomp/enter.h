/* SPDX-License-Identifier: MIT */
/* Entering seccomp: from here on the kernel asks before this process, or any that comes from it,
 * binds. */
#ifndef RP_ENTER_H
#define RP_ENTER_H

#include "core/config.h"

/* Has this process watched, across execve(2), by a guard and a watcher, which are started anew
 * should they die and end when all that they watch has ended. Where it is watched already with the
 * same settings, nothing changes. list: the list of ports in the settings, in words. The guard is
 * a child of the nearest ancestor that adopts orphans, so no wait(2) here sees it; only if this
 * process adopts them itself, it is its child, which wait(2) sees with __WALL alone (clone(2), no
 * exit signal). Sets REUSEPORT_SECCOMP. Returns NULL, or why it cannot be done, static, in words
 * that follow "seccomp"; the process must then end. Not async-signal-safe. */
const char *rp_seccomp_enter(const struct rp_config *config, const char *list);

/* Whether that would work, tried in a process of its own. Returns the same. */
const char *rp_seccomp_try(const struct rp_config *config, const char *list);

/* Whether this process adopts orphans: as PID 1, or as a subreaper (prctl(2)), which it stays
 * across execve(2). Async-signal-safe. */
bool rp_seccomp_adopts(void);

#endif
