/* SPDX-License-Identifier: MIT */
/* What reuseport replace was asked for. */
#ifndef RP_REPLACE_OPTIONS_H
#define RP_REPLACE_OPTIONS_H

#include "handover/replacement.h"

struct rp_replace_options {
    struct rp_plan plan;
    const char *library, *ports, *output;
    enum rp_method method;
    bool foreground, dry_run, force_init;
    pid_t pid, to; /* to: the new server, if somebody else has started it; or 0 */
};

/* Reads the options, PID, and COMMAND. Exits with 125 after a line that names what is wrong, or
 * with 0 after --help or --version. Not async-signal-safe. */
void rp_parse_replace(int argc, char **argv, struct rp_replace_options *options);

#endif
