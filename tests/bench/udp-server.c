/* SPDX-License-Identifier: MIT */
/* A blocking UDP server that answers each datagram with its PID, after it has slept for a while:
 * two CPUs are enough for many copies of it.
 *
 *     udp-server plain|native PORT MICROSECONDS [WORKERS]
 *                native sets SO_REUSEPORT itself; so many processes receive from one socket; 1 by
 *                default */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int open_socket(const char *mode, in_port_t port) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    if (!strcmp(mode, "native") && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)))
        die("SO_REUSEPORT");
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address))) die("bind");
    return fd;
}

/* Until so long after the datagram was received: what the server itself takes is part of it. */
static void sleep_from(struct timespec time, long microseconds) {
    const long nanoseconds = time.tv_nsec + microseconds % 1000000 * 1000;
    time.tv_sec += microseconds / 1000000 + nanoseconds / 1000000000;
    time.tv_nsec = nanoseconds % 1000000000;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static void serve(int fd, long microseconds) {
    char request[64], answer[16];
    const int length = snprintf(answer, sizeof(answer), "%d", (int)getpid());
    for (;;) {
        struct sockaddr_in client;
        struct timespec received;
        socklen_t size = sizeof(client);
        if (recvfrom(fd, request, sizeof(request), 0, (struct sockaddr *)&client, &size) < 0)
            continue;
        clock_gettime(CLOCK_MONOTONIC, &received);
        if (microseconds) sleep_from(received, microseconds);
        if (sendto(fd, answer, (size_t)length, 0, (struct sockaddr *)&client, size) < 0)
            perror("sendto");
    }
}

int main(int argc, char **argv) {
    if (argc < 4 || argc > 5) return 2;
    const int fd = open_socket(argv[1], (in_port_t)strtoul(argv[2], NULL, 10));
    const unsigned long workers = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
    const pid_t parent = getpid();
    for (unsigned long i = 1; i < workers; i++) {
        if (fork()) continue;
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) return 0; /* it has ended already */
        break;
    }
    prctl(PR_SET_TIMERSLACK, 1UL); /* ns; by default sleeps may last 50 µs longer */
    serve(fd, strtol(argv[3], NULL, 10));
    return 0;
}
