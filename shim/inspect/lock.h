/* SPDX-License-Identifier: MIT */
/* A lock for each process that is being replaced or takes another's place. Only who may trace that
 * process can take it, and it ends with the process that took it. */
#ifndef RP_LOCK_H
#define RP_LOCK_H

#include "inspect/process.h"

/* Takes the lock (flock(2) on /proc/PID/environ), one of at most two, until this process ends.
 * COMMAND does not inherit it. Returns 0 or an errno: EWOULDBLOCK if another process has it,
 * ENOLCK for a third,
 * ESRCH if the process has ended, EACCES without the right to read its environment (ptrace(2),
 * PTRACE_MODE_READ), EXDEV if /proc is no proc(5) of this PID namespace or something is mounted
 * over a part of it. Processes exclude each other if they see the same mount of proc, or may
 * look into init, whose mount is used if possible. Not async-signal-safe. */
int rp_lock(const struct rp_process *process);

/* The process that has the lock; 0 if none has, or it is in a PID namespace that this one does not
 * see (/proc/locks of proc(5)). Requires no right. Not async-signal-safe. */
pid_t rp_lock_holder(const struct rp_process *process);

/* Gives up all locks; in a forked child closes its duplicates, by which they would last as long as
 * the child, and leaves them to the parent. Async-signal-safe. */
void rp_lock_leave(void);

#endif
