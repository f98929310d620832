/* SPDX-License-Identifier: MIT */
/* What is under way to two servers, according to a look. Nothing here makes a system call; nothing
 * is async-signal-safe. */
#ifndef RP_TRAFFIC_H
#define RP_TRAFFIC_H

#include "look/groups.h"

/* The side's connections in accept queues, plus its unconnected sockets with unread datagrams. */
unsigned long rp_waiting(const struct rp_look *look, enum rp_side side);

/* Connections that the side's processes have, connected UDP sockets included. Requires a look at
 * RP_CONNECTED. */
unsigned long rp_connections(const struct rp_look *look, enum rp_side side);

/* Connections that no process can have: those that end by themselves (TIME_WAIT lasts a minute),
 * and those not yet accepted. Requires a look at RP_HOLDING. */
unsigned long rp_passing(const struct rp_look *look);

/* Compares two struct rp_socket by both ends, which tell a connection from others (qsort(3)). */
int rp_by_ends(const void *left, const void *right);

/* Stores, in the empty list, the connections to the groups that belong to no process yet:
 * handshakes under way, connections in accept queues, and those being accepted, as a process inside
 * accept(2) has no descriptor yet and may stay there for a while on a busy machine. Requires a look
 * at RP_CONNECTED and RP_SYN_RECEIVED. Exits with 125 if memory runs out. */
void rp_unsettled(const struct rp_groups *groups, const struct rp_look *look,
                  struct rp_sockets *unsettled);

/* How many of those still belong to no process. A handshake whose SYN-ACK has been sent again does
 * not count: its client does not answer, as a scanner's does not. Should it answer, it counts. */
unsigned long rp_still_unsettled(const struct rp_look *look, const struct rp_sockets *unsettled);

#endif
