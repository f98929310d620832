/* SPDX-License-Identifier: MIT */
/* A plain TCP server that knows nothing of SO_REUSEPORT: it answers each connection with its PID
 * and the number of connections it has accepted, and closes it.
 *
 *     server PORT [ADDRESS [UID]] */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what) {
    fprintf(stderr, "server %d: %s: %s\n", (int)getpid(), what, strerror(errno));
    exit(1);
}

/* An IPv4 or IPv6 address in text; returns its size, or 0. */
static socklen_t read_address(const char *text, in_port_t port, struct sockaddr_storage *address) {
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;
    const int is_ipv4 = inet_pton(AF_INET, text, &ipv4->sin_addr) == 1;
    if (!is_ipv4 && inet_pton(AF_INET6, text, &ipv6->sin6_addr) != 1) return 0;
    address->ss_family = is_ipv4 ? AF_INET : AF_INET6;
    ipv4->sin_port = htons(port); /* in the same place for both */
    return is_ipv4 ? sizeof(*ipv4) : sizeof(*ipv6);
}

int main(int argc, char **argv) {
    struct sockaddr_storage address = {0};
    const in_port_t port = argc > 1 ? (in_port_t)strtoul(argv[1], NULL, 10) : 0;
    const socklen_t size = read_address(argc > 2 ? argv[2] : "0.0.0.0", port, &address);
    if (argc < 2 || argc > 4 || !size) {
        fprintf(stderr, "usage: server PORT [ADDRESS [UID]]\n");
        return 2;
    }
    if (argc > 3 && setuid((uid_t)strtoul(argv[3], NULL, 10))) die("setuid");
    signal(SIGPIPE, SIG_IGN);
    const int listener = socket(address.ss_family, SOCK_STREAM, 0);
    if (listener < 0) die("socket");
    if (bind(listener, (struct sockaddr *)&address, size)) die("bind");
    if (listen(listener, SOMAXCONN)) die("listen");
    printf("server %d: listening on %s:%s\n", (int)getpid(), argc > 2 ? argv[2] : "0.0.0.0",
           argv[1]);
    fflush(stdout);
    for (unsigned long accepted = 1;;) {
        const int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        dprintf(client, "pid %d accepted %lu\n", (int)getpid(), accepted++);
        close(client);
    }
}
