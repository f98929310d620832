/* SPDX-License-Identifier: MIT */
/* The environment of what is started: LD_PRELOAD and REUSEPORT_*. */
#ifndef RP_ENVIRONMENT_H
#define RP_ENVIRONMENT_H

#include "core/config.h"

/* None of these is async-signal-safe. */

/* Sets a variable; exits with 125 if memory runs out (setenv(3)). */
void rp_set_variable(const char *name, const char *value);

/* The list of ports: that of -p, or if it is NULL that of REUSEPORT_PORTS; "" if there is none. */
const char *rp_environment_list(const char *option);

/* Reads the settings as the library will, with the list of -p, or NULL, instead of REUSEPORT_PORTS.
 * Exits with 125 and one line, in the library's words, if one is wrong. */
struct rp_config rp_environment_read(const char *option);

/* Puts the library first in LD_PRELOAD, once. Exits with 125 and one line if its path has a blank
 * or colon, at which the loader would split it (ld.so(8)). */
void rp_environment_preload(const char *library);

#endif
