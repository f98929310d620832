/* The sockets of two servers on the same ports, and moving what arrives from the one to the other. */
#ifndef RP_HANDOVER_H
#define RP_HANDOVER_H

#include "inspect/sockets.h"

/* Sockets on one address, port and protocol: a group, as the kernel sees it. */
struct rp_group {
    struct rp_socket like; /* one of the old server's; its owners are not to be used */
    unsigned olds, news, others;
    unsigned first; /* number of the new server's first member, as it was when steering began */
    bool steered;
};

struct rp_handover {
    pid_t old, new; /* the old server, and the process below which the new one runs */
    struct rp_group *groups;
    size_t count;
};

/* Finds what the old server and its descendants hold of the ports that list shares, all if it is empty.
 * Appends the sockets to *held, with owners. Exits with 125 if memory runs out. */
void rp_handover_find(struct rp_handover *handover, const struct rp_ports *list,
                      struct rp_sockets *held);

/* Counts the members of each group anew. */
void rp_handover_count(struct rp_handover *handover);

/* Whether the new server has copies sockets in every group; or, if by_port, on every port. */
bool rp_handover_is_up(const struct rp_handover *handover, unsigned copies, bool by_port);

enum rp_way {
    RP_TO_NEW, /* to all sockets of the new server */
    RP_TO_FIRST, /* to its first, whose number stays good while the old server's sockets go one by one,
                    the last member taking the number of each, if the new server has no fewer than it */
    RP_TO_OLD    /* back to the old server's */
};

/* Sends what arrives that way in every group where the numbers of the members are known, as counted:
 * those of the old server come first, and nobody else is there. Returns an errno, or 0; group->steered
 * says where it was done. */
int rp_handover_steer(struct rp_handover *handover, enum rp_way way);

/* Takes the steering off all groups. */
void rp_handover_release(struct rp_handover *handover);

/* Whether one of the sockets that were held is there still, whoever has it now. */
bool rp_handover_still_holds(const struct rp_handover *handover, const struct rp_sockets *held);

/* Connections that wait in accept queues, and datagrams unread, of the old server or the new one. */
unsigned long rp_handover_waiting(const struct rp_handover *handover, bool of_new);

/* The connections on the ports that belong to no process yet: handshakes that have begun, and what waits to be
 * accepted or is being accepted. Free with rp_sockets_free. */
void rp_handover_unsettled(const struct rp_handover *handover, struct rp_sockets *unsettled);

/* How many of those still do; sorts before. */
unsigned long rp_handover_still_unsettled(const struct rp_handover *handover,
                                          struct rp_sockets *before);

/* Switches SO_REUSEPORT on or off in the old server's connections on the ports. Those accepted before its
 * listeners had the option lack it, and are in the way of a bind unless both servers set SO_REUSEADDR.
 * Returns in how many it stood otherwise. */
unsigned long rp_handover_share_connections(const struct rp_handover *handover, bool wanted);

/* Whether a TCP socket that the old server's user bound now, with SO_REUSEPORT and SO_REUSEADDR, would find
 * an address in use; it tries. False where it cannot. */
bool rp_handover_is_blocked(const struct rp_handover *handover);

/* How many connections on the ports no process has any more, or has yet: those that end by themselves
 * (TIME_WAIT lasts a minute), and those that still wait to be accepted. */
unsigned long rp_handover_passing(const struct rp_handover *handover);

/* The established connections that the old server, or the new one, has on the ports. */
unsigned long rp_handover_connections(const struct rp_handover *handover, bool of_new);

#endif
