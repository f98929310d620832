/* SPDX-License-Identifier: MIT */
/* Measures what a call costs: the median of BATCHES batches, in nanoseconds, less what reading the
 * clock costs.
 *
 *     calls socket|bind|native|readable|option|getppid|echo PORT BATCHES
 *
 * bind binds a new TCP socket to the port; native sets SO_REUSEPORT first, which counts; readable
 * and option are the calls that the library adds, rt_sigprocmask(2) as a test of an address, and
 * getsockopt(2); echo sends a byte through a pair of sockets and reads it. With BATCHES 0, socket,
 * bind and native are made once, between two calls of getppid(2), to be counted. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CALLS = 200, BATCHES_MAX = 1000 };

static struct sockaddr_in address = {.sin_family = AF_INET};
static int pair[2];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Nanoseconds, the clock's included; '0' makes no call. */
static double once(char what) {
    int fd = -1, value;
    char byte = 'x';
    if (strchr("bno", what)) fd = socket(AF_INET, SOCK_STREAM, 0);
    const double begin = now();
    switch (what) {
    case 's':
        fd = socket(AF_INET, SOCK_STREAM, 0);
        break;
    case 'n':
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
        __attribute__((fallthrough));
    case 'b':
        if (bind(fd, (struct sockaddr *)&address, sizeof(address))) {
            perror("bind");
            exit(1);
        }
        break;
    case 'r':
        syscall(SYS_rt_sigprocmask, ~0U, &address, NULL, 8UL);
        break;
    case 'o':
        getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &(socklen_t){sizeof(value)});
        break;
    case '0':
        break;
    case 'e':
        if (write(pair[0], &byte, 1) != 1 || read(pair[1], &byte, 1) != 1) exit(1);
        break;
    default:
        syscall(SYS_getppid);
        break;
    }
    const double took = now() - begin;
    if (fd >= 0) close(fd);
    return took;
}

static int compare(const void *a, const void *b) {
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The median of the batches. */
static double measure(char what, int count) {
    static double batches[BATCHES_MAX];
    for (int i = 0; i < CALLS; i++) once(what);
    for (int i = 0; i < count; i++) {
        double sum = 0;
        for (int j = 0; j < CALLS; j++) sum += once(what);
        batches[i] = sum / CALLS;
    }
    qsort(batches, (size_t)count, sizeof(*batches), compare);
    return batches[count / 2];
}

/* Between two calls of getppid(2), by which strace's reader finds it. */
static int make_one(char what) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    syscall(SYS_getppid);
    if (what == 's' && socket(AF_INET, SOCK_STREAM, 0) < 0) return 1;
    if (what == 'n') setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    if (what != 's' && bind(fd, (struct sockaddr *)&address, sizeof(address))) return 1;
    syscall(SYS_getppid);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    const int count = atoi(argv[3]);
    const char what = *argv[1];
    address.sin_port = htons((in_port_t)atoi(argv[2]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (count > BATCHES_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 2;
    if (count == 0) return make_one(what);
    printf("%.1f\n", measure(what, count) - measure('0', count));
    return 0;
}
