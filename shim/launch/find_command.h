/* SPDX-License-Identifier: MIT */
/* Which file a command is. */
#ifndef RP_FIND_COMMAND_H
#define RP_FIND_COMMAND_H

#include <limits.h>
#include <sys/stat.h>

/* Whether execve(2) would accept the file at path: a regular file with permission to execute it.
 * Returns 0 with *status set (stat(2)), EACCES, or any errno of stat(2). Async-signal-safe. */
int rp_try_file(const char *path, struct stat *status);

/* Finds the file that execvp(3) would run for a command. Returns 0 with path and *status set;
 * ENOENT or EACCES if PATH has none; for a command with a slash, whatever rp_try_file() returns.
 * Not async-signal-safe. */
int rp_find_command(const char *command, char path[PATH_MAX], struct stat *status);

#endif
