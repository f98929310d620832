/* SPDX-License-Identifier: MIT */
/* The command line of reuseport replace. */
#include "command/replace_options.h"

#include "base/die.h"
#include "command/arguments.h"
#include "handover/transfer.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: reuseport replace [OPTION]... PID [--] COMMAND [ARG]...\n"
    "       reuseport replace [OPTION]... PID --to=PID2\n"
    "Start COMMAND on the ports of PID and its descendants, send new connections to\n"
    "it alone, wait until PID has none left to accept, and signal PID. If COMMAND\n"
    "does not come up, PID serves as before.\n"
    "\n"
    "      --to=PID2          hand over to this server, which is already running\n"
    "  -p, --ports=LIST       only those of PID's ports that are in LIST\n"
    "  -n, --copies=N|auto    start N copies of COMMAND, as run does\n"
    "  -I STRING              replace STRING in the ARGs by the copy's number\n"
    "  -m, --method=METHOD    how COMMAND shares its ports, as for run\n"
    "  -s, --signal=SIGNAL    send PID this signal at the end (default TERM)\n"
    "      --drain=SECONDS    wait for PID's connections to end (default 10)\n"
    "      --ready=listen|notify|COMMAND-LINE  COMMAND is ready when it listens\n"
    "                         (default), has also said READY=1 (sd_notify(3)), or\n"
    "                         COMMAND-LINE ends with 0\n"
    "      --start-timeout=SECONDS  wait for COMMAND to be ready (default 30)\n"
    "      --stop-timeout=SECONDS  wait for PID to end (default 30)\n"
    "      --kill             after --stop-timeout, send PID KILL\n"
    "      --strict           refuse or undo if a connection could be lost\n"
    "      --allow-uncovered  accept a COMMAND that listens on fewer addresses\n"
    "      --no-steer         leave it to the kernel which server gets a connection\n"
    "      --dry-run          make all checks, say what would be done, change nothing\n"
    "      --force-init       replace PID even if its container or unit ends with it\n"
    "      --foreground       stay, pass on signals, and end when the new server does\n"
    "      --output=FILE      append COMMAND's output and errors to FILE\n"
    "      --library=FILE     use this library (default: as for run)\n"
    "  -h, --help             this help\n"
    "  -V, --version          the version\n"
    "\n"
    "Exit status: 0 if PID has been replaced, 125 if not: PID then serves as before,\n"
    "or has been signalled but did not end in time; 126 if COMMAND cannot be run,\n"
    "127 if it is not found; with --foreground that of the new server.\n";

