/* SPDX-License-Identifier: MIT */
/* service/listening: when a copy listens, by what others do, and looks at real sockets. Prints what
 * is not as it should be, and how many checks were made. */
#include "service/listening.h"
#include "check.h"
#include "fence.h"

#include "base/clock.h"
#include "inspect/rights.h"
#include "service/service.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPIES = 2, MOST = 4 };

static struct rp_launch launch;
static struct rp_service_plan plan = {.copies.launch = &launch};
static struct rp_service service = {.plan = &plan, .slots = COPIES};
static struct rp_shared *groups_end;

static void list_ports(const char *text) {
    char bad[RP_ENTRY_SIZE];
    check(!rp_ports_parse(&launch.config.ports, text, bad), "no such list");
}

/* No groups, and two copies: 0 starts, 1 serves. */
static void begin(const char *ports) {
    list_ports(ports);
    service.listening = (struct rp_listening){.list = groups_end};
    for (int i = 0; i < COPIES; i++)
        service.list[i] = (struct rp_copy){.number = i, .state = i ? RP_SERVING : RP_STARTING};
}

/* One group more, with a listener of that copy, which is returned. */
static struct rp_listener *add(enum rp_proto proto, uint16_t port, int copy) {
    struct rp_listening *listening = &service.listening;
    listening->list--;
    listening->count++;
    listening->list->like = (struct rp_socket){.proto = proto, .local.port = port};
    listening->list->count = 1;
    *listening->list->list = (struct rp_listener){.copy = copy};
    return listening->list->list;
}

static bool listens(void) {
    return rp_listens(&service, &service.list[0]);
}

static void check_models(void) {
    begin("8000-8001");
    check(!listens(), "nobody listens");
    struct rp_listener *one = add(RP_TCP, 8000, 1);
    check(!listens(), "another copy does");
    service.list[1].state = RP_STARTING;
    check(!listens(), "another one that starts does");
    add(RP_TCP, 8000, 0);
    check(listens(), "so does this one, at some address");
    service.list[1].state = RP_SERVING;
    check(listens(), "as the other, which is ready, does at another");
    one->copy = RP_STRANGER;
    check(listens(), "what a stranger has does not matter");
    one->copy = 1;
    struct rp_listener *more = add(RP_UDP, 8000, 1);
    check(!listens(), "datagrams are another matter");
    more->copy = 0;
    check(listens(), "it has both");
    add(RP_TCP, 8001, 1);
    check(!listens(), "it lacks a port");
    service.list[1].state = RP_DRAINING;
    check(listens(), "one that is not ready is no model");
    check(rp_listens(&service, &service.list[1]), "nor is a copy its own");
    begin("8000-8001");
    service.list[0].state = RP_SERVING;
    add(RP_TCP, 8000, 0);
    check(!rp_listens(&service, &service.list[1]), "the first copy is one for the second");
}

/* Whether a port counts that a copy has alone, by the list. */
static bool counts(const char *ports, uint16_t port) {
    begin(ports);
    add(RP_UDP, port, 0);
    return listens();
}

static void check_chance(void) {
    const long first = rp_setting("/proc/sys/net/ipv4/ip_local_port_range", 32768);
    char text[64];
    check(!counts("all", (uint16_t)first) && counts("all", (uint16_t)(first - 1)),
          "a port that the kernel may have chosen does not count");
    check(!counts("1-65535", 65000), "however that is written");
    check(counts("2-65535", 65000) && counts("1-65534", 65000), "ranges are chosen");
    snprintf(text, sizeof(text), "all,65000-65002,!65001");
    check(counts(text, 65000) && counts(text, 65001) && counts(text, 65002), "so are those named");
    check(!counts(text, 64999) && !counts(text, 65003), "and no others");
    check(!counts("all,!64000-65002", 65000), "what is excluded is not");
    begin("all");
    add(RP_UDP, 65000, 1);
    add(RP_TCP, 80, 0);
    check(listens(), "nobody else needs the port that another copy was given");
}

