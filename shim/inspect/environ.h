/* SPDX-License-Identifier: MIT */
/* The environment of another process, as it says. */
#ifndef RP_ENVIRON_H
#define RP_ENVIRON_H

#include <stddef.h>

/* Reads /proc/PID/environ (proc(5)) below a descriptor of /proc/PID: no more than 6 MiB, the most
 * that execve(2) allows, since a process may claim terabytes (PR_SET_MM_MAP of prctl(2)). Returns
 * *length bytes with a NUL behind them, for free(3), or NULL and errno. Not async-signal-safe. */
char *rp_environ_read(int directory, size_t *length);

#endif
