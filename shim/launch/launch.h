/* What run and replace do alike before they start a command: refuse what could not work. */
#ifndef RP_LAUNCH_H
#define RP_LAUNCH_H

#include "core/config.h"
#include "launch/preflight.h"

#include <limits.h>

/* Reads REUSEPORT_* as the library will, and exits with 125 and its words if one of them is wrong.
 * by_option: REUSEPORT_PORTS was given as -p. */
struct rp_config rp_launch_check_settings(bool by_option);

/* What was found out about a start. */
struct rp_launch {
    char path[PATH_MAX];     /* the file to execute */
    enum rp_method method;   /* never RP_AUTO */
    struct rp_config config; /* by which seccomp goes */
    char why[2 * PATH_MAX +
             512]; /* why not the preload, where seccomp was chosen for that; else "" */
};

/* Makes sure of the command, and of the way to it by that method: for the preload of the library (given, or
 * found), and sets LD_PRELOAD. launch->config is set already. Returns 0, or the exit status 125, 126 or 127
 * after one line that says why. */
int rp_launch_prepare(const char *library, const char *command, enum rp_method method,
                      struct rp_launch *launch);

/* setenv(3), or exit with 125. */
void rp_set_variable(const char *name, const char *value);

#endif
