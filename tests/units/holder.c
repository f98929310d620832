/* SPDX-License-Identifier: MIT */
/* core/holder and core/diag: which socket is in the way of a bind, which of several is named, and
 * answers of the kernel that are made up here. Prints what is not as it should be, and how many
 * checks were made. */
#define rp_diag_sockets made_up_diag_sockets /* the command has its own */
#define rp_holder_find made_up_holder_find
#define rp_own_pid made_up_own_pid
#include "core/holder.c" /* NOLINT(bugprone-suspicious-include): its static functions */
#include "check.h"
#include "core/diag.c" /* NOLINT(bugprone-suspicious-include): its static functions */

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>

/* An address of IPv4 in its mapped form, or of IPv6, and port 80. */
static struct rp_endpoint at(const char *address) {
    struct rp_endpoint where = {.port = 80};
    char mapped[64];
    snprintf(mapped, sizeof(mapped), strchr(address, ':') ? "%s" : "::ffff:%s", address);
    check(inet_pton(AF_INET6, mapped, &where.address) == 1, "no address");
    return where;
}

static bool in_way(const char *socket, const char *bound) {
    const struct rp_endpoint where = at(bound);
    return is_in_way(&(struct rp_net_socket){.local = at(socket)}, &where);
}

static void check_way(void) {
    struct rp_endpoint where = at("127.0.0.1");
    where.port = 81;
    check(!is_in_way(&(struct rp_net_socket){.local = at("127.0.0.1")}, &where), "another port");
    check(in_way("127.0.0.1", "127.0.0.1") && in_way("::1", "::1"), "the same address");
    check(!in_way("127.0.0.2", "127.0.0.1") && !in_way("::2", "::1"), "another address");
    check(in_way("0.0.0.0", "127.0.0.1") && in_way("127.0.0.1", "0.0.0.0"), "a wildcard of IPv4");
    check(in_way("::", "::1") && in_way("::1", "::"), "a wildcard of IPv6");
    check(in_way("::", "127.0.0.1") && in_way("127.0.0.1", "::"), "one for both");
    check(in_way("::", "0.0.0.0") && in_way("0.0.0.0", "::"), "both wildcards");
    check(!in_way("0.0.0.0", "::1") && !in_way("::1", "0.0.0.0"), "IPv4's is not for IPv6");
    check(!in_way("127.0.0.1", "::1") && !in_way("::1", "127.0.0.1"), "another family");
}

enum { ESTABLISHED = 1, USER = 1000, OTHER = 1001 };

/* Whether a socket of that state and user is named rather than the one that is known. */
static bool better(unsigned state, uint32_t uid, unsigned than, uint32_t than_uid) {
    struct rp_holder holder = {.socket = {.state = than, .uid = than_uid}};
    const struct search search = {.user = USER, .proto = RP_TCP, .holder = &holder};
    return is_better(&search, &(struct rp_net_socket){.state = state, .uid = uid});
}

static void check_choice(void) {
    check(better(RP_LISTEN, USER, 0, 0) && better(ESTABLISHED, USER, 0, 0), "any rather than none");
    check(better(RP_LISTEN, USER, ESTABLISHED, OTHER), "a listener rather than a connection");
    check(!better(ESTABLISHED, OTHER, RP_LISTEN, USER), "no connection rather than a listener");
    check(better(RP_LISTEN, OTHER, RP_LISTEN, USER), "another user's rather than this one's");
    check(better(ESTABLISHED, OTHER, ESTABLISHED, USER), "that of connections, too");
    check(!better(RP_LISTEN, USER, RP_LISTEN, USER), "the first of several of this user");
    check(!better(RP_LISTEN, OTHER, RP_LISTEN, OTHER), "the first of several of another user");
    check(!better(RP_LISTEN, USER, RP_LISTEN, OTHER), "not this user's rather than another's");
}

