/* SPDX-License-Identifier: MIT */
/* What run and replace do alike before they start a command: refuse what could not work. */
#ifndef RP_LAUNCH_H
#define RP_LAUNCH_H

#include "core/config.h"
#include "launch/preflight.h"

struct rp_launch {
    /* What is wanted. */
    const char *command;
    const char *list;      /* of ports, as given by -p; NULL: REUSEPORT_PORTS */
    const char *library;   /* as given by --library; NULL: to be found */
    enum rp_method wanted; /* RP_AUTO by default */
    bool quiet;            /* REUSEPORT_LOG=off */
    /* What was found. */
    enum rp_method method;   /* never RP_AUTO */
    struct rp_config config; /* the settings that seccomp goes by */
    struct rp_preflight preflight;
};

/* Makes sure of the settings, the command, and a method that reaches it, and sets the environment
 * that COMMAND inherits. Exits with 125 and one line if a setting or the library is wrong. Returns
 * 0, or the exit status 125, 126 or 127 after one line that says why COMMAND cannot be started.
 * Not async-signal-safe. */
int rp_launch_prepare(struct rp_launch *launch);

#endif
