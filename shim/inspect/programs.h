/* SPDX-License-Identifier: MIT */
/* The BPF programs that a process holds as descriptors. */
#ifndef RP_PROGRAMS_H
#define RP_PROGRAMS_H

#include "inspect/process.h"

/* The type of a program among the process's descriptors that can choose a member of a group:
 * "sk_reuseport" or "socket_filter" (bpf(2); proc(5), fdinfo); or NULL, also if they cannot be
 * read. Not async-signal-safe. */
const char *rp_process_program(const struct rp_process *process);

#endif
