/* SPDX-License-Identifier: MIT */
/* An open-loop load generator: sends each request at its time, on a connection of its own, whatever
 * became of the others, and counts what it took from when it was due.
 *
 *     open-loop PORT LIMIT [CLIENTS]
 *         LIMIT: milliseconds after which a client counts as hung
 *         CLIENTS: a closed loop: no more than so many requests are under way
 *
 * On stdin, in order, a line for each request: when it is due (microseconds from the start), its
 * source address and port, the microseconds of work it asks for. On stdout a line for each: when it
 * was due, how late it was sent, how long its answer took, both in microseconds, and answered, hung
 * or failed. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256 };
#define TIMER UINT32_MAX
enum state { WAITING, CONNECTING, SENT, ANSWERED, HUNG, FAILED };
static const char *const names[] = {"waiting", "connecting", "sent", "answered", "hung", "failed"};

struct request {
    int64_t due, late, took; /* µs */
    struct sockaddr_in source;
    long work; /* µs */
    int fd;
    enum state state;
};

static struct request *requests;
static uint32_t total, next, oldest; /* next: the first not sent; oldest: the first not ended */
static uint32_t under_way, clients = UINT32_MAX;
static int epoll, timer;
static int64_t begin, limit; /* µs */
static struct sockaddr_in server = {.sin_family = AF_INET};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000 - begin;
}

static void read_requests(void) {
    struct request request = {.fd = -1, .source = {.sin_family = AF_INET}};
    char source[INET_ADDRSTRLEN];
    uint32_t room = 0;
    uint16_t port;
    while (scanf("%" SCNd64 " %15s %" SCNu16 " %ld", &request.due, source, &port, &request.work) ==
           4) {
        if (inet_pton(AF_INET, source, &request.source.sin_addr) != 1) die(source);
        request.source.sin_port = htons(port);
        if (total == room) {
            room = room ? 2 * room : 1024;
            requests = realloc(requests, room * sizeof(*requests));
            if (!requests) die("realloc");
        }
        requests[total++] = request;
    }
}

static void end(struct request *request, enum state state) {
    request->state = state;
    request->took = now() - request->due;
    under_way--;
    if (request->fd >= 0) close(request->fd);
    request->fd = -1;
}

static void control(int operation, int fd, uint32_t index, uint32_t events) {
    struct epoll_event event = {.events = events, .data = {.u32 = index}};
    if (epoll_ctl(epoll, operation, fd, &event)) die("epoll_ctl");
}

/* Addresses and ports come again in the next run, which the last one's remains must not keep. */
static void start(uint32_t index) {
    struct request *const request = &requests[index];
    const struct sockaddr *const source = (const struct sockaddr *)&request->source;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    request->late = now() - request->due;
    request->fd = fd;
    request->state = CONNECTING;
    under_way++;
    if (fd < 0) die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, source, sizeof(request->source)) ||
        (connect(fd, (const struct sockaddr *)&server, sizeof(server)) && errno != EINPROGRESS))
        end(request, FAILED);
    else
        control(EPOLL_CTL_ADD, fd, index, EPOLLOUT);
}

static void go_on(uint32_t index) {
    struct request *const request = &requests[index];
    char text[32];
    if (request->state == CONNECTING) {
        const int length = snprintf(text, sizeof(text), "%ld\n", request->work);
        if (send(request->fd, text, (size_t)length, MSG_NOSIGNAL) != length) {
            end(request, FAILED);
            return;
        }
        request->state = SENT;
        control(EPOLL_CTL_MOD, request->fd, index, EPOLLIN);
    } else if (request->state == SENT) {
        const ssize_t got = read(request->fd, text, sizeof(text));
        if (got >= 0 || errno != EAGAIN) end(request, got > 0 ? ANSWERED : FAILED);
    }
}

static bool may_send(void) {
    return next < total && under_way < clients;
}

/* For the next request, or for the limit of the oldest. */
static void set_timer(void) {
    const int64_t expiry = requests[oldest].due + limit;
    const bool sends_first = may_send() && requests[next].due < expiry;
    const int64_t at = begin + (sends_first ? requests[next].due : expiry);
    const struct itimerspec time = {
        .it_value = {.tv_sec = at / 1000000, .tv_nsec = at % 1000000 * 1000}};
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &time, NULL)) die("timerfd_settime");
}

static void run(void) {
    struct epoll_event events[EVENTS];
    while (oldest < total) {
        set_timer();
        const int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.u32 != TIMER) go_on(events[i].data.u32);
        while (may_send() && requests[next].due <= now()) start(next++);
        for (; oldest < next; oldest++) {
            struct request *const request = &requests[oldest];
            if (request->state >= ANSWERED) continue;
            if (now() < request->due + limit) break;
            end(request, HUNG);
        }
    }
}

int main(int argc, char **argv) {
    struct rlimit files;
    if (argc < 3 || argc > 4) return 2;
    server.sin_port = htons((in_port_t)strtoul(argv[1], NULL, 10));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    limit = strtol(argv[2], NULL, 10) * 1000;
    if (argc > 3) clients = (uint32_t)strtoul(argv[3], NULL, 10);
    read_requests();
    if (getrlimit(RLIMIT_NOFILE, &files)) die("getrlimit");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files)) die("setrlimit");
    epoll = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (epoll < 0 || timer < 0) die("timerfd_create");
    control(EPOLL_CTL_ADD, timer, TIMER, EPOLLIN);
    begin = now();
    run();
    for (uint32_t i = 0; i < total; i++)
        printf("%" PRId64 " %" PRId64 " %" PRId64 " %s\n", requests[i].due, requests[i].late,
               requests[i].took, names[requests[i].state]);
    return 0;
}
