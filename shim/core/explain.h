/* SPDX-License-Identifier: MIT */
/* Why the kernel refused to bind a socket that was to share its port, or why it does not share. */
#ifndef RP_EXPLAIN_H
#define RP_EXPLAIN_H

#include "core/apply.h"
#include "core/rare.h"

/* Another process that binds, to which the refusal is explained. */
struct rp_binder {
    uint32_t pid;
    /* Whether it may see the process of that PID, so that it can be told of it. */
    bool (*may_see)(const void *context, uint32_t pid);
    const void *context;
};

/* Reports that a bind(2) of fd, which still has the options that it had then, found the port in
 * use: the first time in full, up to the tenth time in a few words, later not at all; *told counts
 * them for a process and starts at 0. The full one takes at most 5 ms of CPU time, for a program
 * may try one port after the other, and names what it could not find out by then. binder: who
 * binds, with SO_REUSEPORT whatever fd has, or NULL for this process. Nothing is looked for, nor
 * counted, where it could not be written. Async-signal-safe, keeps errno. */
RP_RARE void rp_explain_refusal(unsigned *told, int fd, const struct rp_binder *binder,
                                const struct rp_endpoint *where);

/* Reports that a socket has been bound, or created if where is NULL, without the option that it was
 * to have, and which call failed: once for a process, told being 0 until then. Returns whether it
 * did. Async-signal-safe; may change errno. */
RP_RARE bool rp_explain_failure(unsigned *told, int fd, const struct rp_endpoint *where,
                                const struct rp_failure *failure);

#endif
