/* SPDX-License-Identifier: MIT */
/* reuseport adopt: switches SO_REUSEPORT on in bound sockets of running processes. */
#include "base/die.h"
#include "command/arguments.h"
#include "command/command.h"
#include "command/unsteer.h"
#include "core/outside.h"
#include "inspect/holders.h"
#include "inspect/option.h"
#include "inspect/process.h"
#include "inspect/rights.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

static const char help[] =
    "Usage: reuseport adopt [OPTION]... PORT[/PROTO] [PID]\n"
    "Switch SO_REUSEPORT on in every socket that holds the port, or only in PID's, so\n"
    "that another copy can join a running server. Nothing else changes in the server.\n"
    "\n"
    "      --undo             switch it off again\n"
    "      --unsteer          instead, detach the BPF program that distributes its\n"
    "                         connections: a server's own, or one that replace left\n"
    "                         because it was killed with its whole cgroup\n"
    "  -h, --help             this help\n"
    "  -V, --version          the version\n"
    "\n"
    "Exit status: 0 if the option is now on (or off) in all of them, or no program\n"
    "is attached any more; 125 if not.\n"
    "Requires Linux 5.6 and the right to trace the server: the same user, where\n"
    "kernel.yama.ptrace_scope is 0, or CAP_SYS_PTRACE. For TCP, --unsteer requires\n"
    "only the same user.\n";

/* Moves the sockets that the process has to the front, and returns how many they are; exits if
 * there is none. */
static size_t select_those_of(struct rp_sockets *sockets, pid_t pid, const char *port) {
    size_t selected = 0;
    struct rp_process process;
    if (!rp_process_find(pid, &process, NULL))
        rp_die("adopt: %d: %s", (int)pid, rp_missing_reason(pid));
    if (!rp_process_is_near(pid))
        rp_die("adopt: pid %d is in another network namespace; try nsenter -t %d -n reuseport "
               "adopt %s %d",
               (int)pid, (int)pid, port, (int)pid);
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket socket = sockets->list[i];
        bool owned = false;
        for (size_t j = 0; j < socket.owner_count; j++)
            owned = owned || socket.owners[j].process.pid == pid;
        if (!owned) continue;
        sockets->list[i] = sockets->list[selected];
        sockets->list[selected++] = socket;
    }
    if (!selected)
        rp_die("adopt: pid %d does not hold port %s, or this process may not look into it",
               (int)pid, port);
    return selected;
}

/* Switches one socket's option, and says so. */
static bool adopt(const struct rp_socket *socket, bool wanted, bool *changed) {
    char where[RP_SOCKET_TEXT], name[RP_NAME_SIZE], user[RP_NAME_SIZE];
    *changed = false;
    const int error = rp_option_switch(socket, wanted, changed);
    rp_socket_text(socket, where);
    if (!socket->owner_count) {
        const bool outside = rp_is_outside_user(socket->uid);
        rp_warn("adopt: %s: a socket of %s%s: %s", where,
                outside ? "a user outside this container" : "user ",
                outside ? "" : rp_user_name(socket->uid, user), rp_no_owner_reason("adopt"));
        return false;
    }
    const struct rp_process *process = &socket->owners[0].process;
    const int pid = (int)process->pid;
    if (error)
        rp_warn("adopt: %s: pid %d: %s", where, pid, rp_option_reason(error));
    else
        printf("%s: pid %d (%s) %s\n", where, pid, rp_process_name(process, name),
               wanted     ? *changed ? "shares it now" : "shared it already"
               : *changed ? "no longer shares it"
                          : "did not share it");
    return !error;
}

static bool is_same_place(const struct rp_socket *one, const struct rp_socket *other) {
    return one->proto == other->proto && one->interface == other->interface &&
           one->local.port == other->local.port &&
           IN6_ARE_ADDR_EQUAL(&one->local.address, &other->local.address);
}

/* Sockets that share an address are in one group. Clearing the option neither takes them out of it
 * nor reliably keeps others out. */
static void tell_left(const struct rp_sockets *sockets, const struct rp_socket *socket) {
    char where[RP_SOCKET_TEXT];
    unsigned count = 0;
    for (size_t i = 0; i < sockets->count; i++) count += is_same_place(&sockets->list[i], socket);
    if (count > 1)
        rp_warn("adopt: %s: %u sockets still hold it together; one may get all new connections, "
                "and others may still join",
                rp_socket_text(socket, where), count);
}

/* Switches the first `selected` sockets. Returns whether all of them are as wanted. */
static bool adopt_all(const struct rp_sockets *sockets, size_t selected, bool wanted) {
    const struct rp_socket *told = NULL;
    bool good = true, changed;
    for (size_t i = 0; i < selected; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        good = adopt(socket, wanted, &changed) && good;
        if (wanted || !changed || (told && is_same_place(told, socket))) continue;
        tell_left(sockets, socket);
        told = socket;
    }
    return good;
}

/* A group is steered as a whole. */
static int unsteer_port(const struct rp_wanted *wanted, const char *port, bool undo, pid_t pid) {
    if (undo) rp_die("adopt: --undo and --unsteer exclude each other");
    if (pid) rp_die("adopt: --unsteer acts on all sockets of the port; give no PID");
    const bool good = rp_unsteer(*wanted, port);
    return fflush(stdout) || !good ? RP_FAILED : 0;
}

int rp_cmd_adopt(int argc, char **argv) {
    enum { UNDO = 256, UNSTEER };
    static const struct option longs[] = {
        {"undo", no_argument, NULL, UNDO},
        {"unsteer", no_argument, NULL, UNSTEER},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    struct rp_sockets sockets = {NULL, 0, 0};
    bool undo = false, unsteer = false;
    for (int option; (option = rp_next_option(argc, argv, "+hV", longs, help)) != -1;)
        *(option == UNDO ? &undo : &unsteer) = true;
    if (argc - optind < 1 || argc - optind > 2)
        rp_die("adopt: expected PORT[/PROTO] [PID]; see reuseport adopt --help");
    const char *port = argv[optind];
    const struct rp_wanted wanted = rp_parse_port("adopt", port);
    if (argc - optind == 2 && argv[optind + 1][0] == '-')
        rp_die("adopt: \"%s\": options come before PORT", argv[optind + 1]);
    const pid_t pid =
        argc - optind == 2 ? (pid_t)rp_parse_number("adopt", argv[optind + 1], 1, INT_MAX) : 0;
    if (unsteer) return unsteer_port(&wanted, port, undo, pid);
    rp_sockets_find(&wanted, &sockets);
    rp_sockets_examine(&sockets, false);
    rp_sockets_sort(&sockets);
    const size_t selected = pid ? select_those_of(&sockets, pid, port) : sockets.count;
    if (!selected) rp_die("adopt: nothing holds port %s", port);
    const bool good = adopt_all(&sockets, selected, !undo);
    rp_sockets_free(&sockets);
    return fflush(stdout) || !good ? RP_FAILED : 0;
}
