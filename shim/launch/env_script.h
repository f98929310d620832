/* SPDX-License-Identifier: MIT */
/* Scripts that env(1) runs. */
#ifndef RP_ENV_SCRIPT_H
#define RP_ENV_SCRIPT_H

#include "launch/findings.h"

/* Returns the command that env(1) runs when the kernel gives it this argument, the rest of a
 * script's first line, or NULL if it would run none. Adds findings where env takes LD_PRELOAD away.
 * The result points into the argument, which is cut up.
 * Not async-signal-safe. */
const char *rp_env_command(struct rp_preflight *preflight, char *argument);

#endif
