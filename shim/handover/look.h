/* One look at the ports that two servers share or contest: the sockets there, and whose they are.
 * */
#ifndef RP_LOOK_H
#define RP_LOOK_H

#include "inspect/sockets.h"
#include "inspect/tree.h"

/* Bits of the kernel's states of TCP sockets. RP_HOLDING: those in the way of a bind. */
enum {
    RP_LISTENING = 1 << 10,
    RP_SYN_RECEIVED = 1 << 3,
    RP_CONNECTED = 1 << 1 | 1 << 8, /* ESTABLISHED, CLOSE_WAIT */
    RP_HOLDING = 0xffe & ~RP_SYN_RECEIVED & ~RP_LISTENING,
};

/* A server: processes that were seen to descend from one of them, and whose sockets can be its own.
 * */
struct rp_server {
    struct rp_tree tree;
    uid_t users[4]; /* of the first process when it was planted, as in struct rp_status */
};

struct rp_servers {
    struct rp_server old, new; /* new: this process and what it starts; nothing before that */
};

enum rp_side {
    RP_OLD,
    RP_NEW,
    RP_OTHERS, /* some other process has it */
    RP_NOBODY, /* none has it that this process may look into, as in an accept queue */
    RP_SIDES
};

struct rp_look {
    struct rp_sockets of[RP_SIDES]; /* each sorted by inode; owners are known of the first two */
};

/* Makes the process with that PID a server. Returns false if there is none. Exits with 125 if
 * memory runs out, as all do that allocate here. */
bool rp_server_plant(struct rp_server *server, pid_t pid);

/* Whether a member of the server has the socket, and one whom its first process could be made it:
 * one of its users, or anybody if one of them is root. Root itself may have made it: servers bind,
 * and then change their user. */
bool rp_server_has(const struct rp_server *server, const struct rp_socket *socket);

/* Appends the listeners and UDP sockets that the server has on the ports that list shares, or on
 * all if it is empty; with owners. */
void rp_server_find(struct rp_server *server, const struct rp_ports *list, struct rp_sockets *held);

/* Whether the socket receives what arrives: a TCP listener or a UDP socket. */
bool rp_is_receiver(const struct rp_socket *socket);

/* Looks, anew if look is not all zero, at the ports and protocols of the sockets in like: at the
 * receivers, and at TCP sockets in those states. Reads descriptors of the two servers' processes
 * alone, and only if there is a socket that neither is known to have. Once for each socket without
 * a known owner it searches all processes: at once for a receiver that it has not seen before, else
 * when it sees the socket so a second time, as most are just being closed. */
void rp_look_again(struct rp_look *look, struct rp_servers *servers, const struct rp_sockets *like,
                   unsigned states);

void rp_look_free(struct rp_look *look);

#endif
