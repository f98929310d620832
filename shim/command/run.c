/* reuseport run: starts a command, or several copies of it, that share their ports. */
#include "base/die.h"
#include "command/arguments.h"
#include "command/command.h"
#include "launch/launch.h"
#include "launch/supervisor.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: reuseport run [OPTION]... [--] COMMAND [ARG]...\n"
    "Start COMMAND so that it shares its ports, unmodified.\n"
    "\n"
    "  -p, --ports=LIST       the ports to share; it beats REUSEPORT_PORTS\n"
    "  -m, --method=METHOD    preload: by the library; seccomp: from outside, which\n"
    "                         static and Go programs need; auto, the default: preload\n"
    "                         where it reaches, else seccomp\n"
    "  -n, --copies=N|auto    start N copies and see them through to their end; auto:\n"
    "                         one for each usable CPU. Without it, or with 1, COMMAND\n"
    "                         takes the place of this process\n"
    "  -I STRING              in the ARGs, STRING stands for the copy's number, 0, 1\n"
    "                         ..., which it also finds in REUSEPORT_INSTANCE\n"
    "      --on-exit=keep|stop  when one copy ends: let the others run (keep, the\n"
    "                         default), or send them TERM\n"
    "      --library=FILE     the library; else libreuseport.so beside this command,\n"
    "                         in ../lib, or where it was installed\n"
    "  -v, --verbose          the method and why, and a line for each copy started or\n"
    "                         ended\n"
    "  -q, --quiet            nothing from the library on stderr (REUSEPORT_LOG=off)\n"
    "  -h, --help             this help\n"
    "  -V, --version          the version\n"
    "\n"
    "HUP INT QUIT TERM USR1 USR2 WINCH and CONT are passed on to every copy.\n"
    "\n"
    "Exit status: that of COMMAND; with copies 0 if all ended with 0, else that of\n"
    "the first that did not, 128+N if signal N ended it. 125 if reuseport itself\n"
    "fails or the method cannot reach COMMAND, 126 if COMMAND cannot be run, 127 if\n"
    "it is not found.\n";

struct options {
    struct rp_copies copies;
    const char *library;
    enum rp_method method;
    bool ports; /* given by -p */
};

static bool parse_on_exit(const char *text) {
    if (strcmp(text, "keep") != 0 && strcmp(text, "stop") != 0)
        rp_die("--on-exit: \"%s\": not keep or stop", text);
    return *text == 's';
}

static void parse_options(int argc, char **argv, struct options *options) {
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
        switch (option) {
        case 'n':
            options->copies.count = rp_parse_copies(optarg);
            break;
        case 'p':
            rp_set_variable("REUSEPORT_PORTS", optarg);
            options->ports = true;
            break;
        case 'm':
            options->method = rp_parse_method(optarg);
            break;
        case 'I':
            options->copies.replace = rp_parse_replaced(optarg);
            break;
        case ON_EXIT:
            options->copies.stop_all = parse_on_exit(optarg);
            break;
        case LIBRARY:
            options->library = optarg;
            break;
        case 'v':
            options->copies.verbose = true;
            break;
        default:
            rp_set_variable("REUSEPORT_LOG", "off");
            break;
        }
    }
    if (optind == argc) rp_die("run: no command given; see reuseport run --help");
    options->copies.arguments = argv + optind;
}

int rp_cmd_run(int argc, char **argv) {
    struct options options = {.copies = {.count = 0}};
    static struct rp_launch launch;
    parse_options(argc, argv, &options);
    const char *list = getenv("REUSEPORT_PORTS");
    if (!list || !*list) rp_die("run: which ports? Give -p LIST or set REUSEPORT_PORTS");
    launch.config = rp_launch_check_settings(options.ports);
    const int status =
        rp_launch_prepare(options.library, options.copies.arguments[0], options.method, &launch);
    if (status) return status;
    options.copies.launch = &launch;
    if (options.copies.verbose)
        rp_warn("%s: by %s%s%s", options.copies.arguments[0],
                launch.method == RP_SECCOMP ? "seccomp" : "preload", *launch.why ? "; " : "",
                launch.why);
    return options.copies.count > 1
               ? rp_supervise(&options.copies)
               : rp_become_copy(&options.copies, options.copies.count ? 0 : -1);
}
