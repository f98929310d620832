/* SPDX-License-Identifier: MIT */
/* A socket that is bound and not connected may be a server's or a client's; only its port tells. */
#include "handover/clients.h"

#include "base/die.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct range {
    unsigned first, last;
    struct rp_ports reserved; /* by an administrator, for servers */
};

static bool read_line(const char *path, char *line, int size) {
    FILE *file = fopen(path, "re");
    const bool found = file && fgets(line, size, file);
    if (file) fclose(file);
    if (found) line[strcspn(line, "\n")] = '\0';
    return found;
}

static struct range read_range(void) {
    struct range range = {.first = 32768, .last = 60999};
    char line[4096], bad[RP_ENTRY_SIZE];
    if (read_line("/proc/sys/net/ipv4/ip_local_port_range", line, sizeof(line)))
        sscanf(line, "%u %u", &range.first, &range.last);
    /* In the grammar of lists; one that is longer than those leaves no port reserved. */
    if (read_line("/proc/sys/net/ipv4/ip_local_reserved_ports", line, sizeof(line)))
        rp_ports_parse(&range.reserved, line, bad);
    return range;
}

static bool is_client(const struct range *range, const struct rp_socket *socket) {
    const unsigned port = socket->local.port;
    return socket->proto == RP_UDP && port >= range->first && port <= range->last &&
           rp_ports_match(&range->reserved, &socket->local, RP_UDP) != RP_SHARE;
}

/* Appends "PORT/udp" to a text that may be cut off. */
static void append(char *text, size_t size, unsigned port) {
    const size_t length = strlen(text);
    snprintf(text + length, size - length, "%s%u/udp", length ? ", " : "", port);
}

size_t rp_clients_leave_out(struct rp_sockets *sockets) {
    const struct range range = read_range();
    char ports[256] = "";
    unsigned last = 0;
    size_t kept = 0, dropped = 0;
    for (size_t i = 0; i < sockets->count; i++) {
        struct rp_socket *socket = &sockets->list[i];
        if (!is_client(&range, socket)) {
            sockets->list[kept++] = *socket;
            continue;
        }
        if (socket->local.port != last) append(ports, sizeof(ports), socket->local.port);
        last = socket->local.port;
        free(socket->owners);
        dropped++;
    }
    sockets->count = kept;
    if (dropped)
        rp_warn("replace: leaving out %s, as net.ipv4.ip_local_port_range is for clients; name a "
                "server's ports with -p",
                ports);
    return dropped;
}
