/* SPDX-License-Identifier: MIT */
/* reuseport list: who holds these ports, and why a group shares less than it seems to. */
#include "base/die.h"
#include "command/arguments.h"
#include "command/command.h"
#include "core/procnet.h"
#include "inspect/holders.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: reuseport list [OPTION]... [PORT[/PROTO]]...\n"
    "Show who holds these ports, or all shared ports if none is named: TCP listeners\n"
    "and bound UDP sockets, in the kernel's order of preference. SHARES says whether\n"
    "SO_REUSEPORT is on, QUEUE how many connections wait to be accepted, of LIMIT.\n"
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

static const char *const answers[] = {[RP_UNKNOWN] = "unknown", [RP_NO] = "no", [RP_YES] = "yes"};

static const char *proto_name(const struct rp_socket *socket) {
    return socket->proto == RP_TCP ? "tcp" : "udp";
}

/* As in a list of ports, IPv6 without brackets. */
static const char *address_text(const struct rp_socket *socket, char text[INET6_ADDRSTRLEN]) {
    const unsigned char *bytes = socket->local.address.s6_addr;
    return socket->ipv6 ? inet_ntop(AF_INET6, bytes, text, INET6_ADDRSTRLEN)
                        : inet_ntop(AF_INET, bytes + 12, text, INET6_ADDRSTRLEN);
}

/* The end of the run of sockets with this one's port and protocol. */
static size_t group_end(const struct rp_sockets *sockets, size_t start) {
    const struct rp_socket *first = &sockets->list[start];
    size_t end = start + 1;
    while (end < sockets->count && sockets->list[end].local.port == first->local.port &&
           sockets->list[end].proto == first->proto)
        end++;
    return end;
}

