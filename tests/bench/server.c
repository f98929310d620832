/* SPDX-License-Identifier: MIT */
/* A single-threaded HTTP server whose requests cost a fixed amount of CPU, and the ways in which
 * several of them can share a port:
 *
 *     server calibrate MICROSECONDS          prints how many rounds of work take that long
 *     server plain|native|incoming PORT ROUNDS CPU
 *                  native sets SO_REUSEPORT itself, incoming SO_INCOMING_CPU as well; CPU -1: any
 *     server locked|unlocked PORT ROUNDS CPUS WORKERS
 *                  workers, on CPUS in turn, that accept from one inherited socket: the one that
 *                  has the lock, or all. At TERM it prints how often one woke up in vain. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, LOCK_DELAY = 1 /* ms between tries for the lock */ };

/* Shared by the workers. */
struct counts {
    unsigned long accepted, in_vain;
};

static struct counts *counts;
static unsigned long rounds;
static volatile sig_atomic_t ended;

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

static int open_listener(const char *mode, in_port_t port, int cpu) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if ((!strcmp(mode, "native") || !strcmp(mode, "incoming")) &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)))
        die("SO_REUSEPORT");
    if (!strcmp(mode, "incoming") && setsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, sizeof(cpu)))
        die("SO_INCOMING_CPU");
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address))) die("bind");
    if (listen(fd, 4096)) die("listen");
    return fd;
}

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

/* One at a time, so that others get theirs. */
static void take_connection(int epoll, int listener) {
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
    if (fd < 0) {
        counts->in_vain++;
        return;
    }
    counts->accepted++;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    watch(epoll, fd);
}

static void answer(int fd) {
    static const char keep[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
    static const char close_it[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
    char request[2048];
    const ssize_t got = read(fd, request, sizeof(request) - 1);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) close(fd);
        return;
    }
    request[got] = '\0';
    const bool closes = strstr(request, "Connection: close") != NULL;
    const char *reply = closes ? close_it : keep;
    work(rounds);
    if (write(fd, reply, strlen(reply)) < 0 || closes) close(fd);
}

/* lock: -1, or who has it accepts. */
static void serve(int listener, int lock) {
    const int epoll = epoll_create1(0);
    struct epoll_event events[EVENTS];
    if (lock < 0) watch(epoll, listener);
    while (!ended) {
        const bool held = lock >= 0 && !flock(lock, LOCK_EX | LOCK_NB);
        if (held) watch(epoll, listener);
        const int count = epoll_wait(epoll, events, EVENTS, lock < 0 || held ? -1 : LOCK_DELAY);
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listener) take_connection(epoll, listener);
        if (held) {
            epoll_ctl(epoll, EPOLL_CTL_DEL, listener, NULL);
            flock(lock, LOCK_UN);
        }
        for (int i = 0; i < count; i++)
            if (events[i].data.fd != listener) answer(events[i].data.fd);
    }
}

static void end(int number) {
    (void)number;
    ended = 1;
}

/* A lock of its own for each worker: flock(2) is by open file. */
static void be_worker(int listener, bool locked, const char *file) {
    const int lock = locked ? open(file, O_RDWR) : -1;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (locked && lock < 0) die(file);
    serve(listener, lock);
    _exit(0);
}

static void run_workers(int listener, bool locked, char *cpus, int workers) {
    char file[] = "/tmp/bench-lock-XXXXXX";
    if (mkstemp(file) < 0) die(file);
    char *rest = NULL;
    const char *cpu = strtok_r(cpus, ",", &rest);
    int list[64], known = 0;
    for (; cpu && known < 64; cpu = strtok_r(NULL, ",", &rest)) list[known++] = atoi(cpu);
    pid_t pids[64];
    if (known == 0) die("no CPUs");
    for (int i = 0; i < workers && i < 64; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            pin(list[i % known]);
            be_worker(listener, locked, file);
        }
    }
    while (!ended) pause();
    for (int i = 0; i < workers && i < 64; i++) kill(pids[i], SIGTERM);
    for (int i = 0; i < workers && i < 64; i++) waitpid(pids[i], NULL, 0);
    unlink(file);
    printf("%lu %lu\n", counts->accepted, counts->in_vain);
}

int main(int argc, char **argv) {
    const struct sigaction action = {.sa_handler = end};
    if (argc == 3 && !strcmp(argv[1], "calibrate")) {
        calibrate(atof(argv[2]));
        return 0;
    }
    if (argc < 5) return 2;
    counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED) die("mmap");
    rounds = strtoul(argv[3], NULL, 10);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    const int listener = open_listener(argv[1], (in_port_t)atoi(argv[2]), atoi(argv[4]));
    if (argc > 5) {
        run_workers(listener, !strcmp(argv[1], "locked"), argv[4], atoi(argv[5]));
    } else {
        pin(atoi(argv[4]));
        serve(listener, -1);
    }
    return 0;
}
