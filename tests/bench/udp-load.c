/* SPDX-License-Identifier: MIT */
/* Flows of datagrams to a UDP server, each from a loopback address of its own: a flow sends its
 * next datagram when the last one has been answered.
 *
 *     udp-load PORT FLOWS MILLISECONDS
 *
 * Prints how many datagrams were answered in a second, how many were lost in all (a flow that loses
 * one falls silent), and the percentage of a CPU that this program took. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, PATIENCE = 1000 /* ms for the last answers */ };

static int epoll;
static unsigned long answered, under_way;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double seconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void ask(int fd) {
    if (send(fd, "?", 1, 0) == 1) under_way++;
}

/* The same addresses in each run; the kernel chooses the ports. */
static void open_flow(in_port_t port) {
    const struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const uint32_t host = (uint32_t)random() % 0xfffffe + 1;
    const struct sockaddr_in source = {.sin_family = AF_INET,
                                       .sin_addr = {htonl(UINT32_C(127) << 24 | host)}};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    if (fd < 0 || bind(fd, (const struct sockaddr *)&source, sizeof(source)) ||
        connect(fd, (const struct sockaddr *)&server, sizeof(server)) ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        die("flow");
    ask(fd);
}

/* Takes answers; milliseconds: at most so long until the first. False if there was none. */
static bool take(int milliseconds, bool go_on) {
    struct epoll_event events[EVENTS];
    const int count = epoll_wait(epoll, events, EVENTS, milliseconds);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
        char answer[16];
        if (recv(events[i].data.fd, answer, sizeof(answer), 0) <= 0) continue;
        under_way--;
        answered += go_on;
        if (go_on) ask(events[i].data.fd);
    }
    return count > 0;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    const unsigned long flows = strtoul(argv[2], NULL, 10);
    const double length = strtod(argv[3], NULL) / 1000;
    epoll = epoll_create1(0);
    for (unsigned long i = 0; i < flows; i++) open_flow((in_port_t)strtoul(argv[1], NULL, 10));
    const double begin = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    while (seconds(CLOCK_MONOTONIC) < begin + length) take(10, true);
    const double took = seconds(CLOCK_MONOTONIC) - begin;
    const double busy = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    for (bool more = true; more && under_way;) more = take(PATIENCE, false);
    printf("%.0f %lu %.1f\n", (double)answered / took, under_way, 100 * busy / took);
    return 0;
}
