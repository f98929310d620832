/* SPDX-License-Identifier: MIT */
/* Checks before a start. */
#include "launch/launch.h"

#include "base/die.h"
#include "launch/environment.h"
#include "launch/find_library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns the exit status for an errno of execve(2). */
static int status_of(int error) {
    return error == ENOENT ? RP_NOT_FOUND : RP_CANNOT_RUN;
}

/* Whether the shell has exported a function of that name, as bash does: then it is likely to be
 * what was meant. */
static bool is_shell_function(const char *command) {
    char name[128];
    const int length = snprintf(name, sizeof(name), "BASH_FUNC_%s%%%%", command);
    return length < (int)sizeof(name) && getenv(name);
}

int rp_launch_prepare(struct rp_launch *launch) {
    static struct rp_library library;
    struct rp_preflight *preflight = &launch->preflight;
    char text[RP_FINDING_TEXT];
    if (launch->quiet) rp_set_variable("REUSEPORT_LOG", "off");
    launch->config = rp_environment_read(launch->list);
    const int error = rp_preflight_examine(launch->command, preflight);
    if (error) {
        rp_warn("%s: %s%s", launch->command, strerror(error),
                error == ENOENT && is_shell_function(launch->command)
                    ? "; it is a shell function: use bash -c"
                    : "");
        return status_of(error);
    }
    const bool needs_library = rp_preflight_needs_library(preflight, launch->wanted);
    if (needs_library) rp_find_library(launch->library, &library);
    rp_preflight_judge(preflight, needs_library ? &library.program : NULL);
    launch->method = rp_preflight_method(preflight, launch->wanted);
    const struct rp_finding *hindrance = rp_preflight_hindrance(preflight, launch->method);
    if (hindrance) {
        rp_warn("%s", rp_finding_text(preflight, hindrance, text));
        return preflight->error ? RP_CANNOT_RUN : RP_FAILED;
    }
    if (launch->list) rp_set_variable("REUSEPORT_PORTS", launch->list);
    if (launch->method == RP_PRELOAD) rp_environment_preload(library.path);
    return 0;
}
