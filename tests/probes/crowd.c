/* SPDX-License-Identifier: MIT */
/* A busy machine: until TERM, listens on LISTENERS ports from 20000 on and holds both ends of
 * CONNECTIONS to them, in processes with some 5000 descriptors each.
 *
 *     crowd LISTENERS CONNECTIONS */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_PORT = 20000 };

static struct sockaddr_in address_of(int number) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((in_port_t)(FIRST_PORT + number));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void must(int result) {
    if (result >= 0) return;
    perror("crowd");
    exit(1);
}

/* What one process does, within the limit of descriptors. */
static void live(int first, int listeners, int connections) {
    int *sockets = calloc((size_t)listeners, sizeof(*sockets));
    if (!sockets) exit(1);
    for (int i = 0; i < listeners; i++) {
        const struct sockaddr_in address = address_of(first + i);
        must(sockets[i] = socket(AF_INET, SOCK_STREAM, 0));
        must(bind(sockets[i], (const struct sockaddr *)&address, sizeof(address)));
        must(listen(sockets[i], 16));
    }
    for (int i = 0; i < connections; i++) {
        const struct sockaddr_in address = address_of(first + i % listeners);
        const int client = socket(AF_INET, SOCK_STREAM, 0);
        must(client);
        must(connect(client, (const struct sockaddr *)&address, sizeof(address)));
        must(accept(sockets[i % listeners], NULL, NULL));
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const int listeners = atoi(argv[1]), connections = atoi(argv[2]);
    const int parts = 1 + (listeners + 2 * connections) / 5000;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int part = 0; part < parts; part++) {
        int ready[2];
        char byte;
        must(pipe(ready));
        const pid_t child = fork();
        must(child);
        if (!child) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            live(listeners / parts * part, listeners / parts, connections / parts);
            must((int)write(ready[1], "", 1));
            for (;;) pause();
        }
        close(ready[1]);
        if (read(ready[0], &byte, 1) != 1) return 1;
        close(ready[0]);
    }
    puts("ready");
    fflush(stdout);
    for (;;) pause();
}
