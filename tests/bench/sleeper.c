/* SPDX-License-Identifier: MIT */
/* A blocking server that serves one connection at a time, and sleeps for as long as its request
 * says: two CPUs are enough for many copies of it.
 *
 *     sleeper PORT WORKERS [burn]
 *         WORKERS: so many processes accept from one socket
 *         burn: takes CPU time instead
 *
 * A request is a number of microseconds in decimal and a newline; the answer is "ok". */
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int open_listener(in_port_t port) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address))) die("bind");
    if (listen(fd, 4096)) die("listen");
    return fd;
}

/* Until so long after the connection was accepted: what the server itself takes is part of it. */
static void sleep_from(struct timespec time, long microseconds) {
    const long nanoseconds = time.tv_nsec + microseconds % 1000000 * 1000;
    time.tv_sec += microseconds / 1000000 + nanoseconds / 1000000000;
    time.tv_nsec = nanoseconds % 1000000000;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static int64_t cpu_time(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void burn(long microseconds) {
    const int64_t end = cpu_time() + microseconds;
    while (cpu_time() < end)
        ;
}

static void serve(int fd, bool burns) {
    static const char answer[] = "ok\n";
    char request[32];
    struct timespec accepted;
    clock_gettime(CLOCK_MONOTONIC, &accepted);
    const ssize_t got = read(fd, request, sizeof(request) - 1);
    if (got > 0) {
        request[got] = '\0';
        const long work = strtol(request, NULL, 10);
        if (burns)
            burn(work);
        else
            sleep_from(accepted, work);
        if (write(fd, answer, sizeof(answer) - 1) < 0) perror("write");
    }
    close(fd);
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 4) return 2;
    const int listener = open_listener((in_port_t)strtoul(argv[1], NULL, 10));
    const unsigned long workers = strtoul(argv[2], NULL, 10);
    const pid_t parent = getpid();
    for (unsigned long i = 1; i < workers; i++) {
        if (fork()) continue;
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) return 0; /* it has ended already */
        break;
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1UL); /* ns; by default sleeps may last 50 µs longer */
    for (;;) {
        const int fd = accept(listener, NULL, NULL);
        if (fd >= 0) serve(fd, argc > 3);
    }
}
