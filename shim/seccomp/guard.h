/* SPDX-License-Identifier: MIT */
/* The guard: a process that keeps a watcher alive. */
#ifndef RP_GUARD_H
#define RP_GUARD_H

#include "core/config.h"

#include <sys/types.h>

/* Becomes the guard of a program, over that socket: to be called in a descendant of the process,
 * launcher, that will execute the program. Leaves its session, directory and descriptors, but for a
 * stderr that is a regular file, and blocks signals. For a byte, tries whether it may look into
 * that process, where the descriptor fd_there is taken, and sends 0 or an errno; for a byte with
 * the listener, sends one back and has it watched until no process with the filter is left. Ends at
 * once if the other end of the socket is closed before. */
void rp_guard_run(const struct rp_config *config, int socket, pid_t launcher, int fd_there)
    __attribute__((noreturn));

#endif
