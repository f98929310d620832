/* SPDX-License-Identifier: MIT */
/* Reads options and arguments; whatever is not valid to the letter ends the command. */
#include "command/arguments.h"

#include "base/die.h"
#include "core/version.h"
#include "launch/cpus.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

enum rp_method rp_parse_method(const char *text) {
    static const char *const names[] = {
        [RP_AUTO] = "auto", [RP_PRELOAD] = "preload", [RP_SECCOMP] = "seccomp"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, names[i])) return (enum rp_method)i;
    rp_die("-m: \"%s\": not auto, preload or seccomp", text);
}

int rp_parse_copies(const char *text) {
    return strcmp(text, "auto") != 0 ? (int)rp_parse_number("-n", text, 1, 4096) : rp_usable_cpus();
}

const char *rp_parse_replaced(const char *text) {
    if (!*text) rp_die("-I: STRING must not be empty");
    return text;
}

struct rp_ready rp_parse_ready(const char *text) {
    if (!strcmp(text, "listen")) return (struct rp_ready){RP_READY_LISTEN, NULL};
    if (!strcmp(text, "notify")) return (struct rp_ready){RP_READY_NOTIFY, NULL};
    if (!text[strspn(text, " \t\n")]) rp_die("--ready: expected listen, notify or a command line");
    return (struct rp_ready){RP_READY_ANSWER, text};
}

struct rp_wanted rp_parse_port(const char *subcommand, const char *text) {
    struct rp_ports list;
    char bad[RP_ENTRY_SIZE];
    const char *wrong = rp_ports_parse(&list, text, bad);
    const struct rp_entry *entry = &list.entries[0];
    if (*text == '-') rp_die("%s: \"%s\": options come before PORT", subcommand, text);
    if (wrong) rp_die("%s: \"%s\": %s", subcommand, bad, wrong);
    if (list.count != 1 || entry->deny || !entry->any_address || entry->first != entry->last)
        rp_die("%s: \"%s\": not a single PORT or PORT/PROTO", subcommand, text);
    return (struct rp_wanted){entry->protos, entry->first, 0};
}

int rp_parse_signal(const char *what, const char *text, const char *expected) {
    static const struct {
        const char *name;
        int number;
    } signals[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT},   {"TERM", SIGTERM},
                   {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"WINCH", SIGWINCH}, {"KILL", SIGKILL}};
    const char *name = strncmp(text, "SIG", 3) ? text : text + 3;
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        if (!strcmp(name, signals[i].name)) return signals[i].number;
    if (*text >= '1' && *text <= '9') return (int)rp_parse_number(what, text, 1, SIGRTMAX);
    rp_die("%s: \"%s\": not %s", what, text, expected);
}
