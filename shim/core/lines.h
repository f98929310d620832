/* SPDX-License-Identifier: MIT */
/* Files of the kernel and of /etc read line by line, without stdio or allocation. All of it is
 * async-signal-safe and may change errno. */
#ifndef RP_LINES_H
#define RP_LINES_H

#include "core/rare.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rp_lines {
    int fd;
    size_t start, end;
    char buffer[1024];
};

/* Opens path. Returns false if it cannot (open(2)). */
RP_RARE bool rp_lines_open(struct rp_lines *lines, const char *path);

/* The next line without its newline, good until the next call. NULL at the end, or at a line that
 * exceeds the buffer. */
RP_RARE char *rp_lines_next(struct rp_lines *lines);
RP_RARE void rp_lines_close(struct rp_lines *lines);

/* The number that text starts with: of at most `digits` digits, base 10 or 16 in capitals. */
RP_RARE uint32_t rp_number(const char *text, unsigned base, int digits);

#endif
