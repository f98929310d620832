/* SPDX-License-Identifier: MIT */
/* Sockets as the kernel lists them on request (sock_diag(7)): those of one port alone, so that it
 * and not we pass over the machine's connections. */
#ifndef RP_DIAG_H
#define RP_DIAG_H

#include "core/procnet.h"
#include "core/rare.h"

typedef void rp_diag_visit(void *context, const struct rp_net_socket *socket);

/* Calls visit with the TCP or UDP sockets of that family (AF_INET, AF_INET6) on the port whose
 * state is in the mask, 1U << state. Returns false if the kernel does not tell. Async-signal-safe,
 * but not reentrant; may change errno. */
RP_RARE bool rp_diag_sockets(int family, enum rp_proto proto, uint16_t port, uint32_t states,
                             rp_diag_visit *visit, void *context);

#endif
