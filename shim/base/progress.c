/* SPDX-License-Identifier: MIT */
/* A terminal shows one line, overwritten at each step. */
#include "base/progress.h"

#include "base/die.h"

#include <stdarg.h>
#include <stdio.h>
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

void rp_steps_warn(const char *format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    rp_steps_end();
    rp_warn("%s", text);
}
