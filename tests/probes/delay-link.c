/* SPDX-License-Identifier: MIT */
/* A slow link between two network namespaces, for kernels without netem: a TUN device "delay" in
 * each, and this process between them, until TERM.
 *
 *     delay-link MILLISECONDS NAMESPACE-FILE NAMESPACE-FILE */
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* linux/if_tun.h, which musl-gcc leaves out. */
enum { TUN = 1, NO_HEADER = 0x1000, SET_INTERFACE = 0x400454ca };

struct packet {
    struct packet *next;
    long long due;
    ssize_t size;
    char bytes[2048];
};

/* What is on its way from one end to the other. */
struct way {
    int from, to;
    struct packet *first, **last;
};

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

static int open_end(const char *namespace) {
    struct ifreq request = {.ifr_name = "delay"};
    const int file = open(namespace, O_RDONLY | O_CLOEXEC);
    if (file < 0 || setns(file, CLONE_NEWNET)) return -1;
    close(file);
    const int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    request.ifr_flags = TUN | NO_HEADER;
    return tun < 0 || ioctl(tun, (unsigned)SET_INTERFACE, &request) ? -1 : tun;
}

static void take(struct way *way, long long delay) {
    for (;;) {
        struct packet *packet = malloc(sizeof(*packet));
        if (!packet) abort();
        packet->size = read(way->from, packet->bytes, sizeof(packet->bytes));
        if (packet->size <= 0) {
            free(packet);
            return;
        }
        packet->next = NULL;
        packet->due = now() + delay;
        *way->last = packet;
        way->last = &packet->next;
    }
}

static void deliver(struct way *way) {
    while (way->first && way->first->due <= now()) {
        struct packet *packet = way->first;
        if (write(way->to, packet->bytes, (size_t)packet->size) < 0) perror("delay-link: write");
        way->first = packet->next;
        if (!way->first) way->last = &way->first;
        free(packet);
    }
}

int main(int argc, char **argv) {
    struct way ways[2] = {{.from = -1}};
    if (argc != 4) return 2;
    const int a = open_end(argv[2]), b = open_end(argv[3]);
    if (a < 0 || b < 0) {
        perror("delay-link");
        return 1;
    }
    ways[0] = (struct way){a, b, NULL, NULL};
    ways[1] = (struct way){b, a, NULL, NULL};
    for (int i = 0; i < 2; i++) ways[i].last = &ways[i].first;
    puts("linked");
    fflush(stdout);
    for (;;) {
        struct pollfd ends[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
        poll(ends, 2, ways[0].first || ways[1].first ? 1 : -1);
        for (int i = 0; i < 2; i++) {
            take(&ways[i], atoi(argv[1]));
            deliver(&ways[i]);
        }
    }
}
