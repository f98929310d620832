/* SPDX-License-Identifier: MIT */
/* Which process has a socket, by the links below /proc/PID/fd (proc(5)), and what process that is.
 * Async-signal-safe if visit is; may change errno. */
#ifndef RP_OWNERS_H
#define RP_OWNERS_H

#include "core/budget.h"
#include "core/lines.h"
#include "core/rare.h"

/* Told of each descriptor that is a socket; returns false to end the walk. */
typedef bool rp_owner_visit(void *context, int pid, int fd, uint32_t inode);

/* Descriptors of a process. Servers open their listeners early: most are among the low ones. */
struct rp_range {
    unsigned from, to; /* less than to */
};
enum { RP_LOW_DESCRIPTORS = 64 };

/* Visits the sockets of one process that this one may look into, lowest descriptor first, within
 * the budget. Returns false once the walk is to end. */
RP_RARE bool rp_owners_of(uint32_t pid, struct rp_range range, struct rp_budget *budget,
                          rp_owner_visit *visit, void *context);

/* Lists the processes that /proc shows, lowest PID first, the i-th at pids[i % most]. Returns how
 * many there are; if more than most, the highest are listed. */
RP_RARE unsigned rp_owners_list(uint32_t *pids, unsigned most);

/* The value behind "KEY:" in /proc/PID/status (proc(5)), good as long as *lines; NULL if there is
 * none. The kernel escapes names there, so that no process can forge a line. */
RP_RARE const char *rp_owner_status(struct rp_lines *lines, uint32_t pid, const char *key);

#endif
