/* SPDX-License-Identifier: MIT */
/* The command line of reuseport run. */
#include "command/run_options.h"

#include "base/die.h"
#include "command/arguments.h"
#include "launch/environment.h"
#include "launch/signals.h"

#include <string.h>

static const char help[] =
    "Usage: reuseport run [OPTION]... [--] COMMAND [ARG]...\n"
    "Start COMMAND, unmodified, so that it shares its ports.\n"
    "\n"
    "  -p, --ports=LIST       the ports to share; overrides REUSEPORT_PORTS\n"
    "  -m, --method=METHOD    preload: by the library; seccomp: from outside, for\n"
    "                         static and Go programs; auto (default): preload where\n"
    "                         it reaches COMMAND, else seccomp\n"
    "  -n, --copies=N|auto    start N copies and supervise them; auto: one for each\n"
    "                         usable CPU. Without -n, COMMAND replaces this process\n"
    "  -I STRING              replace STRING in the ARGs by the copy's number: 0, 1,\n"
    "                         ..., which is also in REUSEPORT_INSTANCE\n"
    "      --library=FILE     the library; by default libreuseport.so beside this\n"
    "                         command, in ../lib, or where it was installed\n"
    "  -v, --verbose          report the method and why, each change of a copy's\n"
    "                         state, and if no port of LIST is bound within 10 s\n"
    "  -q, --quiet            no messages from the library (REUSEPORT_LOG=off), and\n"
    "                         none when a copy ends or binds without sharing\n"
    "  -h, --help             print this help\n"
    "  -V, --version          print the version\n"
    "\n"
    "Only with -n; S is a time in seconds:\n"
    "      --on-exit=keep|stop|restart  when a copy ends, keep the others running\n"
    "                         (default), stop them by TERM, or restart it; a service\n"
    "                         wants restart\n"
    "      --max=N            let TTIN start up to N copies (default: four times -n)\n"
    "      --ready=listen|notify|COMMAND-LINE  a copy is ready when it listens\n"
    "                         (default) and, if asked for, has said READY=1\n"
    "                         (sd_notify(3)) or COMMAND-LINE has ended with 0; it\n"
    "                         gets no connections before, if others are ready\n"
    "      --rolling=SIGNAL   at SIGNAL, renew the copies one by one without losing a\n"
    "                         connection, instead of passing it on. Each new copy\n"
    "                         takes a free number: with -I, prepare N+1 directories\n"
    "      --in-place         stop the old copy first; the new one takes its number\n"
    "      --balance          send new TCP connections to the copies that are free\n"
    "      --drain=S          time for the connections of a copy that is renewed or\n"
    "                         removed to end (default 10)\n"
    "      --start-timeout=S  time for a renewed copy to be ready (default 30)\n"
    "      --stop-timeout=S   time from TERM to KILL (default: no KILL but in a\n"
    "                         renewal, after 30 s, and by --hung, after 5 s)\n"
    "      --hung=S           end a copy that accepts nothing for that long while\n"
    "                         connections wait\n"
    "\n"
    "HUP INT QUIT TERM USR1 USR2 WINCH and CONT are passed on to every copy. TTIN\n"
    "adds a copy, TTOU removes one. With NOTIFY_SOCKET, supports Type=notify and\n"
    "notify-reload of systemd.service(5); the copies do not inherit it, LISTEN_FDS\n"
    "or WATCHDOG_USEC. See reuseport-run(7).\n"
    "\n"
    "Exit status: that of COMMAND; with -n 0 if all copies ended with 0, else that of\n"
    "the first that did not, 128+N if signal N killed it; with --on-exit=restart that\n"
    "of a copy that ended five times in a row before it listened. 125 if reuseport\n"
    "itself fails or the method cannot reach COMMAND, 126 if COMMAND cannot be run,\n"
    "127 if it is not found.\n";

enum {
    ON_EXIT = 256,
    LIBRARY,
    MAX,
    READY,
    ROLLING,
    IN_PLACE,
    BALANCE,
    DRAIN,
    START,
    STOP,
    HUNG,
};
static const struct option long_options[] = {
    {"ports", required_argument, NULL, 'p'},
    {"copies", required_argument, NULL, 'n'},
    {"method", required_argument, NULL, 'm'},
    {"library", required_argument, NULL, LIBRARY},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"on-exit", required_argument, NULL, ON_EXIT},
    {"max", required_argument, NULL, MAX},
    {"ready", required_argument, NULL, READY},
    {"rolling", required_argument, NULL, ROLLING},
    {"in-place", no_argument, NULL, IN_PLACE},
    {"balance", no_argument, NULL, BALANCE},
    {"drain", required_argument, NULL, DRAIN},
    {"start-timeout", required_argument, NULL, START},
    {"stop-timeout", required_argument, NULL, STOP},
    {"hung", required_argument, NULL, HUNG},
    {NULL, 0, NULL, 0},
};

