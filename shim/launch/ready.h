/* SPDX-License-Identifier: MIT */
/* When a new server counts as ready, as --ready has it. */
#ifndef RP_READY_H
#define RP_READY_H

enum rp_ready_by {
    RP_READY_LISTEN, /* it listens on all ports */
    RP_READY_NOTIFY, /* it has said READY=1, too (sd_notify(3)) */
    RP_READY_ANSWER, /* a command line, asked again and again, has ended with 0, too */
};

struct rp_ready {
    enum rp_ready_by by;
    const char *line; /* the command line of RP_READY_ANSWER, for sh */
};

#endif
