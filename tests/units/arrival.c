/* SPDX-License-Identifier: MIT */
/* What handover/traffic tells of handshakes and flows in looks that are made up here. Prints what is
 * not as it should be, and how many checks were made. */
#include "handover/traffic.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ESTABLISHED = 1, SYN_RECV = 3, CLOSE = 7, LISTEN = 10 };

static unsigned checks, failures;

static void check(bool good, const char *what) {
    checks++;
    failures += !good;
    if (!good) puts(what);
}

/* A socket on an address of IPv4 or IPv6, port 80. */
static struct rp_socket at(enum rp_proto proto, const char *address, unsigned state) {
    static uint32_t inodes = 100;
    struct rp_socket socket = {.proto = proto,
                               .ipv6 = strchr(address, ':') != NULL,
                               .state = state,
                               .local.port = 80,
                               .queue = state == LISTEN ? 0 : -1,
                               .limit = state == LISTEN ? 16 : -1};
    char mapped[64];
    socket.inode = ++inodes;
    snprintf(mapped, sizeof(mapped), socket.ipv6 ? "%s" : "::ffff:%s", address);
    if (inet_pton(AF_INET6, mapped, &socket.local.address) != 1) exit(2);
    return socket;
}

static void put(struct rp_look *look, enum rp_side side, struct rp_socket socket) {
    rp_sockets_add(&look->of[side], &socket);
    rp_sockets_index(&look->of[side]);
}

/* A handshake, begun from that port, whose SYN-ACK has been sent again or not. */
static struct rp_socket handshake(uint16_t from, bool repeated) {
    struct rp_socket socket = at(RP_TCP, "127.0.0.1", SYN_RECV);
    socket.inode = 0;
    socket.repeated = repeated;
    socket.remote = socket.local;
    socket.remote.port = from;
    return socket;
}

static void check_handshakes(void) {
    struct rp_look look = {.of = {{NULL, 0, 0}}}, later = look;
    struct rp_groups groups = {NULL, 0};
    struct rp_sockets unsettled = {NULL, 0, 0};
    put(&look, RP_OLD, at(RP_TCP, "127.0.0.1", LISTEN));
    rp_groups_make(&groups, &look.of[RP_OLD]);
    put(&look, RP_NOBODY, handshake(1, false));
    put(&look, RP_NOBODY, handshake(2, true));
    rp_unsettled(&groups, &look, &unsettled);
    check(rp_still_unsettled(&look, &unsettled) == 1, "an unanswered SYN-ACK is under way");
    put(&later, RP_NOBODY, handshake(1, true));
    check(rp_still_unsettled(&later, &unsettled) == 0, "it still is when it is sent again");
    struct rp_socket answered = handshake(2, false);
    answered.state = ESTABLISHED;
    put(&later, RP_NOBODY, answered);
    check(rp_still_unsettled(&later, &unsettled) == 1, "answered late, it is not waited for");
    rp_look_free(&look);
    rp_look_free(&later);
    rp_sockets_free(&unsettled);
    free(groups.list);
}

static void check_flows(void) {
    struct rp_look look = {.of = {{NULL, 0, 0}}};
    struct rp_socket flow = at(RP_UDP, "127.0.0.1", ESTABLISHED), open = at(RP_UDP, "::", CLOSE);
    check(!rp_is_receiver(&flow) && rp_is_receiver(&open), "a connected UDP socket receives all");
    flow.unread = 1280;
    put(&look, RP_OLD, flow);
    put(&look, RP_OLD, open);
    check(rp_connections(&look, RP_OLD) == 1, "a connected UDP socket alone is a connection");
    check(rp_waiting(&look, RP_OLD) == 0, "what a flow has not read holds the queues up");
    rp_look_free(&look);
}

int main(void) {
    check_flows();
    check_handshakes();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
