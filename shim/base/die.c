/* SPDX-License-Identifier: MIT */
/* Builds messages on the stack, so that a line is one write. */
#include "base/die.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *rp_make_plain(char *text) {
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f) *at = '?';
    return text;
}

static void say(const char *format, va_list arguments) {
    char line[4096] = "reuseport: ";
    const size_t start = strlen(line);
    vsnprintf(line + start, sizeof(line) - start - 1, format, arguments);
    const size_t end = strlen(rp_make_plain(line));
    line[end] = '\n';
    if (write(STDERR_FILENO, line, end + 1) < 0) return;
}

void rp_warn(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void rp_die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    exit(RP_FAILED);
}
