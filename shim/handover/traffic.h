/* What is under way to two servers, as a look tells. Nothing here makes a system call, or allocates
 * but where it is said. */
#ifndef RP_TRAFFIC_H
#define RP_TRAFFIC_H

#include "handover/groups.h"

/* Connections that wait in accept queues, and sockets with unread datagrams, of that side. */
unsigned long rp_waiting(const struct rp_look *look, enum rp_side side);

/* Connections that processes of that side have. Looks for RP_CONNECTED. */
unsigned long rp_connections(const struct rp_look *look, enum rp_side side);

/* Connections that no process can have: those that end by themselves (TIME_WAIT lasts a minute),
 * and those that wait to be accepted. Looks for RP_HOLDING. */
unsigned long rp_passing(const struct rp_look *look);

/* Stores the connections to the groups that belong to no process yet: handshakes that have begun,
 * what waits to be accepted, and what is being accepted: a process in the midst of accept(2) has no
 * descriptor yet, and may be kept waiting there on a busy machine. Looks for RP_CONNECTED and
 * RP_SYN_RECEIVED. *unsettled is empty at first; exits with 125 if memory runs out. */
void rp_unsettled(const struct rp_groups *groups, const struct rp_look *look,
                  struct rp_sockets *unsettled);

/* How many of those still belong to no process. */
unsigned long rp_still_unsettled(const struct rp_look *look, const struct rp_sockets *unsettled);

#endif
