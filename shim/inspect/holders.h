/* SPDX-License-Identifier: MIT */
/* Which processes hold a socket, by /proc/PID/fd, and taking a duplicate of it from them. */
#ifndef RP_HOLDERS_H
#define RP_HOLDERS_H

#include "inspect/sockets.h"
#include "inspect/tree.h"

/* Finds the owners of all sockets, among all processes that this one may look into: lowest PID
 * first, one descriptor of each. Sorts by inode. Exits with 125 if memory runs out. */
void rp_sockets_find_owners(struct rp_sockets *sockets);

/* Adds the owners among the members of a tree, or among processes that have just got their PIDs:
 * see rp_tree_has. Sorts by inode. Exits with 125 if memory runs out. */
void rp_sockets_find_members(struct rp_sockets *sockets, const struct rp_tree *tree);

/* Reads SO_REUSEPORT and what else only an owner's descriptor tells, unless that is known. Stores
 * why it cannot, an errno or RP_NO_OWNER, in *why_unknown. */
void rp_socket_read_option(struct rp_socket *socket, int *why_unknown);

/* Drops duplicates, finds owners, and reads SO_REUSEPORT of each socket through them. quickly:
 * looks first at the RP_LOW_DESCRIPTORS lowest descriptors of each process, where servers and their
 * forked workers have their listeners, and at the rest only if a socket has no owner there. */
void rp_sockets_examine(struct rp_sockets *sockets, bool quickly);

/* Whether the process that has the owner's PID now has the socket there. */
bool rp_owner_has(const struct rp_owner *owner, const struct rp_socket *socket);

/* Whether all processes known to hold the socket are stopped (state T of proc(5)); false if none
 * is known. */
bool rp_socket_is_stopped(const struct rp_socket *socket);

/* Duplicates the owner's descriptor (pidfd_getfd(2)), close-on-exec, and verifies its inode. Close
 * it at once, by rp_close_hurriedly if it may be connected. Returns -1 and errno: EPERM, ESRCH,
 * ENOSYS before Linux 5.6, EBADF if the owner now has something else there. */
int rp_socket_take(const struct rp_socket *socket, const struct rp_owner *owner);

#endif
