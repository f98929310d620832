/* SPDX-License-Identifier: MIT */
/* The kernel reads a command line from the memory where execve(2) put it. */
#include "base/title.h"

#include <string.h>
#include <sys/prctl.h>

static char *start, *end;

void rp_title_init(int argc, char **argv) {
    if (argc < 1) return;
    start = argv[0];
    end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
}

void rp_title_set(const char *title) {
    const size_t size = strlen(title) + 1;
    prctl(PR_SET_NAME, title);
    if (end <= start || (size_t)(end - start) <= size) return;
    memset(start, 0, (size_t)(end - start));
    memcpy(start, title, size);
}
