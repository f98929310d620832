/* SPDX-License-Identifier: MIT */
/* Finds the file of the library and makes sure that it can be preloaded. */
#ifndef RP_FIND_LIBRARY_H
#define RP_FIND_LIBRARY_H

#include "launch/executable.h"

struct rp_library {
    char path[PATH_MAX]; /* absolute */
    struct rp_executable program;
};

/* Finds libreuseport.so: the file given, unless NULL; else beside the command, in ../lib from
 * there, or where it was installed. Exits with 125 and one line if there is none, or one that the
 * loader would refuse or that is of another version. Not async-signal-safe. */
void rp_find_library(const char *given, struct rp_library *library);

#endif
