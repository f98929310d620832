/* SPDX-License-Identifier: MIT */
/* Where the kernel's interface differs between CPUs, or libc's headers name it differently. */
#ifndef RP_KERNEL_H
#define RP_KERNEL_H

#include <sys/syscall.h>

/* Bytes of a signal set in a system call, and of what identifies a file at the start of fstat's
 * answer: its device and inode, with the padding between them. */
#ifdef __mips__
enum { RP_SIGSET_SIZE = 16, RP_FILE_ID_SIZE = 24 };
#else
enum { RP_SIGSET_SIZE = 8, RP_FILE_ID_SIZE = 16 };
#endif

#ifndef SYS_fstat64 /* 64-bit CPUs */
#define SYS_fstat64 SYS_fstat
#endif
#ifndef SYS_geteuid32 /* those that never had 16-bit UIDs */
#define SYS_geteuid32 SYS_geteuid
#endif
#ifndef SYS_clock_gettime /* musl on 32-bit CPUs */
#define SYS_clock_gettime SYS_clock_gettime32
#endif

#endif