static void check_queues(void) {
    begin("8000");
    add(RP_TCP, 8000, 0)->socket.queue = 3;
    add(RP_TCP, 8000, 0)->socket.queue = 4;
    add(RP_TCP, 8000, 0)->socket.queue = -1;
    add(RP_TCP, 8000, 1)->socket.queue = 5;
    check(rp_queued(&service, &service.list[0]) == 7, "the queues of a copy");
    service.listening.list->list->socket.inode = 9;
    struct rp_sockets sockets = rp_shared_sockets(service.listening.list);
    check(sockets.count == 1 && sockets.list->inode == 9, "the sockets of a group");
    free(sockets.list);
}

/* A socket at that address of the loopback; *port: 0 for any, which is stored. */
static int bound(int type, const char *address, uint16_t *port) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(*port)};
    struct sockaddr_in6 name6 = {.sin6_family = AF_INET6, .sin6_port = htons(*port)};
    const bool ipv6 = strchr(address, ':');
    struct sockaddr *where = ipv6 ? (struct sockaddr *)&name6 : (struct sockaddr *)&name;
    socklen_t size = ipv6 ? sizeof(name6) : sizeof(name);
    const int fd = socket(where->sa_family, type | SOCK_CLOEXEC, 0);
    inet_pton(where->sa_family, address, ipv6 ? (void *)&name6.sin6_addr : (void *)&name.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    if (fd < 0 || bind(fd, where, size) || (type == SOCK_STREAM && listen(fd, 4)) ||
        getsockname(fd, where, &size)) {
        perror(address);
        exit(1);
    }
    *port = ntohs(ipv6 ? name6.sin6_port : name.sin_port);
    return fd;
}

