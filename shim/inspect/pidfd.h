/* SPDX-License-Identifier: MIT */
/* Descriptors of processes, and of other processes' descriptors. The system call numbers, which
 * kernel headers before 5.6 lack, are the same on every CPU. */
#ifndef RP_PIDFD_H
#define RP_PIDFD_H

#include <stdbool.h>
#include <sys/syscall.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* Duplicates another process's descriptor (pidfd_getfd(2)), close-on-exec. Returns -1 and errno;
 * EPERM also where a seccomp filter kills callers (rp_getfd_is_deadly). Not async-signal-safe. */
int rp_getfd(int process, int fd);

/* Whether a seccomp filter kills callers of pidfd_getfd(2), as systemd's SystemCallFilter= does:
 * tried once, in a child. Not async-signal-safe. */
bool rp_getfd_is_deadly(void);

#endif
