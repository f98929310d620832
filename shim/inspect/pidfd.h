/* SPDX-License-Identifier: MIT */
/* System call numbers that kernel headers before 5.6 lack; they are the same on every CPU. */
#ifndef RP_PIDFD_H
#define RP_PIDFD_H

#include <sys/syscall.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#endif
