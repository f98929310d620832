/* Why the kernel refused to bind a socket that was to share its port. */
#ifndef RP_EXPLAIN_H
#define RP_EXPLAIN_H

#include "ports.h"

/* Writes one line on who holds the port that a bind(2) found in use, once for each port and protocol
 * in a process. Reads at most 1 MiB of each table in /proc/net. Async-signal-safe, keeps errno. */
void rp_explain_refusal(const struct rp_endpoint *where, enum rp_proto proto);

#endif
