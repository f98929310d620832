/* SPDX-License-Identifier: MIT */
/* Reading REUSEPORT_* from the environment. Either all of it is valid, or nothing is shared. */
#include "core/config.h"

#include <stdlib.h>

static bool refuse(struct rp_config_error *error, const char *name, const char *value,
                   const char *wrong) {
    size_t length = 0;
    for (; *value && length < RP_ENTRY_SIZE - 1; value++) error->value[length++] = *value;
    error->value[length] = '\0';
    error->name = name;
    error->wrong = wrong;
    return false;
}

enum { WORDS = 3 };

/* Sets *choice to the index of the variable's value among the words; to 0 if it is unset, empty or
 * wrong. */
static bool choose(const char *name, const char *const words[WORDS], const char *wrong, int *choice,
                   struct rp_config_error *error) {
    const char *value = getenv(name);
    *choice = 0;
    if (!value || !*value) return true;
    for (int i = 0; i < WORDS && words[i]; i++) {
        size_t length = 0;
        while (value[length] && value[length] == words[i][length]) length++;
        if (value[length] != words[i][length]) continue;
        *choice = i;
        return true;
    }
    return refuse(error, name, value, wrong);
}

static bool read_list(struct rp_config *config, const char *list, struct rp_config_error *error) {
    error->name = "REUSEPORT_PORTS";
    error->wrong = list && *list ? rp_ports_parse(&config->ports, list, error->value) : NULL;
    if (error->wrong || !config->at_socket || config->ports.all_tcp) return !error->wrong;
    config->ports.count = 0;
    return refuse(error, "REUSEPORT_AT", "socket", "needs all or all/tcp in REUSEPORT_PORTS");
}

bool rp_config_read(struct rp_config *config, const char *list, struct rp_config_error *error) {
    static const char *const logs[WORDS] = {"warn", "off", "info"};
    static const char *const moments[WORDS] = {"bind", "socket"};
    static const char *const switches[WORDS] = {"0", "1"};
    config->ports.count = 0;
    config->ports.all_tcp = false;
    return choose("REUSEPORT_LOG", logs, "not off, warn or info", &config->log, error) &&
           choose("REUSEPORT_AT", moments, "not bind or socket", &config->at_socket, error) &&
           choose("REUSEPORT_REUSEADDR", switches, "not 0 or 1", &config->reuseaddr, error) &&
           read_list(config, list, error);
}
