/* SPDX-License-Identifier: MIT */
/* Processes that killed keepers have left behind. */
#ifndef RP_ORPHANS_H
#define RP_ORPHANS_H

#include "service/service.h"

/* Kills this process's children that are neither keepers nor questions: once a keeper was killed,
 * its children may become this process's at any time (prctl(2), PR_SET_CHILD_SUBREAPER). Returns
 * whether to wait for any of them: not for those that this process has no permission to kill. Not
 * async-signal-safe. */
bool rp_orphans_kill(const struct rp_service *service);

#endif
