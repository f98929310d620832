/* SPDX-License-Identifier: MIT */
/* Which sockets hold a port: TCP listeners, UDP sockets, TCP sockets that are merely bound; on
 * request TCP connections. */
#ifndef RP_SOCKETS_H
#define RP_SOCKETS_H

#include "core/ports.h"
#include "inspect/process.h"

#include <stddef.h>
#include <sys/types.h>

enum { RP_SOCKET_TEXT = 64 };

/* The kernel's TCP_ESTABLISHED, also the state of connected UDP sockets. */
enum { RP_ESTABLISHED = 1 };

enum rp_answer { RP_UNKNOWN, RP_NO, RP_YES };

struct rp_owner {
    struct rp_process process;
    int fd;
};

struct rp_socket {
    enum rp_proto proto;
    bool ipv6, searched; /* searched: for owners, among all visible processes */
    bool repeated;       /* a handshake: its SYN-ACK has been sent again */
    bool ipv6_only;      /* IPV6_V6ONLY; from /proc/net only once the option is read, too */
    unsigned char mptcp; /* of enum rp_answer; known only once the option is read */
    unsigned state;      /* RP_LISTEN for TCP listeners; others as the kernel numbers them */
    struct rp_endpoint local, remote;
    uint32_t interface; /* index of the one it is bound to (SO_BINDTODEVICE), or 0; from /proc/net
                           only once the option is read */
    uint32_t uid,
        inode;         /* inode: 0 if no process can have it, as in an accept queue or TIME_WAIT */
    uint32_t position; /* in the kernel's dump: see rp_members_order */
    long queue, limit; /* a listener's accept queue and its limit, in connections; -1: unknown */
    uint32_t unread;   /* bytes in the receive queue of any other socket */
    enum rp_answer shares;
    struct rp_owner *owners; /* see inspect/holders.h */
    size_t owner_count;
};

enum { RP_NO_OWNER = -1 };

struct rp_sockets {
    struct rp_socket *list;
    size_t count;
    int why_unknown; /* errno of the last option that could not be read, or 0; RP_NO_OWNER: no owner
                        of its socket is visible */
};

struct rp_wanted {
    unsigned protos; /* of enum rp_proto, or-ed */
    uint16_t port;   /* 0: any */
    unsigned states; /* bits of states of TCP sockets; UDP sockets come with them, connected ones
                        with 1 << RP_ESTABLISHED. 1 << RP_LISTEN is cheapest: the kernel then skips
                        the connections. 0: all that hold a port by bind: TCP listeners, UDP
                        sockets, and since Linux 6.8 TCP sockets that are merely bound */
};

/* Appends the wanted sockets of this network namespace, without owners: by NETLINK_SOCK_DIAG
 * (sock_diag(7)) or, where that is missing, from /proc/net. Exits with 125 if memory runs out. */
void rp_sockets_find(const struct rp_wanted *wanted, struct rp_sockets *sockets);

/* The same for AF_INET or AF_INET6 alone, which halves the cost; 0: both. */
void rp_sockets_find_family(const struct rp_wanted *wanted, int family, struct rp_sockets *sockets);

/* Appends the sockets in those states, as in struct rp_wanted, on the ports and of the protocols of
 * those in like, each port once. */
void rp_sockets_find_on_ports(const struct rp_sockets *like, unsigned states,
                              struct rp_sockets *found);

/* Appends a copy, which takes over the owners. Exits with 125 if memory runs out. */
void rp_sockets_add(struct rp_sockets *sockets, const struct rp_socket *socket);

/* The inodes of all, in the same order; free(3) them. Exits with 125 if memory runs out. */
uint32_t *rp_sockets_inodes(const struct rp_sockets *sockets);

/* Sorts by inode, for rp_sockets_get. */
void rp_sockets_index(struct rp_sockets *sockets);

/* The socket of that inode in a list sorted by inode, or NULL; NULL for 0. */
struct rp_socket *rp_sockets_get(const struct rp_sockets *sockets, uint32_t inode);

/* Sorts by port and protocol, then by the kernel's preference: exact addresses before wildcards,
 * IPv4 before dual-stack IPv6. Sockets of one address stand together, by interface. */
void rp_sockets_sort(struct rp_sockets *sockets);

/* Sets the answer for TCP listeners whose option could not be read, but that stand on the very
 * address, port and interface of another listener: the kernel allows that to sharers only. */
void rp_sockets_infer(struct rp_sockets *sockets);

/* The socket's address, port and protocol as in a list of ports, such as "[::1]:80/tcp". Returns
 * text. */
const char *rp_socket_text(const struct rp_socket *socket, char text[RP_SOCKET_TEXT]);

void rp_sockets_free(struct rp_sockets *sockets);

#endif