/* A connection to the first listener. */
static int connected(uint16_t port) {
    const struct sockaddr_in name = {.sin_family = AF_INET,
                                     .sin_port = htons(port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 2)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(!connect(fd, (const struct sockaddr *)&name, sizeof(name)), "no connection");
    return fd;
}

/* The group at that address, as rp_socket_text() has it, without ":PORT", or NULL. */
static struct rp_shared *find(const char *address, enum rp_proto proto) {
    for (size_t i = 0; i < service.listening.count; i++) {
        struct rp_shared *shared = &service.listening.list[i];
        char text[RP_SOCKET_TEXT];
        rp_socket_text(&shared->like, text);
        *strrchr(text, ':') = '\0';
        if (shared->like.proto == proto && !strcmp(text, address)) return shared;
    }
    return NULL;
}

static size_t count(const char *address) {
    const struct rp_shared *shared = find(address, RP_TCP);
    return shared ? shared->count : 0;
}

static uint32_t inode_of(int fd) {
    struct stat status;
    check(!fstat(fd, &status), "no inode");
    return (uint32_t)status.st_ino;
}

/* Whether the group consists of these two, in the order of joining, and their numbers are known. */
static bool is_pair(const char *address, int older, int newer, bool known) {
    const struct rp_shared *shared = find(address, RP_TCP);
    return shared && shared->count == 2 && shared->list[0].socket.inode == inode_of(older) &&
           shared->list[1].socket.inode == inode_of(newer) && shared->members.count == 2 &&
           shared->members.unordered == (known ? 0 : 2);
}

static bool is_same(double one, double other) {
    return one >= other && one <= other;
}

static void check_queue(uint16_t port, int listener) {
    const int clients[] = {connected(port), connected(port)};
    rp_listening_look(&service, false);
    const struct rp_listener *first = find("127.0.0.3", RP_TCP)->list;
    const double since = first->stalled;
    check(first->socket.queue == 2 && since > 0, "two connections wait");
    check(first->socket.limit == 4, "of four at most");
    rp_listening_look(&service, false);
    check(is_same(first->stalled, since), "they still do");
    close(accept(listener, NULL, NULL));
    rp_listening_look(&service, false);
    check(first->socket.queue == 1 && !first->stalled, "one has been accepted");
    close(accept(listener, NULL, NULL));
    rp_listening_look(&service, false);
    check(first->socket.queue == 0 && !first->stalled, "both have been");
    close(clients[0]);
    close(clients[1]);
}

static int stream(const char *address, uint16_t port) {
    return bound(SOCK_STREAM, address, &port);
}

/* A group is found among many by its address, so these stand in order. */
static void check_order(uint16_t port) {
    const struct rp_listening *listening = &service.listening;
    bool ordered = true;
    for (int i = 10; i < 20; i++) {
        char address[24];
        snprintf(address, sizeof(address), "127.0.0.%d", i);
        stream(address, port);
    }
    rp_listening_look(&service, true);
    for (size_t i = 1; i < listening->count; i++) {
        const struct rp_socket *one = &listening->list[i - 1].like;
        const struct rp_socket *next = &listening->list[i].like;
        if (one->proto == next->proto && one->ipv6 == next->ipv6)
            ordered = ordered && memcmp(&one->local.address, &next->local.address,
                                        sizeof(one->local.address)) < 0;
    }
    check(ordered && listening->count > 10, "groups stand in order");
}

static void check_looks(void) {
    uint16_t port = 0, other = 0;
    char text[16];
    service.listening = (struct rp_listening){.list = NULL};
    const int first = bound(SOCK_STREAM, "127.0.0.3", &port);
    const int twins[] = {stream("127.0.0.5", port), stream("127.0.0.5", port)};
    bound(SOCK_DGRAM, "127.0.0.3", &port);
    bound(SOCK_STREAM, "127.0.0.6", &other);
    snprintf(text, sizeof(text), "%u", port);
    list_ports(text);
    rp_listening_look(&service, true);
    check(count("127.0.0.3") == 1 && find("127.0.0.3", RP_UDP), "groups on the listed port");
    check(!find("127.0.0.6", RP_TCP), "and on no other");
    check(is_pair("127.0.0.5", twins[0], twins[1], false), "the order of members may be another");
    check(!find("127.0.0.3", RP_TCP)->cleaned, "what was there may have a program");
    find("127.0.0.3", RP_TCP)->list->copy = 0;
    find("127.0.0.5", RP_TCP)->steered = true;
    const int second = stream("127.0.0.3", port);
    const int pair[] = {stream("::1", port), stream("::1", port)};
    rp_listening_look(&service, false);
    check(is_pair("127.0.0.3", first, second, true), "one joins a known group");
    check(find("127.0.0.3", RP_TCP)->list->copy == 0, "the other is whose it was");
    check(!find("[::1]", RP_TCP), "a new group is not looked for");
    check(!find("127.0.0.3", RP_UDP), "what is others' alone is left out");
    check(count("127.0.0.5") == 2, "unless it is steered");
    rp_listening_look(&service, true);
    rp_listening_look(&service, true);
    check(find("127.0.0.3", RP_UDP), "whoever looks for all finds it");
    check(count("[::1]") == 2 && !find("[::1]", RP_TCP)->cleaned, "a group after a look at some");
    const int late[] = {stream("127.0.0.4", port), stream("127.0.0.4", port)};
    rp_listening_look(&service, true);
    check(is_pair("127.0.0.4", late[0], late[1], true) && find("127.0.0.4", RP_TCP)->cleaned,
          "a group that is new for certain");
    close(pair[0]);
    close(pair[1]);
    rp_listening_look(&service, true);
    check(!find("[::1]", RP_TCP), "it has gone");
    const int again[] = {stream("::1", port), stream("::1", port)};
    rp_listening_look(&service, true);
    check(is_pair("[::1]", again[0], again[1], true), "it is back");
    close(second);
    rp_listening_look(&service, true);
    check(count("127.0.0.3") == 1 && find("127.0.0.3", RP_TCP)->list->copy == 0, "one has gone");
    check_queue(port, first);
    check_order(port);
}

int main(void) {
    alarm(60);
    service.list = fenced(COPIES, sizeof(*service.list));
    groups_end = (struct rp_shared *)fenced(MOST, sizeof(*groups_end)) + MOST;
    for (int i = 1; i <= MOST; i++) groups_end[-i].list = fenced(1, sizeof(struct rp_listener));
    check_models();
    check_chance();
    check_queues();
    for (int i = 0; i < COPIES; i++) service.list[i].state = RP_ABSENT;
    check_looks();
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
