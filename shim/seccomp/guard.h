/* Being watched by seccomp: the processes that do it, started by the one that is about to become the program. */
#ifndef RP_GUARD_H
#define RP_GUARD_H

#include "core/config.h"

/* What the processes are called (proc(5), comm), to be told from a program's own. */
#define RP_GUARD_NAME "reuseport-watch"

/* Has this process watched from now on, across execve(2): a guard, and a watcher that it starts anew should it
 * die. Both are in a session of their own, block signals, hold no descriptor of this process open but a stderr
 * that is a regular file, and end when it and all that came from it have. The guard is a child that wait(2) does
 * not see (clone(2), no exit signal), but with __WALL.
 * Where this process is watched already with the same settings, nothing changes. Returns NULL, or why it cannot
 * be done, in words that follow "by seccomp"; the process must then not go on. Sets REUSEPORT_SECCOMP. */
const char *rp_guard_enter(const struct rp_config *config);

/* Whether that would work, tried in a process of its own. The same result. */
const char *rp_guard_try(const struct rp_config *config);

#endif
