/* Which process has a socket: the links below /proc/PID/fd (proc(5)). */
#ifndef RP_OWNERS_H
#define RP_OWNERS_H

#include <stdbool.h>
#include <stdint.h>

/* Told of each descriptor that is a socket; returns false to end the walk. */
typedef bool rp_owner_visit(void *context, int pid, int fd, uint32_t inode);

/* Walks through the sockets of all processes that this one may look into, lowest PID first, and gives up
 * after a budget of processes and descriptors taken together. Async-signal-safe if
 * visit is; may change errno. */
void rp_owners_walk(unsigned budget, rp_owner_visit *visit, void *context);

#endif
