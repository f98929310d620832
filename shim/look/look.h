/* SPDX-License-Identifier: MIT */
/* One look at the ports of two servers: the sockets there, and whose they are. None of these
 * functions but rp_is_receiver is async-signal-safe. */
#ifndef RP_LOOK_H
#define RP_LOOK_H

#include "inspect/sockets.h"
#include "inspect/tree.h"

/* Bits of the kernel's states of sockets. RP_HOLDING: those in the way of a bind. */
enum {
    RP_LISTENING = 1 << 10,
    RP_SYN_RECEIVED = 1 << 3,
    RP_CONNECTED = 1 << 1 | 1 << 8, /* ESTABLISHED, CLOSE_WAIT */
    RP_HOLDING = 0xffe & ~RP_SYN_RECEIVED & ~RP_LISTENING,
};

/* A server: the processes seen to descend from its first one, and the users it can act as. */
struct rp_server {
    struct rp_tree tree;
    uid_t users[4]; /* of the first process, as in struct rp_status */
};

struct rp_servers {
    struct rp_server old,
        new; /* new: this process and its descendants, empty before it starts any; with --to the
                process named there and its descendants */
};

enum rp_side {
    RP_OLD,
    RP_NEW,
    RP_OTHERS, /* another process has it */
    RP_NOBODY, /* no visible process has it, as in an accept queue */
    RP_SIDES
};

struct rp_look {
    struct rp_sockets of[RP_SIDES]; /* each sorted by inode */
    double next_search;             /* not before, by rp_now() */
};

/* Starts a server with the process that has that PID. Returns false if there is none. Like
 * everything here that allocates, exits with 125 if memory runs out. */
bool rp_server_plant(struct rp_server *server, pid_t pid);

/* Whether a process of the server has the socket, and a user that the server can act as created it:
 * one of its users, or any if root is among them; or root, as servers bind before they drop
 * privileges. */
bool rp_server_has(const struct rp_server *server, const struct rp_socket *socket);

/* Appends the server's listeners and UDP sockets, with owners, on the ports that list shares, or on
 * all ports if it is empty. */
void rp_server_find(struct rp_server *server, const struct rp_ports *list, struct rp_sockets *held);

/* Whether the socket receives what arrives from anybody: a TCP listener, or a UDP socket that is
 * not connected. */
bool rp_is_receiver(const struct rp_socket *socket);

/* Looks at the ports and protocols of the sockets in like: at receivers, and at other sockets in
 * those states; a connected UDP socket is ESTABLISHED. *look is all zero at first, then the
 * previous look. Reads the descriptors of the two servers' processes alone, and only if there is a
 * socket that neither is known to have. Searches all processes once for each socket whose owner
 * stays unknown, and spends no more than a fifth of the time on that. */
void rp_look_again(struct rp_look *look, struct rp_servers *servers, const struct rp_sockets *like,
                   unsigned states);

void rp_look_free(struct rp_look *look);

#endif
