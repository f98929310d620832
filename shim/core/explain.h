/* SPDX-License-Identifier: MIT */
/* Why the kernel refused to bind a socket that was to share its port. */
#ifndef RP_EXPLAIN_H
#define RP_EXPLAIN_H

#include "core/ports.h"
#include "core/rare.h"

/* Reports that a bind(2) of fd, which still has the options that it had then, found the port in
 * use: the first time in full, up to the tenth time in a few words, later not at all; *told counts
 * them for a process and starts at 0. The full one takes at most 5 ms of CPU time, for a program
 * may try one port after the other, and names what it could not find out by then. pid: the process
 * that binds, whose socket is taken to have SO_REUSEPORT, or 0 for this one. Nothing is looked for, nor counted, where it could not be written.
 * Async-signal-safe, keeps errno. */
RP_RARE void rp_explain_refusal(unsigned *told, int fd, uint32_t pid,
                                const struct rp_endpoint *where);

#endif
