/* SPDX-License-Identifier: MIT */
/* Has the kernel choose ports for UDP sockets and prints how many got one that is in use:
 *
 *     port-zero bind|connect COUNT */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    static bool taken[65536];
    int twice = 0, failed = 0;
    const int count = argc > 2 ? atoi(argv[2]) : 0;
    const struct rlimit files = {(rlim_t)count + 100, (rlim_t)count + 100};
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < count; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t size = sizeof(address);
        const int fd = socket(AF_INET, SOCK_DGRAM, 0);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (!strcmp(argv[1], "connect")) {
            address.sin_port = htons(9);
            failed += fd < 0 || connect(fd, (struct sockaddr *)&address, size);
        } else {
            failed += fd < 0 || bind(fd, (struct sockaddr *)&address, size);
        }
        if (getsockname(fd, (struct sockaddr *)&address, &size)) failed++;
        twice += taken[ntohs(address.sin_port)];
        taken[ntohs(address.sin_port)] = true;
    }
    printf("sockets=%d failed=%d twice=%d\n", count, failed, twice);
    return 0;
}
