/* SPDX-License-Identifier: MIT */
/* service/drain: when a copy that drains has nothing left to do, told by real sockets of this
 * process. Prints what is not as it should be, and how many checks were made. */
#include "service/drain.h"
#include "check.h"
#include "fence.h"

#include "base/clock.h"
#include "service/notes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLIENTS = 4, STEPS = 300 };

static struct rp_launch launch = {.quiet = true};
static struct rp_service_plan plan = {.drain = 60, .copies.launch = &launch};
static struct rp_service service = {.plan = &plan, .slots = 2, .copies.launch = &launch};
static struct rp_copy *copy, *other;
static struct sockaddr_in name = {.sin_family = AF_INET};

/* A socket that the copy receives from, at one port. */
static int bound(int type, struct rp_shared *shared) {
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof(name);
    struct stat status;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&name, size) || (type == SOCK_STREAM && listen(fd, CLIENTS)) ||
        getsockname(fd, (struct sockaddr *)&name, &size) || fstat(fd, &status)) {
        perror("bind");
        _exit(1);
    }
    shared->like.proto = type == SOCK_STREAM ? RP_TCP : RP_UDP;
    shared->like.local.port = ntohs(name.sin_port);
    shared->count = 1;
    shared->list = fenced(1, sizeof(*shared->list));
    *shared->list = (struct rp_listener){.socket = shared->like};
    shared->list->socket.inode = (uint32_t)status.st_ino;
    return fd;
}

static int client(int type) {
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    check(!connect(fd, (struct sockaddr *)&name, sizeof(name)), "no connection");
    return fd;
}

/* The copy began to drain that long ago, and has had nothing to accept for a minute. */
static void begin(double ago) {
    *copy = (struct rp_copy){.state = RP_DRAINING, .since = rp_now() - ago, .server = copy->server};
    copy->busy = copy->since - 60;
}

static bool drains(void) {
    rp_drain_step(&service);
    return copy->state == RP_DRAINING;
}

static void check_connections(int listener) {
    int fds[2 * CLIENTS];
    for (int i = 0; i < 2 * CLIENTS; i += 2) {
        fds[i] = client(SOCK_STREAM);
        fds[i + 1] = accept(listener, NULL, NULL);
    }
    begin(0);
    check(drains() && copy->connections == CLIENTS, "it has connections");
    const double counted = copy->counted;
    check(counted > rp_now(), "they are counted again later");
    const char *end = sbrk(0);
    for (int i = 0; i < STEPS; i++) {
        copy->counted = 0;
        drains();
    }
    check(drains() && sbrk(0) == end, "what is counted is forgotten");
    begin(30);
    check(drains(), "it has a minute for them");
    begin(60);
    check(!drains() && copy->state == RP_ENDING, "and not more");
    for (int i = 0; i < 2 * CLIENTS; i++) close(fds[i]);
    begin(0);
    check(!drains() && copy->state == RP_ENDING, "it has none left");
    check(other->state == RP_SERVING, "the other copy stays");
}

static void check_quiet(void) {
    struct rp_listener *listener = service.listening.list[0].list;
    begin(0);
    listener->socket.queue = 1;
    check(drains() && copy->busy >= copy->since, "a connection waits to be accepted");
    listener->socket.queue = 0;
    copy->busy = rp_now() + 60;
    check(drains(), "one has just been accepted");
    begin(60);
    listener->socket.queue = 1;
    check(drains() || rp_now() >= copy->since + 61, "one that waits has a second more");
    begin(61);
    check(!drains(), "and not more");
    listener->socket.queue = 0;
}

static void check_datagrams(int receiver) {
    const int fd = client(SOCK_DGRAM);
    begin(0);
    check(send(fd, "x", 1, 0) == 1 && drains() && copy->busy >= copy->since, "a datagram waits");
    service.listening.list[1].list->copy = 1;
    begin(0);
    check(!drains(), "one that waits for another copy");
    service.listening.list[1].list->copy = 0;
    check(recv(receiver, &(char){0}, 1, 0) == 1, "it is read");
    begin(0);
    check(!drains(), "none is left");
    close(fd);
}

int main(void) {
    alarm(60);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO); /* what is lost is told */
    rp_notes_prepare(&service);
    service.list = copy = fenced(2, sizeof(*copy));
    other = copy + 1;
    *other = (struct rp_copy){.number = 1, .state = RP_SERVING};
    check(rp_server_plant(&copy->server, getpid()), "no such process");
    service.listening.list = fenced(2, sizeof(*service.listening.list));
    service.listening.count = 2;
    const int listener = bound(SOCK_STREAM, &service.listening.list[0]);
    const int receiver = bound(SOCK_DGRAM, &service.listening.list[1]);
    check_connections(listener);
    check_quiet();
    check_datagrams(receiver);
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
