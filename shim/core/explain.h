/* Why the kernel refused to bind a socket that was to share its port. */
#ifndef RP_EXPLAIN_H
#define RP_EXPLAIN_H

#include "core/ports.h"

/* Writes one line on who holds the port that a bind(2) of fd found in use, once for each port and
 * protocol in a process. asked: whether the socket had SO_REUSEPORT. Gives up quietly after 4 MiB of each
 * table in /proc/net, some 28 000 sockets, and of /etc/passwd, and after 10 000 processes and low
 * descriptors (owners.h) in /proc. Async-signal-safe, keeps errno. */
void rp_explain_refusal(int fd, const struct rp_endpoint *where, enum rp_proto proto, bool asked);

#endif
