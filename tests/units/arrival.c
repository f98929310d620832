/* SPDX-License-Identifier: MIT */
/* What look/traffic and look/coverage tell of handshakes, flows and addresses in looks that
 * are made up here. Prints what is not as it should be, and how many checks were made. */
#include "check.h"
#include "look/coverage.h"
#include "look/traffic.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ESTABLISHED = 1, SYN_RECV = 3, CLOSE = 7, LISTEN = 10 };

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
    struct rp_groups groups = {.count = 0};
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

/* A listener: ADDRESS[%INTERFACE], "only" before an address of IPv6 for IPV6_V6ONLY. */
static struct rp_socket named(const char *name) {
    char address[64];
    const bool only = !strncmp(name, "only", 4);
    snprintf(address, sizeof(address), "%s", name + (only ? 4 : 0));
    char *interface = strchr(address, '%');
    if (interface) *interface++ = '\0';
    struct rp_socket socket = at(RP_TCP, address, LISTEN);
    socket.ipv6_only = only;
    socket.interface = interface ? (uint32_t)atoi(interface) : 0;
    return socket;
}

static void check_row(const char *old, const char *new, const char *beside, bool covered) {
    struct rp_look look = {.of = {{NULL, 0, 0}}};
    struct rp_groups groups = {.count = 0};
    char text[RP_ADDRESSES_TEXT], what[128];
    put(&look, RP_OLD, named(old));
    put(&look, RP_NEW, named(new));
    if (beside) put(&look, RP_NEW, named(beside));
    rp_groups_make(&groups, &look.of[RP_OLD]);
    snprintf(what, sizeof(what), "%s by %s %s is%s covered", old, new, beside ? beside : "",
             covered ? " not" : "");
    check(rp_group_is_covered(groups.list, &look) == covered, what);
    check(!*rp_uncovered(&groups, &look, text) == covered, what);
    rp_look_free(&look);
    free(groups.list);
}

static void check_coverage(void) {
    static const struct {
        const char *old, *new, *beside;
        bool covered;
    } rows[] = {
        {"127.0.0.1", "127.0.0.1", NULL, true},
        {"127.0.0.1", "127.0.0.2", NULL, false},
        {"127.0.0.1", "0.0.0.0", NULL, true},
        {"127.0.0.1", "::", NULL, true},
        {"127.0.0.1", "only::", NULL, false},
        {"127.0.0.1", "::1", NULL, false},
        {"0.0.0.0", "127.0.0.1", NULL, false},
        {"0.0.0.0", "127.0.0.1", "127.0.0.2", false},
        {"0.0.0.0", "::", NULL, true},
        {"0.0.0.0", "only::", NULL, false},
        {"0.0.0.0", "only::", "0.0.0.0", true},
        {"::1", "::1", NULL, true},
        {"::1", "::2", NULL, false},
        {"::1", "::", NULL, true},
        {"::1", "only::", NULL, true},
        {"::1", "0.0.0.0", NULL, false},
        {"only::", "only::", NULL, true},
        {"only::", "::", NULL, true},
        {"only::", "::1", NULL, false},
        {"only::", "0.0.0.0", NULL, false},
        {"::", "::", NULL, true},
        {"::", "only::", NULL, false},
        {"::", "0.0.0.0", NULL, false},
        {"::", "0.0.0.0", "only::", true},
        {"::", "127.0.0.1", "only::", false},
        {"::", "0.0.0.0", "::1", false},
        {"::ffff:127.0.0.1", "127.0.0.1", NULL, true},
        {"::ffff:0.0.0.0", "0.0.0.0", NULL, true},
        {"::", "::ffff:0.0.0.0", "only::", true},
        {"127.0.0.1%2", "127.0.0.1%2", NULL, true},
        {"127.0.0.1%2", "127.0.0.1%3", NULL, false},
        {"127.0.0.1%2", "0.0.0.0", NULL, true},
        {"0.0.0.0", "0.0.0.0%2", NULL, false},
        {"::%2", "0.0.0.0%2", "only::", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check_row(rows[i].old, rows[i].new, rows[i].beside, rows[i].covered);
}

/* Of many addresses the first are listed, and that there are more. */
static void check_lists(void) {
    struct rp_look look = {.of = {{NULL, 0, 0}}};
    struct rp_groups groups = {.count = 0};
    char text[RP_ADDRESSES_TEXT], address[64];
    struct rp_socket udp = at(RP_UDP, "127.0.0.1", CLOSE);
    put(&look, RP_OLD, udp);
    put(&look, RP_NEW, at(RP_UDP, "127.0.0.1", ESTABLISHED));
    put(&look, RP_NEW, at(RP_TCP, "127.0.0.1", LISTEN));
    rp_groups_make(&groups, &look.of[RP_OLD]);
    check(!strcmp(rp_missing(&groups, &look, 1, text), "127.0.0.1:80/udp"), text);
    put(&look, RP_NEW, at(RP_UDP, "127.0.0.2", CLOSE));
    check(!*rp_missing(&groups, &look, 1, text), "missing where it is on another address");
    check(!strcmp(rp_uncovered(&groups, &look, text), "127.0.0.1:80/udp"), text);
    check(*rp_missing(&groups, &look, 2, text), "one socket will do for two copies");
    for (int i = 1; i < 100; i++) {
        snprintf(address, sizeof(address), "2001:db8:1111:1111:1111:1111:1111:%x", 0x1000 + i);
        put(&look, RP_OLD, at(RP_TCP, address, LISTEN));
    }
    rp_groups_make(&groups, &look.of[RP_OLD]);
    rp_uncovered(&groups, &look, text);
    check(strlen(text) > RP_ADDRESSES_TEXT / 2 && strlen(text) < RP_ADDRESSES_TEXT, "length");
    check(!strcmp(text + strlen(text) - 9, "/tcp, ..."), text);
    rp_look_free(&look);
    free(groups.list);
}

int main(void) {
    check_coverage();
    check_lists();
    check_flows();
    check_handshakes();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
