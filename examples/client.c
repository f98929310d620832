/* SPDX-License-Identifier: MIT */
/* Opens connections to a server one after the other, and shows how many each process answered.
 *
 *     client PORT [COUNT [ADDRESS]] */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVERS_MAX = 1024, BAR = 40 };

struct share {
    int pid;
    unsigned long count;
};

static struct share shares[SERVERS_MAX];

static void count_answer(int pid) {
    for (struct share *share = shares; share < shares + SERVERS_MAX; share++) {
        if (share->pid && share->pid != pid) continue;
        share->pid = pid;
        share->count++;
        return;
    }
}

/* The PID of the process that answered one connection; 0 and errno if none did. */
static int ask(const struct sockaddr_in *address) {
    char answer[128];
    size_t length = 0;
    ssize_t got;
    int pid = 0;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return 0;
    if (!connect(fd, (const struct sockaddr *)address, sizeof(*address))) {
        while (length < sizeof(answer) - 1 &&
               (got = read(fd, answer + length, sizeof(answer) - 1 - length)) > 0)
            length += (size_t)got;
        answer[length] = '\0';
        if (sscanf(answer, "pid %d", &pid) != 1) errno = EPROTO;
    }
    const int keep = errno;
    close(fd);
    errno = keep;
    return pid;
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    const unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 60;
    if (argc < 2 || argc > 4 || !count ||
        inet_pton(AF_INET, argc > 3 ? argv[3] : "127.0.0.1", &address.sin_addr) != 1) {
        fprintf(stderr, "usage: client PORT [COUNT [ADDRESS]]\n");
        return 2;
    }
    address.sin_port = htons((unsigned short)strtoul(argv[1], NULL, 10));
    for (unsigned long i = 0; i < count; i++) {
        const int pid = ask(&address);
        if (!pid) {
            fprintf(stderr, "client: connection %lu: %s\n", i + 1, strerror(errno));
            return 1;
        }
        count_answer(pid);
    }
    for (const struct share *share = shares; share < shares + SERVERS_MAX && share->pid; share++) {
        printf("pid %-7d %5lu  ", share->pid, share->count);
        for (unsigned long i = 0; i < (share->count * BAR + count - 1) / count; i++) putchar('#');
        putchar('\n');
    }
    return 0;
}
