/* SPDX-License-Identifier: MIT */
/* Has a listener join a group and close so many times, while clients connect to the other member,
 * to which a program sends everything:
 *
 *     gap PORT CLOSINGS [invisible]     invisible: the listener is made so before it closes */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

enum { CLIENTS = 8, RETURN = 0x06, NOWHERE = 0x7fffffff };

/* linux/filter.h, which musl-gcc leaves out. */
struct instruction {
    unsigned short code;
    unsigned char if_true, if_false;
    unsigned k;
};
struct program {
    unsigned short length;
    struct instruction *instructions;
};

static struct sockaddr_in address = {.sin_family = AF_INET};
static volatile int ended;

static void check(int result, const char *what) {
    if (result >= 0) return;
    perror(what);
    exit(1);
}

static void set(int fd, int option, int value) {
    check(setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)), "setsockopt");
}

static int join(void) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    set(fd, SO_REUSEPORT, 1);
    check(bind(fd, (struct sockaddr *)&address, sizeof(address)), "bind");
    check(listen(fd, 4096), "listen");
    return fd;
}

/* Resets each connection, so that no TIME_WAIT is in the way of the next from the same port. */
static void *serve(void *listener) {
    const struct linger at_once = {1, 0};
    for (;;) {
        const int fd = accept(*(int *)listener, NULL, NULL);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        if (fd >= 0) close(fd);
    }
    return NULL;
}

static void *connect_on(void *count) {
    char byte;
    while (!ended) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (!connect(fd, (struct sockaddr *)&address, sizeof(address)) && recv(fd, &byte, 1, 0) < 0)
            ++*(unsigned long *)count;
        close(fd);
    }
    return NULL;
}

int main(int argc, char **argv) {
    static unsigned long counts[CLIENTS];
    unsigned long all = 0;
    pthread_t server, clients[CLIENTS];
    struct instruction first = {RETURN, 0, 0, 0};
    const struct program program = {1, &first};
    if (argc < 3) return 2;
    address.sin_port = htons((in_port_t)atoi(argv[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = join();
    check(setsockopt(listener, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)),
          "attach");
    pthread_create(&server, NULL, serve, &listener);
    for (int i = 0; i < CLIENTS; i++) pthread_create(&clients[i], NULL, connect_on, &counts[i]);
    for (int i = 0; i < atoi(argv[2]); i++) {
        const int leaving = join();
        if (argc > 3) set(leaving, SO_BINDTOIFINDEX, NOWHERE);
        usleep(200); /* longer than a look-up that is under way */
        close(leaving);
    }
    ended = 1;
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i], NULL);
        all += counts[i];
    }
    printf("%s closings, %lu connections\n", argv[2], all);
    return 0;
}
