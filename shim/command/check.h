/* SPDX-License-Identifier: MIT */
/* What reuseport check says of a running process. */
#ifndef RP_COMMAND_CHECK_H
#define RP_COMMAND_CHECK_H

#include "launch/findings.h"

#include <sys/types.h>

/* Prints a line to stdout for each finding; library is the path of the one that is meant. Returns
 * whether the process shares its ports by the method. Exits with 125 if there is no such process,
 * or it ends meanwhile. Not async-signal-safe. */
bool rp_check_process(pid_t pid, const char *library, enum rp_method method);

#endif
