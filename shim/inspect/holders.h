/* Which processes hold a socket, by /proc/PID/fd, and what a duplicate of their descriptor tells of
 * it. */
#ifndef RP_HOLDERS_H
#define RP_HOLDERS_H

#include "inspect/sockets.h"
#include "inspect/tree.h"

#include <sys/syscall.h>

/* The same on every CPU; older headers lack them. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* Finds the owners of all sockets anew, among all processes that this one may look into, lowest PID
 * first, one descriptor of each. Sorts by inode. Exits with 125 if memory runs out. */
void rp_sockets_find_owners(struct rp_sockets *sockets);

/* Adds the owners among the members of a tree, and perhaps one that has just got a member's PID:
 * see rp_tree_has. Sorts by inode. Exits with 125 if memory runs out. */
void rp_sockets_find_members(struct rp_sockets *sockets, const struct rp_tree *tree);

/* Drops sockets found twice, finds the owners, and by way of them reads SO_REUSEPORT of each.
 * quickly: is content if each has an owner among the RP_LOW_DESCRIPTORS lowest descriptors of a
 * process, as a forked worker has it, too; for machines with many connections. */
void rp_sockets_examine(struct rp_sockets *sockets, bool quickly);

/* Whether the owner still has the socket, by its inode. */
bool rp_owner_has(const struct rp_owner *owner, const struct rp_socket *socket);

/* Duplicates the socket from that owner (pidfd_getfd(2)), close-on-exec; the inode is the socket's,
 * or it fails. Close it at once. Returns -1 and errno: EPERM, ESRCH, ENOSYS before Linux 5.6, EBADF
 * if the owner has something else there now. */
int rp_socket_take(const struct rp_socket *socket, const struct rp_owner *owner);

#endif
