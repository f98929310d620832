/* SPDX-License-Identifier: MIT */
/* Whether the preloaded library, or else seccomp, reaches what a command would run. */
#ifndef RP_PREFLIGHT_H
#define RP_PREFLIGHT_H

#include "launch/findings.h"

/* None of these is async-signal-safe. */

/* Finds the file of a command and follows scripts to the program that runs in the end, with regard
 * to this process's user (ld.so(8), "Secure-execution mode"). Opens regular files only; a program
 * that may be executed but not read counts as reached, unless its mode or capabilities tell
 * otherwise. Returns 0, or ENOENT or EACCES, or for a command with a slash any errno of stat(2),
 * with nothing found. */
int rp_preflight_examine(const char *command, struct rp_preflight *preflight);

/* Whether the preload is wanted and nothing found so far rules it out, so a library is needed. */
bool rp_preflight_needs_library(const struct rp_preflight *preflight, enum rp_method wanted);

/* The last step, once: holds the program against the library, or NULL if that does not matter.
 * Keeps the pointer. */
void rp_preflight_judge(struct rp_preflight *preflight, const struct rp_executable *library);

/* The first finding that rules the method out, or NULL. */
const struct rp_finding *rp_preflight_hindrance(const struct rp_preflight *preflight,
                                                enum rp_method method);

/* The method to use where wanted may be RP_AUTO: the preload unless it alone is ruled out. */
enum rp_method rp_preflight_method(const struct rp_preflight *preflight, enum rp_method wanted);

#endif
