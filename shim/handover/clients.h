/* SPDX-License-Identifier: MIT */
/* A server's own UDP clients, such as its resolver's sockets, which look like servers. */
#ifndef RP_CLIENTS_H
#define RP_CLIENTS_H

#include "inspect/sockets.h"

/* Drops from a list sorted by port the UDP sockets on ports that the kernel gives out by itself:
 * those in net.ipv4.ip_local_port_range that net.ipv4.ip_local_reserved_ports does not name
 * (ip(7)). Names their ports in one line. Returns how many it dropped. Not async-signal-safe. */
size_t rp_clients_leave_out(struct rp_sockets *sockets);

#endif