enum { COPIES_MAX = 4096, DAY = 24 * 60 * 60 };

static enum rp_on_exit parse_on_exit(const char *text) {
    static const char *const names[] = {
        [RP_KEEP] = "keep", [RP_STOP] = "stop", [RP_RESTART] = "restart"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, names[i])) return (enum rp_on_exit)i;
    rp_die("--on-exit: \"%s\": not keep, stop or restart", text);
}

static int parse_rolling(const char *text) {
    static const char expected[] = "HUP, USR1, USR2 or WINCH";
    const int number = rp_parse_signal("--rolling", text, expected);
    if (!rp_signal_is_passed_on(number) || rp_signal_stops(number) || number == SIGCONT)
        rp_die("--rolling: \"%s\": not %s", text, expected);
    return number;
}

/* Options that apply without -n, too. Returns false if it is none of them. */
static bool parse_common(int option, struct rp_launch *launch, struct rp_copies *copies) {
    switch (option) {
    case 'n':
        copies->count = rp_parse_copies(optarg);
        return true;
    case 'p':
        launch->list = optarg;
        return true;
    case 'm':
        launch->wanted = rp_parse_method(optarg);
        return true;
    case 'I':
        copies->replace = rp_parse_replaced(optarg);
        return true;
    case LIBRARY:
        launch->library = optarg;
        return true;
    case 'v':
        copies->verbose = true;
        return true;
    case 'q':
        launch->quiet = true;
        return true;
    default:
        return false;
    }
}

static void parse_option(int option, struct rp_service_plan *plan) {
    switch (option) {
    case ON_EXIT:
        plan->on_exit = parse_on_exit(optarg);
        plan->copies.restart = plan->on_exit == RP_RESTART;
        break;
    case MAX:
        plan->most = (int)rp_parse_number("--max", optarg, 1, COPIES_MAX);
        break;
    case READY:
        plan->ready = rp_parse_ready(optarg);
        break;
    case ROLLING:
        plan->copies.rolling = parse_rolling(optarg);
        break;
    case DRAIN:
        plan->drain = rp_parse_number("--drain", optarg, 0, DAY);
        break;
    case START:
        plan->start_timeout = rp_parse_number("--start-timeout", optarg, 1, DAY);
        break;
    case STOP:
        plan->stop_timeout = rp_parse_number("--stop-timeout", optarg, 1, DAY);
        break;
    case HUNG:
        plan->hung = rp_parse_number("--hung", optarg, 1, DAY);
        break;
    default:
        *(option == IN_PLACE ? &plan->in_place : &plan->balance) = true;
        break;
    }
}

static const char *name_of(int option) {
    for (const struct option *at = long_options; at->name; at++)
        if (at->val == option) return at->name;
    return NULL;
}

/* What the options mean together. only_copies: one that applies to copies alone, or NULL. */
static void check(struct rp_service_plan *plan, const char *only_copies) {
    const int count = plan->copies.count;
    if (!count && only_copies) rp_die("run: --%s requires -n", only_copies);
    if (plan->in_place && !plan->copies.rolling) rp_die("run: --in-place requires --rolling");
    if (plan->in_place && count < 2)
        rp_die("run: --in-place: with one copy nothing serves meanwhile; use -n 2 or more");
    if (plan->most && plan->most < count)
        rp_die("run: --max: %d is less than the %d copies of -n", plan->most, count);
    if (!plan->most) plan->most = 4 * count < COPIES_MAX ? 4 * count : COPIES_MAX;
}

void rp_parse_run(int argc, char **argv, struct rp_launch *launch, struct rp_service_plan *plan) {
    const char *only_copies = NULL;
    int option;
    *plan = (struct rp_service_plan){.copies.launch = launch, .drain = 10, .start_timeout = 30};
    while ((option = rp_next_option(argc, argv, "+:n:p:m:I:vqhV", long_options, help)) != -1) {
        if (parse_common(option, launch, &plan->copies)) continue;
        if (option != ON_EXIT)
            only_copies = name_of(option);
        else if (strcmp(optarg, "restart") == 0) /* others have always been accepted without -n */
            only_copies = "on-exit=restart";
        parse_option(option, plan);
    }
    if (optind == argc) rp_die("run: no command given; see reuseport run --help");
    check(plan, only_copies);
    plan->copies.arguments = argv + optind;
    launch->command = argv[optind];
    if (!*rp_environment_list(launch->list))
        rp_die("run: no ports given; use -p LIST or set REUSEPORT_PORTS");
}
