/* SPDX-License-Identifier: MIT */
/* Lines by raw system calls: libc's read is a cancellation point, and other preloads intercept
 * it. */
#include "core/lines.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool rp_lines_open(struct rp_lines *lines, const char *path) {
    lines->fd =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    lines->start = lines->end = 0;
    return lines->fd >= 0;
}

/* Moves what is left to the front, where *at is then, too, and reads behind it. */
static bool refill(struct rp_lines *lines, size_t *at) {
    lines->end -= lines->start;
    *at -= lines->start;
    memmove(lines->buffer, lines->buffer + lines->start, lines->end);
    lines->start = 0;
    const long got = syscall(SYS_read, lines->fd, lines->buffer + lines->end,
                             sizeof(lines->buffer) - lines->end);
    if (got <= 0) return false;
    lines->end += (size_t)got;
    return true;
}

char *rp_lines_next(struct rp_lines *lines) {
    size_t at = lines->start;
    while (at < lines->end || refill(lines, &at)) {
        if (lines->buffer[at++] != '\n') continue;
        char *line = lines->buffer + lines->start;
        lines->buffer[at - 1] = '\0';
        lines->start = at;
        return line;
    }
    return NULL;
}

void rp_lines_close(struct rp_lines *lines) {
    syscall(SYS_close, lines->fd);
}

uint32_t rp_number(const char *text, unsigned base, int digits) {
    uint32_t value = 0;
    for (; digits; digits--, text++) {
        const bool decimal = *text >= '0' && *text <= '9';
        if (!decimal && (base == 10 || *text < 'A' || *text > 'F')) break;
        value = value * base + (uint32_t)(decimal ? *text - '0' : *text - 'A' + 10);
    }
    return value;
}
