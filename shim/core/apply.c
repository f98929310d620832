/* SPDX-License-Identifier: MIT */
/* From an address to a verdict, and from a verdict to a socket's options. */
#include "core/apply.h"

#include "core/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

unsigned rp_endpoint_size(unsigned length) {
    if (length < RP_IPV4_SIZE || length > sizeof(struct sockaddr_storage)) return 0;
    return length < RP_IPV6_SIZE ? RP_IPV4_SIZE : RP_IPV6_SIZE;
}

bool rp_endpoint_read(const unsigned char *bytes, unsigned size, struct rp_endpoint *where) {
    sa_family_t family;
    memcpy(&family, bytes, sizeof(family));
    where->port = (uint16_t)(bytes[2] << 8 | bytes[3]);
    if (family == AF_INET6) {
        memcpy(&where->address, bytes + 8, 16);
        return size == RP_IPV6_SIZE;
    }
    rp_map_ipv4(&where->address, bytes + 4);
    /* bind(2) takes AF_UNSPEC for AF_INET if the address is 0.0.0.0. */
    return family == AF_INET || (family == AF_UNSPEC && !memcmp(bytes + 4, "\0\0\0", 4));
}

enum rp_proto rp_ask_proto(int fd) {
    int type = 0;
    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof(type)});
    return type == SOCK_STREAM ? RP_TCP : type == SOCK_DGRAM ? RP_UDP : 0;
}

bool rp_is_shared(int fd) {
    int on = 0;
    return !getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &(socklen_t){sizeof(on)}) && on;
}

/* Sets a boolean option. Returns whether that changed it. */
static bool switch_option(int fd, int option, int wanted, struct rp_failure *failure) {
    int before;
    *failure = (struct rp_failure){"getsockopt", 0};
    if (!getsockopt(fd, SOL_SOCKET, option, &before, &(socklen_t){sizeof(before)})) {
        failure->call = NULL;
        if (!before == !wanted) return false;
        if (!setsockopt(fd, SOL_SOCKET, option, &wanted, sizeof(wanted))) return true;
        failure->call = "setsockopt";
    }
    failure->error = errno;
    return false;
}

struct rp_change rp_apply(const struct rp_config *config, int fd, const struct rp_endpoint *where,
                          bool known) {
    const enum rp_verdict tcp = rp_ports_match(&config->ports, where, RP_TCP);
    const enum rp_verdict udp = rp_ports_match(&config->ports, where, RP_UDP);
    struct rp_change change = {.verdict = tcp};
    if (tcp != udp || (tcp != RP_LEAVE && (!known || config->reuseaddr))) {
        errno = 0;
        const enum rp_proto proto = rp_ask_proto(fd);
        change.verdict = proto == RP_TCP ? tcp : proto == RP_UDP ? udp : RP_LEAVE;
        if (!proto && errno && (tcp == RP_SHARE || udp == RP_SHARE))
            return (struct rp_change){.verdict = RP_SHARE, .failure = {"getsockopt", errno}};
        if (config->reuseaddr && change.verdict == RP_SHARE && proto == RP_TCP)
            change.reuseaddr = switch_option(fd, SO_REUSEADDR, 1, &change.failure);
    }
    if (change.verdict != RP_LEAVE)
        change.reuseport =
            switch_option(fd, SO_REUSEPORT, change.verdict == RP_SHARE, &change.failure);
    return change;
}

void rp_unapply(int fd, const struct rp_change *change) {
    const int before = change->verdict != RP_SHARE;
    if (change->reuseport) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &before, sizeof(before));
    if (change->reuseaddr) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){0}, sizeof(int));
}

void rp_tell(int fd, const struct rp_endpoint *where) {
    struct rp_message message = RP_MESSAGE;
    rp_say(&message, where ? "bind " : "socket");
    if (where) rp_say_endpoint(&message, where, rp_ask_proto(fd));
    rp_say(&message, rp_is_shared(fd) ? ": shared" : ": not shared");
    rp_send(&message);
}
