/* SPDX-License-Identifier: MIT */
/* What the unit tests count: checks, and descriptors of this process. */
#ifndef UNITS_CHECK_H
#define UNITS_CHECK_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>

static unsigned checks, failures;

static inline void check(bool good, const char *what) {
    checks++;
    failures += !good;
    if (!good) printf("wrong: %s\n", what);
}

/* Always as many too many: the directory's own, and "." and "..". */
static inline int count_descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    int entries = 0;
    while (readdir(directory)) entries++;
    closedir(directory);
    return entries;
}

#endif
