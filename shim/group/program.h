/* SPDX-License-Identifier: MIT */
/* Classic BPF programs for a group (socket(7), SO_ATTACH_REUSEPORT_CBPF): each returns the
 * number of the member that receives (group/members.h). Nothing here makes a system call or is
 * async-signal-safe. */
#ifndef RP_PROGRAM_H
#define RP_PROGRAM_H

#include "core/config.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Packets from that IPv4 address, in host byte order, go to the member with that number. */
struct rp_exception {
    uint32_t address;
    unsigned number;
};

struct rp_choice {
    enum rp_proto proto;
    const bool *chosen; /* by number */
    size_t count;       /* of members; those that join later receive nothing */
    const struct rp_exception *exceptions;
    size_t exception_count;
};

/* Makes the program that sends what arrives to the chosen members: for TCP to one of them at
 * random, for UDP by a hash of the source, so that a flow stays where it is. Returns false if none
 * is chosen, or if the program would be too long for the kernel. Free program->filter with free(3).
 * Exits with 125 if memory runs out. */
bool rp_program_make(const struct rp_choice *choice, struct sock_fprog *program);

#endif
