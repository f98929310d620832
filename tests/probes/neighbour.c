/* SPDX-License-Identifier: MIT */
/* Another preload library, beside ours. It sets SO_REUSEPORT on every socket when it is created, as
 * simple shims do. Told by variables, it does something else instead: NEIGHBOUR_COUNTS counts the
 * calls that pass through it; NEIGHBOUR_EARLY is a port that its constructor binds to, with
 * NEIGHBOUR_RAW a socket that was created without libc, so that bind() is the first call. */
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int sockets, binds;

int socket(int domain, int type, int protocol) {
    int (*next)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
    const int fd = next(domain, type, protocol);
    sockets++;
    if (!getenv("NEIGHBOUR_COUNTS") && !getenv("NEIGHBOUR_EARLY"))
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    return fd;
}

int bind(int fd, const struct sockaddr *address, socklen_t length) {
    int (*next)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
    binds++;
    return next(fd, address, length);
}

/* Through the dynamic linker, so that the first library in LD_PRELOAD gets the call. */
__attribute__((constructor)) static void early(void) {
    const char *port = getenv("NEIGHBOUR_EARLY");
    struct sockaddr_in address = {.sin_family = AF_INET};
    int value = -1;
    socklen_t size = sizeof(value);
    if (!port) return;
    int (*first_socket)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_DEFAULT, "socket");
    int (*first_bind)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_DEFAULT, "bind");
    address.sin_port = htons((in_port_t)atoi(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = getenv("NEIGHBOUR_RAW") ? (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0)
                                           : first_socket(AF_INET, SOCK_STREAM, 0);
    const int result = first_bind(fd, (struct sockaddr *)&address, sizeof(address));
    getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &size);
    printf("early bind=%d reuseport=%d\n", result, value);
    fflush(stdout);
    close(fd);
}

__attribute__((destructor)) static void report(void) {
    if (getenv("NEIGHBOUR_COUNTS")) {
        printf("neighbour sockets=%d binds=%d\n", sockets, binds);
        fflush(stdout);
    }
}
