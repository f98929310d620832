/* SPDX-License-Identifier: MIT */
/* The output of reuseport list: a table, or JSON. */
#include "base/die.h"
#include "command/list.h"
#include "core/procnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const answers[] = {[RP_UNKNOWN] = "unknown", [RP_NO] = "no", [RP_YES] = "yes"};

const char *rp_proto_name(const struct rp_socket *socket) {
    return socket->proto == RP_TCP ? "tcp" : "udp";
}

static const char *state_name(const struct rp_socket *socket) {
    if (socket->state == RP_LISTEN) return "listening";
    return socket->state == RP_ESTABLISHED ? "connected" : "bound";
}

/* As in a list of ports, IPv6 without brackets. */
static const char *address_text(const struct rp_socket *socket, char text[INET6_ADDRSTRLEN]) {
    const unsigned char *bytes = socket->local.address.s6_addr;
    return socket->ipv6 ? inet_ntop(AF_INET6, bytes, text, INET6_ADDRSTRLEN)
                        : inet_ntop(AF_INET, bytes + 12, text, INET6_ADDRSTRLEN);
}

/* The interface's name, or its number if it has none in this network namespace; "-" for 0. */
static const char *interface_text(uint32_t index, char text[RP_NAME_SIZE]) {
    if (index && if_indextoname(index, text)) return rp_make_plain(text);
    snprintf(text, RP_NAME_SIZE, index ? "%u" : "-", index);
    return text;
}

enum { INTERFACE = 2, COLUMNS = 10 };

struct row {
    char cells[COLUMNS][RP_NAME_SIZE];
};

static void fill_row(const struct rp_socket *socket, struct row *row) {
    snprintf(row->cells[0], RP_NAME_SIZE, "%s",
             socket->mptcp == RP_YES ? "mptcp" : rp_proto_name(socket));
    address_text(socket, row->cells[1]);
    interface_text(socket->interface, row->cells[INTERFACE]);
    snprintf(row->cells[3], RP_NAME_SIZE, "%u", socket->local.port);
    rp_user_name(socket->uid, row->cells[4]);
    snprintf(row->cells[5], RP_NAME_SIZE, "%s", "?");
    snprintf(row->cells[6], RP_NAME_SIZE, "%s", "?");
    if (socket->owner_count) {
        snprintf(row->cells[5], RP_NAME_SIZE, socket->owner_count > 1 ? "%d+%zu" : "%d",
                 (int)socket->owners[0].process.pid, socket->owner_count - 1);
        rp_process_name(&socket->owners[0].process, row->cells[6]);
    }
    snprintf(row->cells[7], RP_NAME_SIZE, "%s", answers[socket->shares]);
    snprintf(row->cells[8], RP_NAME_SIZE, socket->queue < 0 ? "-" : "%ld", socket->queue);
    snprintf(row->cells[9], RP_NAME_SIZE, socket->limit < 0 ? "-" : "%ld", socket->limit);
}

void rp_list_table(const struct rp_sockets *sockets) {
    static const struct row head = {{"PROTO", "ADDRESS", "INTERFACE", "PORT", "USER", "PID",
                                     "COMMAND", "SHARES", "QUEUE", "LIMIT"}};
    static const bool to_the_right[COLUMNS] = {[3] = true, [5] = true, [8] = true, [9] = true};
    int widths[COLUMNS] = {0};
    bool interfaces = false;
    struct row *rows = calloc(sockets->count + 1, sizeof(*rows));
    if (!rows) rp_die("%s", strerror(errno));
    rows[0] = head;
    for (size_t i = 0; i < sockets->count; i++) {
        fill_row(&sockets->list[i], &rows[i + 1]);
        interfaces = interfaces || sockets->list[i].interface;
    }
    for (size_t i = 0; i <= sockets->count; i++)
        for (int column = 0; column < COLUMNS; column++)
            if ((int)strlen(rows[i].cells[column]) > widths[column])
                widths[column] = (int)strlen(rows[i].cells[column]);
    for (size_t i = 0; i <= sockets->count; i++)
        for (int column = 0; column < COLUMNS; column++)
            if (column != INTERFACE || interfaces)
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

static void print_json_interface(uint32_t index) {
    char text[RP_NAME_SIZE];
    if (index)
        print_json_string("interface", interface_text(index, text));
    else
        printf("\"interface\": null, ");
}

void rp_list_json(const struct rp_sockets *sockets) {
    static const char *const values[] = {"null", "false", "true"};
    char text[RP_NAME_SIZE];
    printf("[");
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        printf("%s\n  {", i ? "," : "");
        print_json_string("proto", rp_proto_name(socket));
        print_json_string("address", address_text(socket, text));
        print_json_interface(socket->interface);
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
        print_json_string("state", state_name(socket));
        printf("\"mptcp\": %s, ", values[socket->mptcp]);
        printf("\"shares\": %s}", values[socket->shares]);
    }
    printf("%s]\n", sockets->count ? "\n" : "");
}
