/* The settings of the library, read from the environment once, at load: programs overwrite their
 * environment area later on (setproctitle). */
#ifndef RP_CONFIG_H
#define RP_CONFIG_H

#include "ports.h"

enum rp_log { RP_LOG_WARN, RP_LOG_OFF, RP_LOG_INFO };

struct rp_config {
    struct rp_ports ports; /* empty: the library is inert */
    bool at_socket, reuseaddr;
    enum rp_log log;
};

/* The settings, never NULL. Reads them if no constructor of ours has run yet, which is when another
 * library's constructor calls; from then on async-signal-safe. Keeps errno. */
const struct rp_config *rp_config(void);

#endif
