/* A plain TCP server that knows nothing of SO_REUSEPORT: it answers each connection with its PID and
 * how many connections it has accepted, and closes it.
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

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (argc < 2 || argc > 4 ||
        inet_pton(AF_INET, argc > 2 ? argv[2] : "0.0.0.0", &address.sin_addr) != 1) {
        fprintf(stderr, "usage: server PORT [ADDRESS [UID]]\n");
        return 2;
    }
    address.sin_port = htons((unsigned short)strtoul(argv[1], NULL, 10));
    if (argc > 3 && setuid((uid_t)strtoul(argv[3], NULL, 10))) die("setuid");
    signal(SIGPIPE, SIG_IGN);
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0) die("socket");
    if (bind(listener, (struct sockaddr *)&address, sizeof(address))) die("bind");
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
