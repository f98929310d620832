/* SPDX-License-Identifier: MIT */
/* The sockets that /proc/net shows (proc_net_tcp(5)). All of it is async-signal-safe and may change
 * errno. */
#ifndef RP_PROCNET_H
#define RP_PROCNET_H

#include "core/lines.h"
#include "core/ports.h"

enum { RP_LISTEN = 10 }; /* the kernel's TCP_LISTEN */

struct rp_net_socket {
    struct rp_endpoint local, remote;
    unsigned state;
    uint32_t uid;
    uint32_t queue;    /* of a listener: connections waiting to be accepted */
    uint32_t timeouts; /* of a handshake: how often its SYN-ACK has timed out */
    uint32_t inode;    /* 0: no process has it, as in TIME_WAIT */
};

/* The next socket in /proc/net/tcp, tcp6, udp or udp6; false after the last. */
RP_RARE bool rp_procnet_next(struct rp_lines *lines, struct rp_net_socket *socket);

/* Whether it is a TCP connection, or what is left of one: neither a listener nor a socket that is
 * merely bound, which sock_diag(7) shows in the state TCP_CLOSE since Linux 6.8. */
bool rp_is_connection(const struct rp_net_socket *socket, enum rp_proto proto);

#endif
