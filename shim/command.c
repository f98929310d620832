/* Messages and options in the way that all subcommands have them. */
#include "command.h"

#include "version.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *format, va_list arguments) {
    char line[4096] = "reuseport: ";
    const size_t start = strlen(line);
    const int length = vsnprintf(line + start, sizeof(line) - start - 1, format, arguments);
    size_t end = start + (length > 0 ? (size_t)length : 0);
    if (end > sizeof(line) - 2) end = sizeof(line) - 2;
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

int rp_next_option(int argc, char **argv, const char *options, const struct option *long_options,
                   const char *help) {
    const int index = optind ? optind : 1;
    opterr = 0;
    const int option = getopt_long(argc, argv, options, long_options, NULL);
    switch (option) {
    case 'h':
        fputs(help, stdout);
        exit(fflush(stdout) ? RP_FAILED : 0);
    case 'V':
        puts("reuseport " RP_VERSION);
        exit(fflush(stdout) ? RP_FAILED : 0);
    case ':':
        rp_die("%s: %s needs a value; see reuseport %s --help", argv[0], argv[optind - 1], argv[0]);
    case '?':
        if (optopt && strncmp(argv[index], "--", 2) != 0)
            rp_die("%s: no such option: -%c; see reuseport %s --help", argv[0], optopt, argv[0]);
        rp_die("%s: no such option: %s; see reuseport %s --help", argv[0], argv[index], argv[0]);
    default:
        return option;
    }
}

long rp_parse_number(const char *what, const char *text, long least, long most) {
    char *end;
    errno = 0;
    const long value = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < least || value > most)
        rp_die("%s: \"%s\": not a number from %ld to %ld", what, text, least, most);
    return value;
}
