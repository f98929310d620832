/* Which process has a socket: the links below /proc/PID/fd (proc(5)). */
#ifndef RP_OWNERS_H
#define RP_OWNERS_H

#include <stdbool.h>
#include <stdint.h>

/* Told of each descriptor that is a socket; returns false to end the walk. */
typedef bool rp_owner_visit(void *context, int pid, int fd, uint32_t inode);

enum { RP_LOW_DESCRIPTORS = 64 };

/* Walks through the sockets of all processes that this one may look into, lowest PID first, of each
 * through the lowest descriptors, as many as most says, and gives up after a budget of processes and
 * descriptors taken together. Servers open their listeners early: among the RP_LOW_DESCRIPTORS lowest. Async-signal-safe if
 * visit is; may change errno. */
void rp_owners_walk(unsigned budget, unsigned most, rp_owner_visit *visit, void *context);

#endif
