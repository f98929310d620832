/* SPDX-License-Identifier: MIT */
/* What reuseport list prints about sockets, sorted by rp_sockets_sort() and with their owners. None
 * of it is async-signal-safe; all of it writes to stdout. */
#ifndef RP_COMMAND_LIST_H
#define RP_COMMAND_LIST_H

#include "inspect/holders.h"

/* "tcp" or "udp". */
const char *rp_proto_name(const struct rp_socket *socket);

/* The index behind the last socket of start's port and protocol. */
size_t rp_group_end(const struct rp_sockets *sockets, size_t start);

/* Prints a row for each socket. Exits with 125 if memory runs out. */
void rp_list_table(const struct rp_sockets *sockets);

/* Prints an array with an object for each socket; reuseport(1) describes the keys. */
void rp_list_json(const struct rp_sockets *sockets);

/* Prints a line for each finding, with the remedy. */
void rp_list_hints(const struct rp_sockets *sockets);

#endif
