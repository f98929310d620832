/* Lines of /proc/net/tcp and its like taken apart. */
#include "core/procnet.h"

#include "core/lines.h"

#include <string.h>

/* The address in words of 32 bits, each printed as a number of this machine; behind it the port. */
static void read_endpoint(const char *const fields[2], bool ipv6, struct rp_endpoint *endpoint) {
    uint32_t words[4];
    for (int i = 0; i < 4; i++) words[i] = rp_number(fields[0] + (ipv6 ? 8 * i : 0), 16, 8);
    memcpy(&endpoint->address, words, sizeof(endpoint->address));
    if (!ipv6) rp_map_ipv4(&endpoint->address, words);
    endpoint->port = (uint16_t)rp_number(fields[1], 16, 4);
}

bool rp_procnet_next(struct rp_lines *lines, struct rp_net_socket *socket) {
    enum { LOCAL = 1, REMOTE = 3, STATE = 5, QUEUE = 7, UID = 11, INODE = 13, FIELDS };
    const char *at = rp_lines_next(lines), *fields[FIELDS];
    if (at && strstr(at, "local_address")) at = rp_lines_next(lines);
    for (int i = 0; at && i < FIELDS; i++) {
        at += strspn(at, " :");
        fields[i] = at;
        at += strcspn(at, " :");
    }
    if (!at || fields[REMOTE] < fields[LOCAL] + 14) return false;
    const bool ipv6 = fields[REMOTE] >= fields[LOCAL] + 38;
    read_endpoint(&fields[LOCAL], ipv6, &socket->local);
    read_endpoint(&fields[REMOTE], ipv6, &socket->remote);
    socket->state = rp_number(fields[STATE], 16, 2);
    socket->queue = rp_number(fields[QUEUE], 16, 8);
    socket->uid = rp_number(fields[UID], 10, 10);
    socket->inode = rp_number(fields[INODE], 10, 10);
    return true;
}
