/* What run and replace do alike before they start a command: refuse what could not work. */
#ifndef RP_LAUNCH_H
#define RP_LAUNCH_H

#include "config.h"

#include <limits.h>

/* Reads REUSEPORT_* as the library will, and exits with 125 and its words if one of them is wrong.
 * by_option: REUSEPORT_PORTS was given as -p. */
struct rp_config rp_launch_check_settings(bool by_option);

/* Makes sure of the library (given, or found), of the command and of the way between them, sets
 * LD_PRELOAD, and puts the file to execute into path. Returns 0, or the exit status 125, 126 or 127 after
 * one line that says why. */
int rp_launch_prepare(const char *library, const char *command, char path[PATH_MAX]);

/* A number of copies, or "auto"; exits with 125 if it is neither. */
int rp_parse_copies(const char *text);

/* The string of -I; exits with 125 if it is empty. */
const char *rp_parse_replaced(const char *text);

/* setenv(3), or exit with 125. */
void rp_set_variable(const char *name, const char *value);

#endif
