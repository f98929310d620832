/* SPDX-License-Identifier: MIT */
/* reuseport run: starts a command, or several copies of it, that share their ports. */
#include "base/die.h"
#include "command/arguments.h"
#include "command/command.h"
#include "launch/environment.h"
#include "launch/supervisor.h"

#include <string.h>

static const char help[] =
    "Usage: reuseport run [OPTION]... [--] COMMAND [ARG]...\n"
    "Start COMMAND, unmodified, so that it shares its ports.\n"
    "\n"
    "  -p, --ports=LIST       the ports to share; overrides REUSEPORT_PORTS\n"
    "  -m, --method=METHOD    preload: by the library; seccomp: from outside, for\n"
    "                         static and Go programs; auto (default): preload where\n"
    "                         it reaches COMMAND, else seccomp\n"
    "  -n, --copies=N|auto    start N copies and wait for them; auto: one for each\n"
    "                         usable CPU. With 1, as without -n, COMMAND replaces\n"
    "                         this process\n"
    "  -I STRING              replace STRING in the ARGs by the copy's number: 0, 1,\n"
    "                         ..., which is also in REUSEPORT_INSTANCE\n"
    "      --on-exit=keep|stop  when a copy ends, keep the others running (default)\n"
    "                         or send them TERM\n"
    "      --library=FILE     the library; by default libreuseport.so beside this\n"
    "                         command, in ../lib, or where it was installed\n"
    "  -v, --verbose          say which method is used and why, when copies start and\n"
    "                         end, and when none binds a port of LIST within 10 s\n"
    "  -q, --quiet            no messages from the library (REUSEPORT_LOG=off), and\n"
    "                         none when a copy fails or binds without sharing\n"
    "  -h, --help             print this help\n"
    "  -V, --version          print the version\n"
    "\n"
    "HUP INT QUIT TERM USR1 USR2 WINCH and CONT are passed on to every copy.\n"
    "\n"
    "Exit status: that of COMMAND; with copies 0 if all ended with 0, else that of\n"
    "the first that did not, 128+N if signal N killed it. 125 if reuseport itself\n"
    "fails or the method cannot reach COMMAND, 126 if COMMAND cannot be run, 127 if\n"
    "it is not found.\n";

static bool parse_on_exit(const char *text) {
    if (strcmp(text, "keep") != 0 && strcmp(text, "stop") != 0)
        rp_die("--on-exit: \"%s\": not keep or stop", text);
    return *text == 's';
}

static void parse_options(int argc, char **argv, struct rp_launch *launch,
                          struct rp_copies *copies) {
    enum { ON_EXIT = 256, LIBRARY };
    static const struct option longs[] = {
        {"ports", required_argument, NULL, 'p'},
        {"copies", required_argument, NULL, 'n'},
        {"method", required_argument, NULL, 'm'},
        {"on-exit", required_argument, NULL, ON_EXIT},
        {"library", required_argument, NULL, LIBRARY},
        {"verbose", no_argument, NULL, 'v'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = rp_next_option(argc, argv, "+:n:p:m:I:vqhV", longs, help)) != -1) {
        if (option == 'n') copies->count = rp_parse_copies(optarg);
        if (option == 'p') launch->list = optarg;
        if (option == 'm') launch->wanted = rp_parse_method(optarg);
        if (option == 'I') copies->replace = rp_parse_replaced(optarg);
        if (option == ON_EXIT) copies->stop_all = parse_on_exit(optarg);
        if (option == LIBRARY) launch->library = optarg;
        if (option == 'v') copies->verbose = true;
        if (option == 'q') launch->quiet = true;
    }
    if (optind == argc) rp_die("run: no command given; see reuseport run --help");
    copies->arguments = argv + optind;
    launch->command = argv[optind];
}

/* Which method is used, and if it is the second choice, why. */
static void tell_method(const struct rp_launch *launch) {
    const struct rp_finding *why = rp_preflight_hindrance(&launch->preflight, RP_PRELOAD);
    char text[RP_FINDING_TEXT];
    if (launch->method == RP_PRELOAD)
        rp_warn("%s: by preload", launch->command);
    else if (launch->wanted == RP_AUTO && why)
        rp_warn("%s: by seccomp; %s", launch->command,
                rp_finding_cause(&launch->preflight, why, text));
    else
        rp_warn("%s: by seccomp", launch->command);
}

int rp_cmd_run(int argc, char **argv) {
    static struct rp_launch launch;
    struct rp_copies copies = {.launch = &launch};
    parse_options(argc, argv, &launch, &copies);
    if (!*rp_environment_list(launch.list))
        rp_die("run: no ports given; use -p LIST or set REUSEPORT_PORTS");
    const int status = rp_launch_prepare(&launch);
    if (status) return status;
    if (copies.verbose) tell_method(&launch);
    return copies.count > 1 ? rp_supervise(&copies)
                            : rp_become_copy(&copies, copies.count ? 0 : -1);
}
