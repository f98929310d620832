/* SPDX-License-Identifier: MIT */
/* The watcher: answers the notifications of a program's calls. */
#ifndef RP_ANSWER_H
#define RP_ANSWER_H

#include "seccomp/notification.h"

/* Answers notifications, first the one that the memory still holds. Returns true when no process
 * with the filter is left, or false on EOF on guard, a descriptor. Whatever fails lets the
 * program's call go on. The guard may give this process up at any moment (seccomp/patience.h). */
bool rp_answer_all(const struct rp_watch *watch, int guard);

#endif
