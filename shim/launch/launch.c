/* The checks before a start, and the environment of what is started. */
#include "launch/launch.h"

#include "base/die.h"
#include "launch/find_library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rp_config rp_launch_check_settings(bool by_option) {
    struct rp_config config;
    struct rp_config_error error;
    if (!rp_config_read(&config, getenv("REUSEPORT_PORTS"), &error))
        rp_die("%s: \"%s\": %s",
               by_option && !strcmp(error.name, "REUSEPORT_PORTS") ? "-p" : error.name, error.value,
               error.wrong);
    return config;
}

int rp_launch_prepare(const char *given, const char *command, enum rp_method method,
                      struct rp_launch *launch) {
    static struct rp_library library;
    static struct rp_preflight reach;
    const int error = rp_find_command(command, launch->path);
    if (error) {
        rp_warn("%s: %s", command, strerror(error));
        return error == ENOENT ? RP_NOT_FOUND : RP_CANNOT_RUN;
    }
    rp_preflight_examine(launch->path, NULL, &reach);
    launch->method = rp_preflight_method(&reach, method);
    if (launch->method == RP_PRELOAD) { /* only then there need be a library */
        rp_find_library(given, &library);
        rp_preflight_examine(launch->path, &library.program, &reach);
        launch->method = rp_preflight_method(&reach, method);
    }
    const char *hindrance = rp_preflight_hindrance(&reach, launch->method);
    if (hindrance) {
        rp_warn("%s", hindrance);
        return reach.error ? RP_CANNOT_RUN : RP_FAILED;
    }
    const char *why = method == RP_AUTO ? rp_preflight_hindrance(&reach, RP_PRELOAD) : NULL;
    snprintf(launch->why, sizeof(launch->why), "%s", why ? why : "");
    if (launch->method == RP_PRELOAD) rp_preload_library(&library);
    return 0;
}

void rp_set_variable(const char *name, const char *value) {
    if (setenv(name, value, 1)) rp_die("%s: %s", name, strerror(errno));
}
