/* Which sockets hold a port, whose they are, and whether they share it. */
#ifndef RP_SOCKETS_H
#define RP_SOCKETS_H

#include "core/ports.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>

/* Numbers of the kernel that older headers lack; they are the same on every CPU. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

enum { RP_SOCKET_TEXT = 64 };

enum rp_answer { RP_UNKNOWN, RP_NO, RP_YES };

struct rp_owner {
    pid_t pid;
    int fd;
};

struct rp_socket {
    enum rp_proto proto;
    bool ipv6,
        ipv6_only;  /* ipv6_only: takes no IPv4 traffic (IPV6_V6ONLY); not known from /proc/net */
    unsigned state; /* RP_LISTEN of TCP sockets that listen; others as the kernel numbers them */
    struct rp_endpoint local, remote;
    uint32_t interface; /* bound to that one (SO_BINDTODEVICE), or 0 */
    uint32_t uid, inode;
    long queue, limit; /* connections waiting to be accepted, and how many may; -1: not known */
    uint32_t unread;   /* bytes in the receive queue of one that does not listen */
    struct rp_owner *owners; /* those that this process may see, lowest PID first */
    size_t owner_count;
    enum rp_answer shares;
};

struct rp_sockets {
    struct rp_socket *list;
    size_t count;
    int why_unknown; /* errno for which some option could not be read, or 0 */
};

/* What to look for: TCP sockets that listen or are bound, UDP sockets that are bound. */
struct rp_wanted {
    unsigned protos; /* of enum rp_proto, together */
    uint16_t port;   /* 0: any */
    unsigned states; /* bits of states of TCP sockets; 0: those that hold a port.
                        1 << RP_LISTEN costs the kernel least: then it passes over no connection */
};

/* Appends the sockets of this network namespace that are wanted, by NETLINK_SOCK_DIAG (sock_diag(7)), or
 * where that is not to be had from /proc/net. Exits with 125 if memory runs out. */
void rp_sockets_find(const struct rp_wanted *wanted, struct rp_sockets *sockets);

/* Finds the owners of all the sockets, and by way of them reads SO_REUSEPORT of each (pidfd_getfd(2)).
 * quickly: is content if each has one among the low descriptors of a process (owners.h), as a forked
 * worker has it, too; for machines with many connections. */
void rp_sockets_examine(struct rp_sockets *sockets, bool quickly);

/* The same of the owners alone. */
void rp_sockets_find_owners(struct rp_sockets *sockets);

/* Sorts by port and protocol, then by how the kernel would choose: an exact address before a wildcard,
 * IPv4 before dual-stack IPv6. */
void rp_sockets_sort(struct rp_sockets *sockets);

/* A duplicate of the socket, taken from that owner: of the same inode, or none. Close it at once. Returns
 * -1 and errno: EPERM, ESRCH, ENOSYS before Linux 5.6, EBADF if the owner has something else there now. */
int rp_socket_take(const struct rp_socket *socket, const struct rp_owner *owner);

/* The socket's address, port and protocol as in a list of ports, such as "[::1]:80/tcp". Returns text. */
const char *rp_socket_text(const struct rp_socket *socket, char text[RP_SOCKET_TEXT]);

void rp_sockets_free(struct rp_sockets *sockets);

#endif
