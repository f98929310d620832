/* SPDX-License-Identifier: MIT */
/* reuseport list: who holds these ports, and why a group shares less than it seems to. */
#include "command/list.h"
#include "base/die.h"
#include "command/arguments.h"
#include "command/command.h"
#include "core/procnet.h"
#include "inspect/holders.h"

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
    "  -h, --help             this help\n"
    "  -V, --version          the version\n"
    "\n"
    "Exit status: 0 if anything holds one of the ports, 1 if nothing does, 125 if\n"
    "reuseport itself fails.\n";

/* Drops the ports on which nobody shares. */
static void drop_unshared(struct rp_sockets *sockets) {
    size_t kept = 0;
    for (size_t start = 0, end; start < sockets->count; start = end) {
        bool shared = false;
        end = rp_group_end(sockets, start);
        for (size_t i = start; i < end; i++) shared = shared || sockets->list[i].shares == RP_YES;
        for (size_t i = start; i < end; i++) {
            if (shared)
                sockets->list[kept++] = sockets->list[i];
            else
                free(sockets->list[i].owners);
        }
    }
    sockets->count = kept;
}

int rp_cmd_list(int argc, char **argv) {
    enum { JSON = 256 };
    static const struct option longs[] = {
        {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    struct rp_sockets sockets = {NULL, 0, 0};
    bool json = false;
    while (rp_next_option(argc, argv, "+hV", longs, help) != -1) json = true;
    const bool named = optind < argc;
    if (!named) rp_sockets_find(&(struct rp_wanted){RP_TCP | RP_UDP, 0, 0}, &sockets);
    for (; optind < argc; optind++) {
        const struct rp_wanted wanted = rp_parse_port("list", argv[optind]);
        rp_sockets_find(&wanted, &sockets);
    }
    rp_sockets_examine(&sockets, named);
    rp_sockets_infer(&sockets);
    rp_sockets_sort(&sockets);
    if (!named) drop_unshared(&sockets);
    const bool found = sockets.count > 0;
    if (json) {
        rp_list_json(&sockets);
    } else if (found) {
        rp_list_table(&sockets);
        rp_list_hints(&sockets);
    }
    rp_sockets_free(&sockets);
    if (fflush(stdout)) rp_die("standard output: %s", strerror(errno));
    return found ? 0 : 1;
}
