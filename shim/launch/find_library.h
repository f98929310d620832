/* The file of the library, for a command that is to load it into others. */
#ifndef RP_FIND_LIBRARY_H
#define RP_FIND_LIBRARY_H

#include "launch/executable.h"

struct rp_library {
    char path[PATH_MAX]; /* absolute */
    struct rp_executable program;
};

/* Finds libreuseport.so: given, if not NULL; else beside the command, in ../lib from there, or in the
 * directory it was installed to. Exits with 125 and one line if there is none, or one that could not be
 * preloaded: of another version, or broken. */
void rp_find_library(const char *given, struct rp_library *library);

/* Makes LD_PRELOAD begin with the library, once. Exits with 125 and one line if the loader cannot load
 * it, also for a blank or a colon in its path (ld.so(8)). */
void rp_preload_library(const struct rp_library *library);

#endif
