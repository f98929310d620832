/* The command: finds the subcommand that its first word names, and does nothing else. */
#include "base/die.h"
#include "base/title.h"
#include "command/command.h"
#include "core/version.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: reuseport SUBCOMMAND [OPTION]... [ARGUMENT]...\n"
    "Several copies of one server on one port, by SO_REUSEPORT, unmodified.\n"
    "\n"
    "  run COMMAND [ARG]...   start a command, or N copies of it, sharing ports\n"
    "  check [COMMAND]        say whether that can work, and by which method\n"
    "  list [PORT[/PROTO]]... show who holds a port and whether they share it\n"
    "  adopt PORT[/PROTO] [PID]  let others join a server that is already running\n"
    "  replace PID COMMAND... put a new server in the place of a running one\n"
    "  install-lib DIR        copy the library into DIR\n"
    "\n"
    "  -h, --help             this help; reuseport SUBCOMMAND --help for more\n"
    "  -V, --version          the version\n"
    "\n"
    "Exit status: 125 if reuseport itself fails, 126 if COMMAND cannot be run, 127 if\n"
    "it is not found; otherwise as the subcommand says.\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} subcommands[] = {
    {"run", rp_cmd_run},     {"check", rp_cmd_check},     {"list", rp_cmd_list},
    {"adopt", rp_cmd_adopt}, {"replace", rp_cmd_replace}, {"install-lib", rp_cmd_install_lib},
};

int main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "";
    rp_title_init(argc, argv);
    for (size_t i = 0; i < sizeof(subcommands) / sizeof(*subcommands); i++)
        if (!strcmp(word, subcommands[i].name)) return subcommands[i].run(argc - 1, argv + 1);
    if (!strcmp(word, "-h") || !strcmp(word, "--help"))
        return fputs(help, stdout) < 0 || fflush(stdout) ? RP_FAILED : 0;
    if (!strcmp(word, "-V") || !strcmp(word, "--version"))
        return puts("reuseport " RP_VERSION) < 0 || fflush(stdout) ? RP_FAILED : 0;
    if (*word) rp_die("no such subcommand: %s; see reuseport --help", word);
    rp_die("no subcommand given; see reuseport --help");
}
