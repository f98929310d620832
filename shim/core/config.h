/* The settings of the library, read from the environment once, at load: programs overwrite their
 * environment area later on (setproctitle). */
#ifndef RP_CONFIG_H
#define RP_CONFIG_H

#include "core/ports.h"

enum rp_log { RP_LOG_WARN, RP_LOG_OFF, RP_LOG_INFO };

struct rp_config {
    struct rp_ports ports;    /* empty: the library is inert */
    int at_socket, reuseaddr; /* 0 or 1 */
    int log;                  /* of enum rp_log */
};

/* What is wrong with a variable, in words that follow its name and value. */
struct rp_config_error {
    const char *name, *wrong;
    char value[RP_ENTRY_SIZE]; /* cut short if long; of a list, the entry */
};

/* Reads the settings: list as REUSEPORT_PORTS (NULL or "": nothing to share), the others from the environment.
 * Returns false, with *error set and nothing to share, if one of them is wrong. Not async-signal-safe, since
 * getenv(3) is not. */
bool rp_config_read(struct rp_config *config, const char *list, struct rp_config_error *error);

/* The settings of this process, never NULL. Reads them if no constructor of ours has run yet, which is
 * when another library's constructor calls; from then on async-signal-safe. Keeps errno. */
const struct rp_config *rp_config(void);

#endif
