/* SPDX-License-Identifier: MIT */
/* Until TERM, opens and closes a listener on one port and, usually with the same descriptor, a
 * socket on another; prints how often the other had SO_REUSEPORT on, which nobody had asked for:
 *
 *     churn PORT OTHER */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int number) {
    (void)number;
    ended = 1;
}

/* Binds a new socket, and returns whether the option is on just before it is closed. */
static int live(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(port))};
    int value = 0;
    socklen_t size = sizeof(value);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    /* Whoever adopts the port holds a duplicate of the last socket for a moment. */
    while (bind(fd, (struct sockaddr *)&address, sizeof(address)) && !ended)
        if (errno != EADDRINUSE) exit(1);
    if (listen(fd, 5)) exit(1);
    for (int i = 0; i < 20000; i++) getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &size);
    close(fd);
    return value;
}

int main(int argc, char **argv) {
    long rounds = 0, wrong = 0, adopted = 0;
    if (argc != 3) return 2;
    signal(SIGTERM, end);
    for (; !ended; rounds++) {
        adopted += live(argv[1]);
        wrong += live(argv[2]);
    }
    printf("adopted=%s wrong=%ld\n", adopted ? "some" : "none", wrong);
    return 0;
}
