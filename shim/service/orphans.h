/* SPDX-License-Identifier: MIT */
/* What killed keepers have left to the supervisor. */
#ifndef RP_ORPHANS_H
#define RP_ORPHANS_H

#include "service/service.h"

/* Kills this process's children that are neither keepers nor questions: once a keeper was killed,
 * what it kept may come here at any time (prctl(2), PR_SET_CHILD_SUBREAPER). Returns whether to
 * wait for any of them: not for a process of a user whom this one may not kill. Not
 * async-signal-safe. */
bool rp_orphans_kill(const struct rp_service *service);

#endif
