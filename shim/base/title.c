/* SPDX-License-Identifier: MIT */
/* The kernel reads a command line from the memory where execve(2) put it. */
#include "base/title.h"

#include <string.h>
#include <sys/prctl.h>

static char *start;
static size_t room; /* bytes from there on */

void rp_title_init(int argc, char **argv) {
    if (argc < 1) return;
    start = argv[0];
    room = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) + 1 - start);
}

void rp_title_set(const char *title) {
    const size_t size = strlen(title) + 1;
    prctl(PR_SET_NAME, title);
    if (room < size) return;
    memset(start, 0, room);
    memcpy(start, title, size);
}
