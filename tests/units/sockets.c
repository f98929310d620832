/* SPDX-License-Identifier: MIT */
/* inspect/sockets: addresses of both ends are in the form that struct rp_endpoint promises.
 * Prints what is not as it should be, and how many checks were made. */
#include "inspect/sockets.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned checks, failures;

static void check(bool good, const char *what, const char *text) {
    checks++;
    failures += !good;
    if (!good) printf("wrong: %s of a socket on %s\n", what, text);
}

/* An address of the family, mapped if it is IPv4. */
static struct in6_addr form_of(const char *text) {
    struct in6_addr address = {.s6_addr = {[10] = 0xff, 0xff}};
    if (strchr(text, ':'))
        inet_pton(AF_INET6, text, &address);
    else
        inet_pton(AF_INET, text, address.s6_addr + 12);
    return address;
}

/* A socket bound to any port of the loopback address; *name: where. */
static int bound(int type, const char *text, struct sockaddr_storage *name, socklen_t *size) {
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    const bool is_ipv6 = inet_pton(AF_INET6, text, &ipv6.sin6_addr) == 1;
    inet_pton(AF_INET, text, &ipv4.sin_addr);
    const int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, type, 0);
    *size = is_ipv6 ? sizeof(ipv6) : sizeof(ipv4);
    memcpy(name, is_ipv6 ? (const void *)&ipv6 : &ipv4, *size);
    if (bind(fd, (const struct sockaddr *)name, *size) ||
        getsockname(fd, (struct sockaddr *)name, size))
        perror(text);
    return fd;
}

static void check_pair(enum rp_proto proto, const char *text) {
    struct sockaddr_storage here, there;
    struct rp_sockets found = {NULL, 0, 0};
    socklen_t size;
    const int type = proto == RP_TCP ? SOCK_STREAM : SOCK_DGRAM;
    const int server = bound(type, text, &there, &size);
    const int client = bound(type, text, &here, &size);
    const struct in6_addr form = form_of(text);
    if (proto == RP_TCP) listen(server, 1);
    check(!connect(client, (struct sockaddr *)&there, size), "connect()", text);
    const uint16_t port = ntohs(((const struct sockaddr_in *)&here)->sin_port);
    const unsigned states = proto == RP_TCP ? 1U << RP_ESTABLISHED : 0;
    rp_sockets_find(&(struct rp_wanted){proto, port, states}, &found);
    check(found.count == 1, "count", text);
    if (found.count == 1) {
        const struct rp_socket *socket = found.list;
        check(IN6_ARE_ADDR_EQUAL(&socket->local.address, &form), "local address", text);
        check(IN6_ARE_ADDR_EQUAL(&socket->remote.address, &form), "remote address", text);
        check(socket->remote.port == ntohs(((const struct sockaddr_in *)&there)->sin_port),
              "remote port", text);
    }
    rp_sockets_free(&found);
    close(client);
    close(server);
}

static struct {
    _Alignas(struct nlmsghdr) char bytes[4096];
    size_t length;
} forged; /* what the kernel answers next, instead of its own answer */

/* Instead of libc's. */
ssize_t recv(int fd, void *to, size_t size, int flags) {
    const size_t length = forged.length;
    if (!length) return syscall(SYS_recvfrom, fd, to, size, flags, NULL, NULL);
    memcpy(to, forged.bytes, length);
    forged.length = 0;
    return (ssize_t)length;
}

/* Appends a message of that many bytes about a socket on that port. */
static void forge(unsigned short type, size_t size, uint16_t port) {
    struct nlmsghdr *header = (struct nlmsghdr *)(forged.bytes + forged.length);
    struct inet_diag_msg *message = NLMSG_DATA(header);
    *header = (struct nlmsghdr){.nlmsg_len = (unsigned)NLMSG_LENGTH(size), .nlmsg_type = type};
    *message = (struct inet_diag_msg){.idiag_family = AF_INET, .id.idiag_sport = htons(port)};
    forged.length += NLMSG_ALIGN(header->nlmsg_len);
}

/* Asks for the sockets on a port on which there is none, so that the answer is the forged one. */
static size_t count_forged(uint16_t port) {
    struct rp_sockets found = {NULL, 0, 0};
    rp_sockets_find_family(&(struct rp_wanted){RP_TCP, port, 0}, AF_INET, &found);
    const size_t count = found.count;
    rp_sockets_free(&found);
    return count;
}

static void check_answers(void) {
    const size_t whole = sizeof(struct inet_diag_msg);
    forge(SOCK_DIAG_BY_FAMILY, whole, 1);
    forge(NLMSG_DONE, whole, 0);
    check(count_forged(1) == 1, "count", "an answer of one");
    forge(SOCK_DIAG_BY_FAMILY, whole, 0);
    forge(SOCK_DIAG_BY_FAMILY, whole - 1, 1);
    forge(SOCK_DIAG_BY_FAMILY, whole, 1);
    forge(SOCK_DIAG_BY_FAMILY, whole, 2);
    forge(NLMSG_DONE, whole, 0);
    check(count_forged(1) == 1, "count", "an answer of others, too");
    forge(SOCK_DIAG_BY_FAMILY, whole, 0);
    forge(SOCK_DIAG_BY_FAMILY, whole - 1, 1);
    forge(NLMSG_DONE, whole, 0);
    check(count_forged(0) == 0, "count", "an answer of none that has a port");
    forge(SOCK_DIAG_BY_FAMILY, whole, 1);
    forge(NLMSG_ERROR, whole, 0);
    check(count_forged(1) == 0, "count", "an answer that is broken off");
}

/* Bytes of memory that this process has for data. */
static long data_size(void) {
    long pages = -1;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%*d %*d %*d %*d %*d %ld", &pages) != 1) perror("statm");
    if (file) fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* What is found and freed a thousand times leaves nothing. */
static void check_memory(void) {
    enum { COUNT = 1000, SOCKETS = 32 };
    const struct rp_socket socket = {.proto = RP_TCP};
    const long before = data_size();
    for (int i = 0; i < COUNT; i++) {
        struct rp_sockets sockets = {NULL, 0, 0};
        for (int j = 0; j < SOCKETS; j++) rp_sockets_add(&sockets, &socket);
        sockets.list[0].owners = malloc(sizeof(struct rp_owner[SOCKETS]));
        rp_sockets_free(&sockets);
    }
    check(data_size() - before < COUNT * (long)sizeof(struct rp_owner[SOCKETS]) / 2, "memory",
          "no address");
}

int main(int argc, char **argv) {
    (void)argv; /* one word: there is no sock_diag */
    if (argc < 2) check_answers();
    check_memory();
    check_pair(RP_TCP, "127.0.0.1");
    check_pair(RP_UDP, "127.0.0.3");
    check_pair(RP_TCP, "::1");
    check_pair(RP_UDP, "::1");
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
