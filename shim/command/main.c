/* SPDX-License-Identifier: MIT */
/* The command: calls the subcommand that its first word names. */
#include "base/die.h"
#include "base/title.h"
#include "command/command.h"
#include "core/version.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: reuseport SUBCOMMAND [OPTION]... [ARGUMENT]...\n"
    "Run several copies of an unmodified server on one port, by SO_REUSEPORT.\n"
    "\n"
    "  run COMMAND [ARG]...   start a command, or N copies of it, sharing ports\n"
    "  check [COMMAND|PID]    say whether that can work, and by which method\n"
    "  list [PORT[/PROTO]]... show who holds a port and whether they share it\n"
    "  adopt PORT[/PROTO] [PID]  let others join a server that is already running\n"
    "  replace PID COMMAND... put a new server in the place of a running one\n"
    "  install-lib DIR        copy the library into DIR\n"
    "  help [SUBCOMMAND]      print this help, or that of SUBCOMMAND\n"
    "\n"
    "  -h, --help             print this help\n"
    "  -V, --version          print the version\n"
    "\n"
    "Exit status: 125 if reuseport itself fails, 126 if COMMAND cannot be run, 127 if\n"
    "it is not found; otherwise as the subcommand says.\n";

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
} subcommands[] = {
    {"run", rp_cmd_run},     {"check", rp_cmd_check},     {"list", rp_cmd_list},
    {"adopt", rp_cmd_adopt}, {"replace", rp_cmd_replace}, {"install-lib", rp_cmd_install_lib},
};

static const struct subcommand *find(const char *word) {
    for (size_t i = 0; i < sizeof(subcommands) / sizeof(*subcommands); i++)
        if (!strcmp(word, subcommands[i].name)) return &subcommands[i];
    return NULL;
}

/* Prints a text to standard output. Returns the exit status. */
static int print(const char *text) {
    return fputs(text, stdout) < 0 || fflush(stdout) ? RP_FAILED : 0;
}

static bool is_help(const char *word) {
    return !strcmp(word, "help") || !strcmp(word, "-h") || !strcmp(word, "--help");
}

static bool is_version(const char *word) {
    return !strcmp(word, "-V") || !strcmp(word, "--version");
}

static int print_version(void) {
    return print("reuseport " RP_VERSION "\n");
}

/* reuseport help [SUBCOMMAND]. */
static int print_help(int argc, char **argv) {
    static char option[] = "--help";
    char *word = argc > 1 ? argv[1] : NULL;
    if (argc > 2) rp_die("help: expected one SUBCOMMAND; see reuseport --help");
    if (!word || is_help(word)) return print(help);
    if (is_version(word)) return print_version();
    const struct subcommand *subcommand = find(word);
    if (!subcommand) rp_die("help: no such subcommand: %s; see reuseport --help", word);
    return subcommand->run(2, (char *[]){word, option, NULL});
}

int main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "";
    const struct subcommand *subcommand = find(word);
    rp_title_init(argc, argv);
    if (subcommand) return subcommand->run(argc - 1, argv + 1);
    if (!strcmp(word, "help")) return print_help(argc - 1, argv + 1);
    if (is_help(word)) return print(help);
    if (is_version(word)) return print_version();
    if (*word) rp_die("no such subcommand: %s; see reuseport --help", word);
    rp_die("no subcommand given; see reuseport --help");
}
