/* SPDX-License-Identifier: MIT */
/* The settings of the library: the list of ports and the REUSEPORT_* variables beside it. */
#ifndef RP_CONFIG_H
#define RP_CONFIG_H

#include "core/ports.h"
#include "core/rare.h"

enum rp_log { RP_LOG_WARN, RP_LOG_OFF, RP_LOG_INFO };

struct rp_config {
    struct rp_ports ports;    /* empty: the library is inert */
    int at_socket, reuseaddr; /* 0 or 1 */
    int log;                  /* of enum rp_log */
};

/* What is wrong with a variable, in words that follow its name and value. */
struct rp_config_error {
    const char *name, *wrong;
    char value[RP_ENTRY_SIZE]; /* truncated if long; of a list, the entry */
};

/* Reads the settings: list as REUSEPORT_PORTS (NULL or "": nothing to share), the others from the
 * environment. Returns false, with *error set and nothing to share, if one of them is wrong. As
 * safe as getenv(3): no other thread may change the environment meanwhile. */
RP_RARE bool rp_config_read(struct rp_config *config, const char *list,
                            struct rp_config_error *error);

#endif
