/* SPDX-License-Identifier: MIT */
/* Makes calls that no sane program makes and prints result and errno of each, to be compared with
 * and without the library. The argument is a port that the list names. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_in address = {.sin_family = AF_INET};
static struct sockaddr_in6 address6 = {.sin6_family = AF_INET6};
static int row;

/* Closes the socket, so that the next can have its port. */
static void try_bind(const char *what, int fd, const void *name, socklen_t length) {
    errno = 4242; /* must survive success */
    const int result = bind(fd, name, length);
    printf("%2d %s: %d %s\n", ++row, what, result,
           errno == 4242 ? "errno untouched" : strerror(errno));
    if (fd > STDERR_FILENO) close(fd);
}

static void try_socket(const char *what, int domain, int type, int protocol) {
    errno = 4242;
    const int fd = socket(domain, type, protocol);
    printf("%2d %s: %s %s\n", ++row, what, fd < 0 ? "-1" : "descriptor",
           errno == 4242 ? "errno untouched" : strerror(errno));
    if (fd >= 0) close(fd);
}

static int tcp(void) {
    return socket(AF_INET, SOCK_STREAM, 0);
}

static int tcp6(void) {
    return socket(AF_INET6, SOCK_STREAM, 0);
}

/* A copy of the address that ends, or begins, so many bytes before the end of what can be read. */
static void *at_end(const void *what, size_t size, size_t before) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(two + page - before, what, size);
    mprotect(two + page, page, PROT_NONE);
    return two + page - before;
}

int main(int argc, char **argv) {
    int pipes[2];
    address.sin_port = address6.sin6_port = htons((in_port_t)atoi(argc > 1 ? argv[1] : "0"));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address6.sin6_addr = in6addr_loopback;
    if (pipe(pipes)) return 1;

    try_bind("NULL, 0", tcp(), NULL, 0);
    try_bind("NULL, 16", tcp(), NULL, 16);
    try_bind("unreadable", tcp(), (void *)8, 16);
    try_bind("unreadable, huge", tcp(), (void *)-4096, 16);
    try_bind("kernel address", tcp(), (void *)(1UL << (8 * sizeof(long) - 1)), 16);
    try_bind("read-only, good", tcp(), at_end(&address, 16, 16), 16);
    for (socklen_t before = 0; before < 16; before += 2)
        try_bind("crosses into nothing", tcp(), at_end(&address, before, before), 16);
    for (socklen_t before = 16; before <= 28; before += 2)
        try_bind("IPv6 crosses into nothing", tcp6(), at_end(&address6, before, before), 28);
    try_bind("IPv6 without its zone at the end of a page", tcp6(), at_end(&address6, 24, 24), 24);
    try_bind("IPv4 of 128 bytes crosses into nothing", tcp(), at_end(&address, 16, 16), 128);
    for (socklen_t length = 0; length <= 16; length++) try_bind("short", tcp(), &address, length);
    for (socklen_t length = 16; length <= 28; length += 4)
        try_bind("short IPv6", tcp6(), &address6, length);
    try_bind("length 129", tcp(), &address, 129);
    try_bind("negative length", tcp(), &address, (socklen_t)-1);
    try_bind("huge length", tcp(), &address, 0x7fffffff);
    try_bind("unaligned", tcp(), memcpy((char[32]){0} + 1, &address, 16), 16);
    try_bind("descriptor -1", -1, &address, 16);
    try_bind("closed descriptor", 999, &address, 16);
    try_bind("huge descriptor", 0x7fffffff, &address, 16);
    try_bind("least descriptor", (int)0x80000000, &address, 16);
    try_bind("pipe", pipes[0], &address, 16);

    const int twice = socket(AF_INET, SOCK_DGRAM, 0);
    try_bind("good", dup(twice), &address, 16);
    try_bind("bound already", twice, &address, 16);
    address.sin_family = AF_INET6;
    try_bind("IPv6 family in 16 bytes", tcp(), &address, 16);
    try_bind("IPv6 family in 16 bytes on IPv6", tcp6(), &address, 16);
    address.sin_family = AF_UNIX;
    try_bind("UNIX family on inet", tcp(), &address, 16);
    address.sin_family = 12345;
    try_bind("no such family", tcp(), &address, 16);
    address.sin_family = AF_UNSPEC;
    try_bind("AF_UNSPEC with an address", tcp(), &address, 16);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(0x08080808);
    try_bind("not an address of this machine", tcp(), &address, 16);
    try_bind("IPv4 on IPv6", tcp6(), &address, 16);
    try_bind("inet address on a UNIX socket", socket(AF_UNIX, SOCK_STREAM, 0), &address, 16);
    address.sin_addr.s_addr = htonl(INADDR_BROADCAST);
    try_bind("broadcast", tcp(), &address, 16);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (getuid() == 0 && setuid(65534)) return 1;
    address.sin_port = htons(81);
    try_bind("privileged port", tcp(), &address, 16);

    try_socket("no such domain", 4711, SOCK_STREAM, 0);
    try_socket("no such type", AF_INET, 4711, 0);
    try_socket("no such protocol", AF_INET, SOCK_STREAM, 4711);
    try_socket("UDP over a stream", AF_INET, SOCK_STREAM, IPPROTO_UDP);
    try_socket("raw without the right", AF_INET, SOCK_RAW, IPPROTO_TCP);
    try_socket("good", AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    try_socket("UNIX", AF_UNIX, SOCK_SEQPACKET, 0);
    return 0;
}