/* Where the kernel does not answer by netlink. */
static void check_table(void) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    struct rp_endpoint where = at("127.0.0.1");
    struct rp_holder holder = {.pid = 0};
    struct search search = {.where = &where, .proto = RP_TCP, .holder = &holder};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(!bind(fd, (struct sockaddr *)&name, size) && !listen(fd, 1) &&
              !getsockname(fd, (struct sockaddr *)&name, &size),
          "no listener");
    where.port = ntohs(name.sin_port);
    rp_budget_start(&search.budget, 1000000000);
    const int before = count_descriptors();
    read_table(&search, "/proc/net/none");
    check(!holder.socket.state, "no table");
    read_table(&search, "/proc/net/tcp");
    check(holder.socket.state == RP_LISTEN && holder.socket.inode > 0, "a listener in a table");
    check(count_descriptors() == before, "no table is left open");
    close(fd);
}

/* An answer of netlink: messages of those sizes. */
static _Alignas(8) char answer[1024];
static size_t answered;

static void begin(void) {
    memset(answer, 0, sizeof(answer));
    answered = 0;
}

static struct reply *put(uint16_t type, uint32_t length, size_t size) {
    struct reply *reply = (struct reply *)(answer + answered);
    reply->head.type = type;
    reply->head.length = length;
    answered += size;
    return reply;
}

static struct reply *put_socket(uint16_t port, uint32_t length) {
    struct reply *reply = put(BY_FAMILY, length, (length + 3U) & ~3U);
    *reply =
        (struct reply){.head = reply->head, .family = AF_INET, .state = RP_LISTEN, .uid = USER};
    reply->id.local_port[0] = (unsigned char)(port >> 8);
    reply->id.local_port[1] = (unsigned char)port;
    memcpy(reply->id.local, "\x7f\0\0\1", 4);
    reply->received = 5;
    reply->inode = 4711;
    return reply;
}

static struct rp_net_socket last;
static unsigned visits;

static void visit(void *context, const struct rp_net_socket *socket) {
    *(struct rp_net_socket *)context = *socket;
    visits++;
}

static bool leads(enum progress progress, unsigned sockets) {
    visits = 0;
    return read_messages(answer, answered, 8080, visit, &last) == progress && visits == sockets;
}

static void check_answers(void) {
    const struct rp_endpoint local = at("127.0.0.1");
    begin();
    check(leads(MORE, 0), "an empty answer");
    put_socket(8080, sizeof(struct reply));
    check(leads(MORE, 1), "a socket");
    check(last.state == RP_LISTEN && last.uid == USER && last.queue == 5 && last.inode == 4711 &&
              last.local.port == 8080 && !memcmp(&last.local.address, &local.address, 16),
          "what is known of it");
    struct reply *reply = put_socket(8080, sizeof(*reply) + 7);
    reply->family = AF_INET6;
    put_socket(8081, sizeof(*reply) + 1);
    check(leads(MORE, 2), "two of three sockets, and attributes behind them");
    check(!memcmp(&last.local.address, "\x7f\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 16), "of IPv6");
    put(BY_FAMILY, sizeof(struct head), sizeof(struct head));
    check(leads(MORE, 2), "a message without a socket");
    put(LAST, sizeof(struct head), sizeof(struct head));
    put_socket(8080, sizeof(*reply));
    check(leads(COMPLETE, 2), "the end");
    begin();
    put_socket(8080, sizeof(*reply));
    put(ERROR, sizeof(struct head) + 4, sizeof(struct head) + 4);
    check(leads(REFUSED, 1), "an error");
    begin();
    put(BY_FAMILY, sizeof(struct head) - 1, sizeof(struct head));
    check(leads(REFUSED, 0), "a message that is too short");
    begin();
    put_socket(8080, sizeof(*reply) + 4);
    answered -= 4;
    check(leads(REFUSED, 0), "a message that is cut off");
    answered = sizeof(struct head) - 4;
    check(leads(MORE, 0), "a head that is cut off");
    begin();
    put(BY_FAMILY, sizeof(struct reply) - 4, sizeof(struct reply) - 4);
    check(leads(MORE, 0), "a socket that is cut off");
}

int main(void) {
    check_way();
    check_choice();
    check_table();
    check_answers();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
