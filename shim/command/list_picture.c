/* SPDX-License-Identifier: MIT */
/* What reuseport list --watch shows: a table with bars, or JSON. Names are made plain where they
 * are read, so nothing in it steers a terminal. */
#include "base/die.h"
#include "command/list_watch.h"
#include "core/procnet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHARE = 9, COLUMNS = 10, GAP = 2, PERCENT = 5, BAR = 20, BAR_LEAST = 4, BAR_MOST = 50 };

static FILE *open_text(char **text, size_t *length) {
    FILE *out = open_memstream(text, length);
    if (!out) rp_die("%s", strerror(errno));
    return out;
}

static void close_text(FILE *out) {
    if (fclose(out)) rp_die("%s", strerror(errno));
}

static void fill_queue(char cell[RP_NAME_SIZE], const struct rp_socket *socket) {
    if (socket->queue < 0)
        snprintf(cell, RP_NAME_SIZE, "-");
    else if (socket->limit < 0)
        snprintf(cell, RP_NAME_SIZE, "%ld/?", socket->queue);
    else
        snprintf(cell, RP_NAME_SIZE, "%ld/%ld", socket->queue, socket->limit);
}

static void fill_row(struct rp_row *row, const struct rp_socket *socket,
                     const struct rp_load *load) {
    static const char *const states[] = {
        [RP_UNKNOWN] = "?", [RP_NO] = "runs", [RP_YES] = "stopped"};
    rp_row_place(row, socket);
    rp_row_owner(row, 4, socket);
    snprintf(row->cells[6], RP_NAME_SIZE, "%s", states[load->stopped]);
    fill_queue(row->cells[7], socket);
    if (load->connections < 0)
        snprintf(row->cells[8], RP_NAME_SIZE, socket->state == RP_LISTEN ? "?" : "-");
    else
        snprintf(row->cells[8], RP_NAME_SIZE, "%ld", load->connections);
}

/* The percentage, and a bar of at most room characters. */
static void fill_share(char cell[RP_NAME_SIZE], const struct rp_load *load, int room) {
    static const char bar[BAR_MOST + 1] = "##################################################";
    if (load->connections < 0 || !load->total) {
        snprintf(cell, RP_NAME_SIZE, "-");
        return;
    }
    const double share = (double)load->connections / (double)load->total;
    snprintf(cell, RP_NAME_SIZE, "%3.0f%% %.*s", 100 * share, (int)(share * room + 0.5), bar);
}

/* The characters that the other columns leave for a bar. */
static int room_for_bar(const struct rp_table *table, int width) {
    int left = width - PERCENT;
    if (!width) return BAR;
    for (int column = 0; column < SHARE; column++) {
        const int taken = rp_table_width(table, column);
        left -= taken ? taken + GAP : 0;
    }
    if (left < BAR_LEAST) return 0;
    return left < BAR_MOST ? left : BAR_MOST;
}

static void print_table(FILE *out, const struct rp_watch *watch, int width) {
    static const struct rp_row head = {{"PROTO", "ADDRESS", "INTERFACE", "PORT", "PID", "COMMAND",
                                        "PROCESS", "QUEUE", "ESTAB", "SHARE"}};
    const size_t count = watch->sockets.count;
    struct rp_table table = {calloc(count + 1, sizeof(struct rp_row)), count + 1, COLUMNS,
                             1 << 3 | 1 << 4 | 1 << 7 | 1 << 8, false};
    if (!table.rows) rp_die("%s", strerror(errno));
    table.rows[0] = head;
    for (size_t i = 0; i < count; i++) {
        fill_row(&table.rows[i + 1], &watch->sockets.list[i], &watch->loads[i]);
        table.interfaces = table.interfaces || watch->sockets.list[i].interface;
    }
    const int room = room_for_bar(&table, width);
    for (size_t i = 0; i < count; i++)
        fill_share(table.rows[i + 1].cells[SHARE], &watch->loads[i], room);
    rp_table_print(out, &table);
    free(table.rows);
}

char *rp_watch_table(const struct rp_watch *watch, int width) {
    const struct rp_selection *selection = &watch->selection;
    char *text;
    size_t length;
    FILE *out = open_text(&text, &length);
    if (watch->sockets.count)
        print_table(out, watch, width);
    else if (!selection->named)
        fputs("no port is shared\n", out);
    else if (selection->count == 1)
        fprintf(out, "nothing holds port %u\n", selection->ports[0].port);
    else
        fputs("nothing holds any of these ports\n", out);
    close_text(out);
    return text;
}

char *rp_watch_json(const struct rp_watch *watch) {
    static const char *const values[] = {
        [RP_UNKNOWN] = "null", [RP_NO] = "false", [RP_YES] = "true"};
    char *text;
    size_t length;
    struct timespec now;
    FILE *out = open_text(&text, &length);
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(out, "{\"time\": %lld.%03ld, \"sockets\": [", (long long)now.tv_sec,
            now.tv_nsec / 1000000);
    for (size_t i = 0; i < watch->sockets.count; i++) {
        const struct rp_load *load = &watch->loads[i];
        if (i) fputs(", ", out);
        rp_json_object(out, &watch->sockets.list[i]);
        fprintf(out,
                load->connections < 0 ? ", \"stopped\": %s, \"connections\": null"
                                      : ", \"stopped\": %s, \"connections\": %ld",
                values[load->stopped], load->connections);
        if (load->connections < 0 || !load->total)
            fputs(", \"share\": null}", out);
        else
            fprintf(out, ", \"share\": %.4f}", (double)load->connections / (double)load->total);
    }
    fputs("]}\n", out);
    close_text(out);
    return text;
}
