/* SPDX-License-Identifier: MIT */
/* Binds a socket to an address that is odd in one way, and prints result and errno:
 *
 *     address 4|6 FAMILY LENGTH PORT [BEFORE | end]
 *
 * The socket is IPv4 or IPv6, the address its loopback with the number FAMILY in it. Its first
 * BEFORE bytes are on an unreadable page; end: behind its last byte such a page begins. */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* A copy that starts `before` bytes before the border of two pages, of which the first becomes
 * unreadable, or the second, if the copy ends at the border. */
static void *across(const void *what, size_t size, size_t before) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (two == MAP_FAILED) exit(2);
    memcpy(two + page - before, what, size);
    mprotect(before == size ? two + page : two, page, PROT_NONE);
    return two + page - before;
}

int main(int argc, char **argv) {
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        char room[256];
    } address = {.room = {0}};
    if (argc < 5) return 2;
    const int ipv6 = *argv[1] == '6';
    if (ipv6)
        address.ipv6.sin6_addr = in6addr_loopback;
    else
        address.ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.any.sa_family = (sa_family_t)atoi(argv[2]);
    address.ipv4.sin_port = htons((in_port_t)atoi(argv[4]));
    const socklen_t length = (socklen_t)atoi(argv[3]);
    const bool at_end = argc > 5 && !strcmp(argv[5], "end");
    const size_t before = at_end ? length : argc > 5 ? (size_t)atoi(argv[5]) : 0;
    const int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    const void *name =
        before ? across(&address, at_end ? length : sizeof(address), before) : &address;
    errno = EINVAL; /* as an earlier call may have left it */
    const int result = bind(fd, name, length);
    printf("bind=%d %s\n", result, strerror(result ? errno : 0));
    return 0;
}
