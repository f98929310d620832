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

/* One more than there are, always: its own is among them. */
static inline int count_descriptors(void) {
    DIR *fds = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(fds)) count++;
    closedir(fds);
    return count;
}

#endif
