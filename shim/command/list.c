/* SPDX-License-Identifier: MIT */
/* reuseport list: who holds these ports, and why a group shares less than it seems to. */
#include "command/list.h"
#include "base/die.h"
#include "command/arguments.h"
#include "command/command.h"
#include "command/list_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: reuseport list [OPTION]... [PORT[/PROTO]]...\n"
    "Show who holds these ports, or all shared ports if none is named: TCP and\n"
    "UDP sockets, except TCP connections, in the kernel's order of preference. SHARES\n"
    "says whether SO_REUSEPORT is on, QUEUE how many connections wait to be accepted,\n"
    "of LIMIT; - stands for sockets that do not listen.\n"
    "Hints below the table say why a group shares less than it seems to, and what to\n"
    "do. Nothing is bound to find out.\n"
    "\n"
    "      --json             an array with one object for each socket; see\n"
    "                         reuseport(1) for the keys\n"
    "      --watch            show every second which processes are stopped, their\n"
    "                         queues, how many established connections came in\n"
    "                         through each socket (ESTAB), and a bar of its SHARE\n"
    "                         of the port's, until ^C; with --json an object in\n"
    "                         each line\n"
    "  -h, --help             this help\n"
    "  -V, --version          the version\n"
    "\n"
    "Exit status: 0 if anything holds one of the ports, 1 if nothing does, 125 if\n"
    "reuseport itself fails; 0 when INT or TERM ends --watch.\n";

int rp_cmd_list(int argc, char **argv) {
    enum { JSON = 256, WATCH };
    static const struct option longs[] = {
        {"json", no_argument, NULL, JSON},
        {"watch", no_argument, NULL, WATCH},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    struct rp_selection selection = {NULL, 0, false};
    struct rp_sockets sockets = {NULL, 0, 0};
    bool json = false, watch = false;
    for (int option; (option = rp_next_option(argc, argv, "+hV", longs, help)) != -1;) {
        json = json || option == JSON;
        watch = watch || option == WATCH;
    }
    selection.named = optind < argc;
    for (; optind < argc; optind++) {
        const struct rp_wanted wanted = rp_parse_port("list", argv[optind]);
        rp_selection_add(&selection, &wanted);
    }
    if (watch) rp_list_watch(&selection, json);
    rp_selection_find(&selection, &sockets);
    const bool found = sockets.count > 0;
    if (json) {
        rp_list_json(&sockets);
    } else if (found) {
        rp_list_table(&sockets);
        rp_list_hints(&sockets);
    }
    rp_sockets_free(&sockets);
    free(selection.ports);
    if (fflush(stdout)) rp_die("standard output: %s", strerror(errno));
    return found ? 0 : 1;
}
