/* SPDX-License-Identifier: MIT */
/* A single-threaded HTTP server whose requests cost a fixed amount of CPU, and the ways in which
 * several of them can share a port:
 *
 *     server calibrate MICROSECONDS          prints how many rounds of work take that long
 *     server plain|native PORT ROUNDS CPU    native sets SO_REUSEPORT itself; CPU -1: any
 *     server unlocked|exclusive|passing PORT ROUNDS CPUS WORKERS LIMIT
 *                  workers, on CPUS in turn, that accept from one inherited socket: all of them
 *                  wake up; only some, by EPOLLEXCLUSIVE; or so, and who has more than 7/8 of
 *                  LIMIT connections does not listen for a while, as in nginx
 *
 * At TERM each copy prints how many connections it accepted and how often it woke up in vain. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, TURNS = 16 /* as nginx has it */ };

/* How this copy gets its connections. */
struct way {
    uint32_t events; /* of the listener, as for epoll_ctl(2) */
    int limit;       /* of connections; 0: passes none on */
};

static unsigned long rounds, accepted, in_vain;
static int held; /* connections */
static volatile sig_atomic_t ended;
static sigset_t term; /* blocked, except in epoll_pwait(2) */

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void work(unsigned long count) {
    static volatile uint64_t result
        __attribute__((unused)); /* keeps the compiler from leaving the work out */
    uint64_t state = 88172645463325252U;
    for (unsigned long i = 0; i < count; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    result = state;
}

static double cpu_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The fastest of several tries: the others were disturbed. */
static void calibrate(double microseconds) {
    const unsigned long sample = 20000000;
    double best = 1e9;
    for (int i = 0; i < 7; i++) {
        const double begin = cpu_seconds();
        work(sample);
        const double took = cpu_seconds() - begin;
        if (took < best) best = took;
    }
    printf("%.0f\n", (double)sample * microseconds / 1e6 / best);
}

/* -1: to none. */
static void pin(int cpu) {
    cpu_set_t set;
    if (cpu < 0) return;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set)) die("sched_setaffinity");
}

static int open_listener(bool shares, in_port_t port) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (shares && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) die("SO_REUSEPORT");
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address))) die("bind");
    if (listen(fd, 4096)) die("listen");
    return fd;
}

static void watch(int epoll, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data = {.fd = fd}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static void drop(int fd) {
    close(fd);
    held--;
}

/* One at a time, so that others get theirs. */
static void take_connection(int epoll, int listener) {
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
    if (fd < 0) {
        in_vain++;
        return;
    }
    accepted++;
    held++;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    watch(epoll, fd, EPOLLIN);
}

/* As nginx does: who has less than an eighth of its limit free does not listen for as many turns
 * as ngx_accept_disabled says (there, with accept_mutex on). And EPOLLEXCLUSIVE tends to wake the
 * first that was added, so at every sixteenth connection a worker adds the listener anew, behind
 * the others (ngx_reorder_accept_events() of 1.21.6). Returns those turns. */
static int pass_on(int epoll, int listener, const struct way *way) {
    const int disabled = way->limit / 8 - (way->limit - held);
    if (accepted % TURNS && disabled <= 0) return 0;
    epoll_ctl(epoll, EPOLL_CTL_DEL, listener, NULL);
    if (disabled > 0) return disabled;
    watch(epoll, listener, way->events);
    return 0;
}

static void answer(int fd) {
    static const char keep[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
    static const char close_it[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
    char request[2048];
    const ssize_t got = read(fd, request, sizeof(request) - 1);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) drop(fd);
        return;
    }
    request[got] = '\0';
    const bool closes = strstr(request, "Connection: close") != NULL;
    const char *reply = closes ? close_it : keep;
    work(rounds);
    if (write(fd, reply, strlen(reply)) < 0 || closes) drop(fd);
}

static void serve(int listener, const struct way *way) {
    const int epoll = epoll_create1(0);
    struct epoll_event events[EVENTS];
    sigset_t none;
    sigemptyset(&none);
    int turns = 0; /* until it listens */
    while (!ended) {
        if (turns >= 0 && turns-- == 0) watch(epoll, listener, way->events);
        const int count = epoll_pwait(epoll, events, EVENTS, -1, &none);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != listener) {
                answer(events[i].data.fd);
                continue;
            }
            take_connection(epoll, listener);
            const int disabled = way->limit ? pass_on(epoll, listener, way) : 0;
            if (disabled > 0) turns = disabled;
        }
    }
    printf("%lu %lu\n", accepted, in_vain);
    fflush(stdout);
}

static void end(int number) {
    (void)number;
    ended = 1;
}

static void be_worker(int listener, const struct way *way, int cpu, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(0); /* it has ended already */
    pin(cpu);
    serve(listener, way);
    _exit(0);
}

/* Ends them by ending: PR_SET_PDEATHSIG. */
static void run_workers(int listener, const struct way *way, const char *cpus, int workers) {
    const pid_t parent = getpid();
    const char *cpu = cpus;
    for (int i = 0; i < workers; i++) {
        if (fork() == 0) be_worker(listener, way, atoi(cpu), parent);
        cpu = strchr(cpu, ',') ? strchr(cpu, ',') + 1 : cpus;
    }
    int number;
    sigwait(&term, &number);
}

int main(int argc, char **argv) {
    const struct sigaction action = {.sa_handler = end};
    if (argc == 3 && !strcmp(argv[1], "calibrate")) {
        calibrate(atof(argv[2]));
        return 0;
    }
    if (argc != 5 && argc != 7) return 2;
    rounds = strtoul(argv[3], NULL, 10);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    const int listener = open_listener(!strcmp(argv[1], "native"), (in_port_t)atoi(argv[2]));
    const bool alone = argc == 5 || !strcmp(argv[1], "unlocked");
    const struct way way = {.events = alone ? EPOLLIN : EPOLLIN | EPOLLEXCLUSIVE,
                            .limit = !strcmp(argv[1], "passing") ? atoi(argv[6]) : 0};
    if (argc == 7) {
        run_workers(listener, &way, argv[4], atoi(argv[5]));
    } else {
        pin(atoi(argv[4]));
        serve(listener, &way);
    }
    return 0;
}
