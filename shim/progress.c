/* Steps on stderr, and the clock of whoever waits for something that no event tells of. */
#include "progress.h"

#include "command.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

void rp_step(bool again, const char *format, ...) {
    char line[512];
    va_list arguments;
    const bool terminal = isatty(STDERR_FILENO);
    if (again && !terminal) return;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (terminal)
        fprintf(stderr, "\r\033[Kreuseport: %s", line);
    else
        rp_warn("%s", line);
}

void rp_steps_end(void) {
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
}

double rp_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void rp_tick(void) {
    poll(NULL, 0, RP_TICK);
}