/* Drops the ports on which nobody shares. */
static void drop_unshared(struct rp_sockets *sockets) {
    size_t kept = 0;
    for (size_t start = 0, end; start < sockets->count; start = end) {
        bool shared = false;
        end = group_end(sockets, start);
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

enum { COLUMNS = 9 };

struct row {
    char cells[COLUMNS][RP_NAME_SIZE];
};

static void fill_row(const struct rp_socket *socket, struct row *row) {
    snprintf(row->cells[0], RP_NAME_SIZE, "%s", proto_name(socket));
    address_text(socket, row->cells[1]);
    snprintf(row->cells[2], RP_NAME_SIZE, "%u", socket->local.port);
    rp_user_name(socket->uid, row->cells[3]);
    snprintf(row->cells[4], RP_NAME_SIZE, "%s", "?");
    snprintf(row->cells[5], RP_NAME_SIZE, "%s", "?");
    if (socket->owner_count) {
        snprintf(row->cells[4], RP_NAME_SIZE, socket->owner_count > 1 ? "%d+%zu" : "%d",
                 (int)socket->owners[0].process.pid, socket->owner_count - 1);
        rp_process_name(&socket->owners[0].process, row->cells[5]);
    }
    snprintf(row->cells[6], RP_NAME_SIZE, "%s", answers[socket->shares]);
    snprintf(row->cells[7], RP_NAME_SIZE, socket->queue < 0 ? "-" : "%ld", socket->queue);
    snprintf(row->cells[8], RP_NAME_SIZE, socket->limit < 0 ? "-" : "%ld", socket->limit);
}

static void print_table(const struct rp_sockets *sockets) {
    static const struct row head = {
        {"PROTO", "ADDRESS", "PORT", "USER", "PID", "COMMAND", "SHARES", "QUEUE", "LIMIT"}};
    static const bool to_the_right[COLUMNS] = {[2] = true, [4] = true, [7] = true, [8] = true};
    int widths[COLUMNS] = {0};
    struct row *rows = calloc(sockets->count + 1, sizeof(*rows));
    if (!rows) rp_die("%s", strerror(errno));
    rows[0] = head;
    for (size_t i = 0; i < sockets->count; i++) fill_row(&sockets->list[i], &rows[i + 1]);
    for (size_t i = 0; i <= sockets->count; i++)
        for (int column = 0; column < COLUMNS; column++)
            if ((int)strlen(rows[i].cells[column]) > widths[column])
                widths[column] = (int)strlen(rows[i].cells[column]);
    for (size_t i = 0; i <= sockets->count; i++)
        for (int column = 0; column < COLUMNS; column++)
            printf("%*s%s", to_the_right[column] ? widths[column] : -widths[column],
                   rows[i].cells[column], column < COLUMNS - 1 ? "  " : "\n");
    free(rows);
}

static void print_json_string(const char *name, const char *value) {
    printf("\"%s\": \"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') putchar('\\');
        putchar(*value);
    }
    printf("\", ");
}

static void print_json_number(const char *name, long long value) {
    printf(value < 0 ? "\"%s\": null, " : "\"%s\": %lld, ", name, value);
}

static void print_json(const struct rp_sockets *sockets) {
    static const char *const values[] = {"null", "false", "true"};
    char text[RP_NAME_SIZE];
    printf("[");
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        printf("%s\n  {", i ? "," : "");
        print_json_string("proto", proto_name(socket));
        print_json_string("address", address_text(socket, text));
        print_json_number("port", socket->local.port);
        print_json_number("uid", socket->uid);
        print_json_string("user", rp_user_name(socket->uid, text));
        print_json_number("pid", socket->owner_count ? socket->owners[0].process.pid : -1);
        printf("\"pids\": [");
        for (size_t j = 0; j < socket->owner_count; j++)
            printf("%s%d", j ? ", " : "", (int)socket->owners[j].process.pid);
        printf("], ");
        print_json_string("command", socket->owner_count
                                         ? rp_process_name(&socket->owners[0].process, text)
                                         : "");
        print_json_number("queue", socket->queue);
        print_json_number("limit", socket->limit);
        print_json_number("inode", socket->inode);
        printf("\"shares\": %s}", values[socket->shares]);
    }
    printf("%s]\n", sockets->count ? "\n" : "");
}

static bool is_stopped(const struct rp_socket *socket) {
    for (size_t i = 0; i < socket->owner_count; i++)
        if (rp_process_state(&socket->owners[i].process) != 'T') return false;
    return socket->owner_count > 0;
}

/* Prints what is wrong with one socket. */
static void hint_at_socket(const struct rp_socket *socket) {
    const unsigned port = socket->local.port;
    char name[RP_NAME_SIZE];
    if (!socket->owner_count) return;
    const int pid = (int)socket->owners[0].process.pid;
    rp_process_name(&socket->owners[0].process, name);
    if (socket->shares == RP_NO)
        printf("%s %u: pid %d (%s) does not share it, so nobody can join: \"reuseport adopt "
               "%u/%s\" changes that\n",
               proto_name(socket), port, pid, name, port, proto_name(socket));
    if (socket->limit >= 0 && socket->queue > socket->limit)
        printf("%s %u: the accept queue of pid %d (%s) is full, %ld of %ld: new connections to it "
               "wait or fail; "
               "is it stuck, or its backlog too small?\n",
               proto_name(socket), port, pid, name, socket->queue, socket->limit);
    if (is_stopped(socket))
        printf("%s %u: pid %d (%s) is stopped, and still gets its share: \"kill -CONT %d\", or end "
               "it\n",
               proto_name(socket), port, pid, name, pid);
}

static void hint_at_group(const struct rp_socket *group, size_t count) {
    bool users = false, addresses = false;
    for (size_t i = 1; i < count; i++) {
        users = users || group[i].uid != group[0].uid;
        addresses = addresses || group[i].ipv6 != group[0].ipv6 ||
                    !IN6_ARE_ADDR_EQUAL(&group[i].local.address, &group[0].local.address);
    }
    if (users)
        printf("%s %u: its sockets are of different users, who cannot share an address: start all "
               "copies as one user\n",
               proto_name(group), group->local.port);
    if (addresses)
        printf("%s %u: its sockets are on different addresses: they share the port, not the "
               "traffic, which goes to the "
               "most exact one; give all copies the same address\n",
               proto_name(group), group->local.port);
    for (size_t i = 0; i < count; i++) hint_at_socket(&group[i]);
}

static void print_hints(const struct rp_sockets *sockets) {
    bool unknown = false;
    for (size_t start = 0, end; start < sockets->count; start = end) {
        end = group_end(sockets, start);
        hint_at_group(&sockets->list[start], end - start);
        for (size_t i = start; i < end; i++)
            unknown = unknown || sockets->list[i].shares == RP_UNKNOWN;
    }
    if (unknown)
        printf("unknown: this process may not look into the owner (%s); try as root\n",
               strerror(sockets->why_unknown));
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
    if (!named) rp_sockets_find(&(struct rp_wanted){RP_TCP | RP_UDP, 0, 1U << RP_LISTEN}, &sockets);
    for (; optind < argc; optind++) {
        struct rp_wanted wanted = rp_parse_port("list", argv[optind]);
        wanted.states = 1U << RP_LISTEN;
        rp_sockets_find(&wanted, &sockets);
    }
    rp_sockets_examine(&sockets, named);
    rp_sockets_sort(&sockets);
    if (!named) drop_unshared(&sockets);
    const bool found = sockets.count > 0;
    if (json) {
        print_json(&sockets);
    } else if (found) {
        print_table(&sockets);
        print_hints(&sockets);
    }
    rp_sockets_free(&sockets);
    if (fflush(stdout)) rp_die("standard output: %s", strerror(errno));
    return found ? 0 : 1;
}
