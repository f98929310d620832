/* SPDX-License-Identifier: MIT */
/* Who holds the address that a bind(2) found in use, as far as the kernel shows it and CPU time
 * allows. */
#ifndef RP_HOLDER_H
#define RP_HOLDER_H

#include "core/procnet.h"
#include "core/rare.h"

enum rp_kin { RP_STRANGER, RP_ONESELF, RP_DESCENDANT };

struct rp_holder {
    struct rp_net_socket socket; /* state 0: none found */
    uint32_t pid;                /* 0: not found */
    enum rp_kin kin;             /* what that process is to the one that binds */
    bool in_time;                /* false: the search was cut short, so something may be missing */
};

/* The process that binds: its number in /proc, also where that is mounted from another PID
 * namespace; 0 if unknown. */
uint32_t rp_own_pid(void);

/* Finds a socket in the way of `where`, then the process that has it. Of several sockets it prefers
 * one that is not a mere connection, then one of another user than the given one. The process is
 * searched for first in pid, the one that binds, then among the low descriptors of all, then among
 * the others. Takes at most the given CPU time, give or take a system call. Async-signal-safe, but
 * not reentrant; may change errno. */
RP_RARE void rp_holder_find(struct rp_holder *holder, const struct rp_endpoint *where,
                            enum rp_proto proto, uint32_t user, uint32_t pid,
                            uint32_t microseconds);

#endif
