/* Trying whether another socket could be bound beside one that is. */
#ifndef RP_PROBE_H
#define RP_PROBE_H

#include "sockets.h"

/* Whether a TCP socket of the same user as like, with SO_REUSEPORT and SO_REUSEADDR, would find its address in
 * use (bind(2), EADDRINUSE). False also where that cannot be tried. Changes the effective user meanwhile, so
 * the process is to have one thread; may change errno. */
bool rp_probe_in_use(const struct rp_socket *like);

#endif
