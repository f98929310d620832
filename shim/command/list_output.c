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

void rp_row_place(struct rp_row *row, const struct rp_socket *socket) {
    snprintf(row->cells[0], RP_NAME_SIZE, "%s",
             socket->mptcp == RP_YES ? "mptcp" : rp_proto_name(socket));
    address_text(socket, row->cells[1]);
    interface_text(socket->interface, row->cells[RP_INTERFACE]);
    snprintf(row->cells[3], RP_NAME_SIZE, "%u", socket->local.port);
}

void rp_row_owner(struct rp_row *row, int cell, const struct rp_socket *socket) {
    snprintf(row->cells[cell], RP_NAME_SIZE, "?");
    snprintf(row->cells[cell + 1], RP_NAME_SIZE, "?");
    if (!socket->owner_count) return;
    snprintf(row->cells[cell], RP_NAME_SIZE, socket->owner_count > 1 ? "%d+%zu" : "%d",
             (int)socket->owners[0].process.pid, socket->owner_count - 1);
    rp_process_name(&socket->owners[0].process, row->cells[cell + 1]);
}

int rp_table_width(const struct rp_table *table, int column) {
    int width = 0;
    for (size_t i = 0; i < table->count; i++)
        if ((int)strlen(table->rows[i].cells[column]) > width)
            width = (int)strlen(table->rows[i].cells[column]);
    return column == RP_INTERFACE && !table->interfaces ? 0 : width;
}

void rp_table_print(FILE *out, const struct rp_table *table) {
    int widths[RP_COLUMNS];
    const int last = table->columns - 1;
    for (int column = 0; column <= last; column++) widths[column] = rp_table_width(table, column);
    for (size_t i = 0; i < table->count; i++)
        for (int column = 0; column <= last; column++) {
            const char *cell = table->rows[i].cells[column];
            if (table->right >> column & 1)
                fprintf(out, "%*s%s", widths[column], cell, column < last ? "  " : "\n");
            else if (column == last)
                fprintf(out, "%s\n", cell);
            else if (widths[column])
                fprintf(out, "%-*s  ", widths[column], cell);
        }
}

static void fill_row(struct rp_row *row, const struct rp_socket *socket) {
    rp_row_place(row, socket);
    rp_user_name(socket->uid, row->cells[4]);
    rp_row_owner(row, 5, socket);
    snprintf(row->cells[7], RP_NAME_SIZE, "%s", answers[socket->shares]);
    snprintf(row->cells[8], RP_NAME_SIZE, socket->queue < 0 ? "-" : "%ld", socket->queue);
    snprintf(row->cells[9], RP_NAME_SIZE, socket->limit < 0 ? "-" : "%ld", socket->limit);
}

void rp_list_table(const struct rp_sockets *sockets) {
    static const struct rp_row head = {{"PROTO", "ADDRESS", "INTERFACE", "PORT", "USER", "PID",
                                        "COMMAND", "SHARES", "QUEUE", "LIMIT"}};
    struct rp_table table = {calloc(sockets->count + 1, sizeof(struct rp_row)), sockets->count + 1,
                             RP_COLUMNS, 1 << 3 | 1 << 5 | 1 << 8 | 1 << 9, false};
    if (!table.rows) rp_die("%s", strerror(errno));
    table.rows[0] = head;
    for (size_t i = 0; i < sockets->count; i++) {
        fill_row(&table.rows[i + 1], &sockets->list[i]);
        table.interfaces = table.interfaces || sockets->list[i].interface;
    }
    rp_table_print(stdout, &table);
    free(table.rows);
}

static void print_json_string(FILE *out, const char *name, const char *value) {
    fprintf(out, "\"%s\": \"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') putc('\\', out);
        putc(*value, out);
    }
    fputs("\", ", out);
}

static void print_json_number(FILE *out, const char *name, long long value) {
    fprintf(out, value < 0 ? "\"%s\": null, " : "\"%s\": %lld, ", name, value);
}

static void print_json_interface(FILE *out, uint32_t index) {
    char text[RP_NAME_SIZE];
    if (index)
        print_json_string(out, "interface", interface_text(index, text));
    else
        fputs("\"interface\": null, ", out);
}

static void print_json_owners(FILE *out, const struct rp_socket *socket) {
    char text[RP_NAME_SIZE] = "";
    print_json_number(out, "pid", socket->owner_count ? socket->owners[0].process.pid : -1);
    fputs("\"pids\": [", out);
    for (size_t i = 0; i < socket->owner_count; i++)
        fprintf(out, "%s%d", i ? ", " : "", (int)socket->owners[i].process.pid);
    fputs("], ", out);
    if (socket->owner_count) rp_process_name(&socket->owners[0].process, text);
    print_json_string(out, "command", text);
}

void rp_json_object(FILE *out, const struct rp_socket *socket) {
    static const char *const values[] = {"null", "false", "true"};
    char text[RP_NAME_SIZE];
    putc('{', out);
    print_json_string(out, "proto", rp_proto_name(socket));
    print_json_string(out, "address", address_text(socket, text));
    print_json_interface(out, socket->interface);
    print_json_number(out, "port", socket->local.port);
    print_json_number(out, "uid", socket->uid);
    print_json_string(out, "user", rp_user_name(socket->uid, text));
    print_json_owners(out, socket);
    print_json_number(out, "queue", socket->queue);
    print_json_number(out, "limit", socket->limit);
    print_json_number(out, "inode", socket->inode);
    print_json_string(out, "state", state_name(socket));
    fprintf(out, "\"mptcp\": %s, ", values[socket->mptcp]);
    fprintf(out, "\"shares\": %s", values[socket->shares]);
}

void rp_list_json(const struct rp_sockets *sockets) {
    fputs("[", stdout);
    for (size_t i = 0; i < sockets->count; i++) {
        fputs(i ? ",\n  " : "\n  ", stdout);
        rp_json_object(stdout, &sockets->list[i]);
        putchar('}');
    }
    puts(sockets->count ? "\n]" : "]");
}
