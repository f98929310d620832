/* Lines by raw system calls: libc's read is a cancellation point, and other preloads intercept it. */
#include "core/lines.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool rp_lines_open(struct rp_lines *lines, const char *path, size_t budget) {
    lines->fd =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    lines->budget = budget;
    lines->start = lines->end = 0;
    return lines->fd >= 0;
}

/* Moves what is left to the front and reads behind it. */
static bool refill(struct rp_lines *lines) {
    lines->end -= lines->start;
    memmove(lines->buffer, lines->buffer + lines->start, lines->end);
    lines->start = 0;
    const size_t room = sizeof(lines->buffer) - lines->end;
    const long got = syscall(SYS_read, lines->fd, lines->buffer + lines->end,
                             room < lines->budget ? room : lines->budget);
    lines->end += got > 0 ? (size_t)got : 0;
    lines->budget -= got > 0 ? (size_t)got : 0;
    return got > 0;
}

char *rp_lines_next(struct rp_lines *lines) {
    do {
        char *line = lines->buffer + lines->start;
        char *newline = memchr(line, '\n', lines->end - lines->start);
        if (newline) {
            *newline = '\0';
            lines->start = (size_t)(newline + 1 - lines->buffer);
            return line;
        }
    } while (refill(lines));
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
