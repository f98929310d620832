/* SPDX-License-Identifier: MIT */
/* Lines of /proc/net/tcp and its like taken apart. */
#include "core/procnet.h"

#include <string.h>

/* The address in words of 32 bits, each printed as a number of this machine; behind it the port. */
static void read_endpoint(const char *const fields[2], bool ipv6, struct rp_endpoint *endpoint) {
    uint32_t words[4];
    for (int i = 0; i < 4; i++) words[i] = rp_number(fields[0] + (ipv6 ? 8 * i : 0), 16, 8);
    memcpy(&endpoint->address, words, sizeof(endpoint->address));
    if (!ipv6) rp_map_ipv4(&endpoint->address, words);
    endpoint->port = (uint16_t)rp_number(fields[1], 16, 4);
}

static bool is_space(char c) {
    return c == ' ' || c == ':';
}

/* Sets where each field begins. Returns whether there are as many. */
static bool split(const char *at, const char **fields, int count) {
    for (int i = 0; i < count; i++) {
        while (is_space(*at)) at++;
        fields[i] = at;
        while (*at && !is_space(*at)) at++;
    }
    return *fields[count - 1];
}

bool rp_procnet_next(struct rp_lines *lines, struct rp_net_socket *socket) {
    enum {
        LOCAL = 1,
        REMOTE = 3,
        STATE = 5,
        QUEUE = 7,
        TIMEOUTS = 10,
        UID = 11,
        INODE = 13,
        FIELDS
    };
    const char *line = rp_lines_next(lines), *fields[FIELDS];
    if (line && split(line, fields, 1) && *fields[0] == 's') line = rp_lines_next(lines); /* head */
    if (!line || !split(line, fields, FIELDS) || fields[REMOTE] < fields[LOCAL] + 14) return false;
    const bool ipv6 = fields[REMOTE] >= fields[LOCAL] + 38;
    read_endpoint(&fields[LOCAL], ipv6, &socket->local);
    read_endpoint(&fields[REMOTE], ipv6, &socket->remote);
    socket->state = rp_number(fields[STATE], 16, 2);
    socket->queue = rp_number(fields[QUEUE], 16, 8);
    socket->timeouts = rp_number(fields[TIMEOUTS], 16, 8);
    socket->uid = rp_number(fields[UID], 10, 10);
    socket->inode = rp_number(fields[INODE], 10, 10);
    return true;
}

bool rp_is_connection(const struct rp_net_socket *socket, enum rp_proto proto) {
    enum { CLOSE = 7 };
    return proto == RP_TCP && socket->state != RP_LISTEN && socket->state != CLOSE;
}
