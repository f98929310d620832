/* The checks before a start, and the environment of what is started. */
#include "launch.h"

#include "command.h"
#include "cpus.h"
#include "library.h"
#include "reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct rp_config rp_launch_check_settings(bool by_option) {
    struct rp_config config;
    struct rp_config_error error;
    if (!rp_config_read(&config, &error))
        rp_die("%s: \"%s\": %s",
               by_option && !strcmp(error.name, "REUSEPORT_PORTS") ? "-p" : error.name, error.value,
               error.wrong);
    return config;
}

int rp_launch_prepare(const char *given, const char *command, char path[PATH_MAX]) {
    struct rp_library library;
    struct rp_reach reach;
    rp_library_find(given, &library);
    const int error = rp_find_command(command, path);
    if (error) {
        rp_warn("%s: %s", command, strerror(error));
        return error == ENOENT ? RP_NOT_FOUND : RP_CANNOT_RUN;
    }
    rp_reach_examine(path, &library.program, &reach);
    const char *hindrance = rp_reach_hindrance(&reach);
    if (hindrance) {
        rp_warn("%s", hindrance);
        return reach.error ? RP_CANNOT_RUN : RP_FAILED;
    }
    rp_library_preload(&library);
    return 0;
}

int rp_parse_copies(const char *text) {
    return strcmp(text, "auto") != 0 ? (int)rp_parse_number("-n", text, 1, 4096) : rp_usable_cpus();
}

const char *rp_parse_replaced(const char *text) {
    if (!*text) rp_die("-I: an empty string stands everywhere");
    return text;
}

void rp_set_variable(const char *name, const char *value) {
    if (setenv(name, value, 1)) rp_die("%s: %s", name, strerror(errno));
}
