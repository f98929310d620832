/* Files of the kernel and of /etc read line by line, without stdio or allocation. All of it is
 * async-signal-safe and may change errno. */
#ifndef RP_LINES_H
#define RP_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rp_lines {
    int fd;
    size_t budget, start, end;
    char buffer[1024];
};

/* Opens path to read at most budget bytes of it; false if it cannot (open(2)). */
bool rp_lines_open(struct rp_lines *lines, const char *path, size_t budget);

/* The next line without its newline, good until the next call. NULL at the end, once the budget is
 * spent, or at a line that exceeds the buffer. */
char *rp_lines_next(struct rp_lines *lines);
void rp_lines_close(struct rp_lines *lines);

/* The number that text starts with, of so many digits at the most, base 10 or 16 in capitals. */
uint32_t rp_number(const char *text, unsigned base, int digits);

#endif