enum {
    DRAIN = 256,
    START,
    STOP,
    READY,
    KILL,
    STRICT,
    UNCOVERED,
    NO_STEER,
    DRY_RUN,
    FORCE_INIT,
    FOREGROUND,
    LIBRARY,
    OUTPUT,
    TO
};
static const struct option long_options[] = {
    {"ports", required_argument, NULL, 'p'},
    {"copies", required_argument, NULL, 'n'},
    {"method", required_argument, NULL, 'm'},
    {"signal", required_argument, NULL, 's'},
    {"drain", required_argument, NULL, DRAIN},
    {"start-timeout", required_argument, NULL, START},
    {"stop-timeout", required_argument, NULL, STOP},
    {"ready", required_argument, NULL, READY},
    {"kill", no_argument, NULL, KILL},
    {"strict", no_argument, NULL, STRICT},
    {"allow-uncovered", no_argument, NULL, UNCOVERED},
    {"no-steer", no_argument, NULL, NO_STEER},
    {"dry-run", no_argument, NULL, DRY_RUN},
    {"force-init", no_argument, NULL, FORCE_INIT},
    {"foreground", no_argument, NULL, FOREGROUND},
    {"output", required_argument, NULL, OUTPUT},
    {"library", required_argument, NULL, LIBRARY},
    {"to", required_argument, NULL, TO},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static pid_t parse_pid(const char *what, const char *text) {
    return (pid_t)rp_parse_number(what, text, 1, INT_MAX);
}

/* The option's name if it applies to COMMAND, not to PID2; else NULL. */
static const char *name_for_command(int option) {
    switch (option) {
    case 'n':
        return "-n";
    case 'I':
        return "-I";
    case 'm':
        return "-m";
    case FOREGROUND:
        return "--foreground";
    case OUTPUT:
        return "--output";
    case LIBRARY:
        return "--library";
    default:
        return NULL;
    }
}

static void parse_option(int option, struct rp_replace_options *options) {
    const long most = 24L * 60 * 60; /* seconds */
    switch (option) {
    case 'p':
        options->ports = optarg;
        break;
    case 'n':
        options->plan.copies.count = rp_parse_copies(optarg);
        break;
    case 'I':
        options->plan.copies.replace = rp_parse_replaced(optarg);
        break;
    case 'm':
        options->method = rp_parse_method(optarg);
        break;
    case 's':
        options->plan.signal_number = rp_parse_signal(
            "-s", optarg, "HUP, INT, QUIT, TERM, USR1, USR2, WINCH, KILL or a number");
        break;
    case DRAIN:
        options->plan.drain = rp_parse_number("--drain", optarg, 0, most);
        break;
    case START:
        options->plan.start_timeout = rp_parse_number("--start-timeout", optarg, 1, most);
        break;
    case STOP:
        options->plan.stop_timeout = rp_parse_number("--stop-timeout", optarg, 1, most);
        break;
    case OUTPUT:
        options->output = optarg;
        break;
    case READY:
        options->plan.ready = rp_parse_ready(optarg);
        break;
    case LIBRARY:
        options->library = optarg;
        break;
    case TO:
        options->to = parse_pid("--to", optarg);
        break;
    default:
        *(option == KILL         ? &options->plan.kill
          : option == STRICT     ? &options->plan.strict
          : option == UNCOVERED  ? &options->plan.allow_uncovered
          : option == NO_STEER   ? &options->plan.no_steer
          : option == DRY_RUN    ? &options->dry_run
          : option == FORCE_INIT ? &options->force_init
                                 : &options->foreground) = true;
        break;
    }
}

/* --to may also follow PID: no COMMAND has that name. */
static void parse_to(int argc, char **argv, struct rp_replace_options *options) {
    static const char to[] = "--to";
    const size_t length = sizeof(to) - 1;
    if (optind == argc || strncmp(argv[optind], to, length) != 0) return;
    const char *value = argv[optind] + length;
    if (*value && *value != '=') return;
    optind++;
    if (!*value && optind == argc)
        rp_die("replace: --to needs a value; see reuseport replace --help");
    options->to = parse_pid("--to", *value ? value + 1 : argv[optind++]);
}

void rp_parse_replace(int argc, char **argv, struct rp_replace_options *options) {
    static char *name[2];
    const char *for_command = NULL;
    int option;
    *options = (struct rp_replace_options){
        .plan = {.signal_number = SIGTERM, .drain = 10, .start_timeout = 30, .stop_timeout = 30}};
    while ((option = rp_next_option(argc, argv, "+:p:n:s:m:I:hV", long_options, help)) != -1) {
        if (name_for_command(option)) for_command = name_for_command(option);
        parse_option(option, options);
    }
    if (options->plan.ready.by == RP_READY_NOTIFY && getenv("WATCHDOG_USEC"))
        rp_die("replace: --ready=notify: WATCHDOG_USEC is set, but nothing reads COMMAND's "
               "keep-alive messages after the replacement; unset it, or choose another --ready");
    if (argc - optind < 1) rp_die("replace: no PID given; see reuseport replace --help");
    options->pid = parse_pid("replace", argv[optind++]);
    parse_to(argc, argv, options);
    if (options->to) {
        if (options->plan.ready.by == RP_READY_NOTIFY) for_command = "--ready=notify";
        if (for_command) rp_die("replace: --to: %s applies to a COMMAND only", for_command);
        if (optind < argc) rp_die("replace: --to: PID2 is already running; give no COMMAND");
        name[0] = rp_transfer_name(options->to);
        options->plan.copies.arguments = name;
        return;
    }
    if (optind < argc && !strcmp(argv[optind], "--")) optind++;
    if (optind == argc) rp_die("replace: no command given; see reuseport replace --help");
    options->plan.copies.arguments = argv + optind;
}
