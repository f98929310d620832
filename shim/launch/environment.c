/* SPDX-License-Identifier: MIT */
/* Reads and writes the environment that COMMAND inherits. */
#include "launch/environment.h"

#include "base/die.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void rp_set_variable(const char *name, const char *value) {
    if (setenv(name, value, 1)) rp_die("%s: %s", name, strerror(errno));
}

const char *rp_environment_list(const char *option) {
    const char *list = option ? option : getenv("REUSEPORT_PORTS");
    return list ? list : "";
}

struct rp_config rp_environment_read(const char *option) {
    struct rp_config config;
    struct rp_config_error error;
    if (!rp_config_read(&config, rp_environment_list(option), &error))
        rp_die("%s: \"%s\": %s",
               option && !strcmp(error.name, "REUSEPORT_PORTS") ? "-p" : error.name, error.value,
               error.wrong);
    return config;
}

/* Appends the entries of an LD_PRELOAD, separated by blanks and colons, except the library. */
static void append_others(char *to, const char *others, const char *library) {
    while (*others) {
        const size_t length = strcspn(others, ": ");
        if (length && (length != strlen(library) || memcmp(others, library, length) != 0)) {
            to = stpcpy(to, ":");
            memcpy(to, others, length);
            to += length;
            *to = '\0';
        }
        others += length + (others[length] != '\0');
    }
}

void rp_environment_preload(const char *library) {
    const char *others = getenv("LD_PRELOAD");
    if (!others) others = "";
    if (strpbrk(library, ": \t\n"))
        rp_die("the library %s: a path with a blank or a colon cannot be preloaded (ld.so(8)); "
               "copy it elsewhere with reuseport install-lib DIR",
               library);
    char *value = malloc(strlen(library) + strlen(others) + 2);
    if (!value) rp_die("%s", strerror(errno));
    append_others(stpcpy(value, library), others, library);
    rp_set_variable("LD_PRELOAD", value);
    free(value);
}
