/* SPDX-License-Identifier: MIT */
/* libFuzzer target: a line as the kernel writes it to /proc/net/tcp or tcp6 is read as it was
 * meant, and whatever follows it ends the reading or is a socket. */
#include "core/procnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* What a line tells, as the kernel has it. */
struct values {
    uint32_t local[4], remote[4], queue, timeouts, uid, inode;
    uint16_t local_port, remote_port;
    unsigned char state, ipv6;
};

static void must(bool condition) {
    if (!condition) abort();
}

static int write_address(char *text, const uint32_t address[4], bool ipv6, uint16_t port) {
    char *at = text;
    for (int i = 0; i < (ipv6 ? 4 : 1); i++) at += sprintf(at, "%08X", address[i]);
    return (int)(at - text) + sprintf(at, ":%04X ", port);
}

/* As tcp4_seq_show() and tcp6_seq_show() of the kernel do. */
static size_t write_line(char *text, const struct values *values) {
    char *at = text + sprintf(text, "%4d: ", 0);
    at += write_address(at, values->local, values->ipv6 & 1, values->local_port);
    at += write_address(at, values->remote, values->ipv6 & 1, values->remote_port);
    at += sprintf(at, "%02X %08X:%08X 01:%08X %08X %5u %8d %u 1 0000000000000000 20 4 30 10 -1\n",
                  values->state, 7U, values->queue, 9U, values->timeouts, values->uid, 0,
                  values->inode);
    return (size_t)(at - text);
}

static bool is_address(const struct rp_endpoint *endpoint, const uint32_t words[4], bool ipv6,
                       uint16_t port) {
    const unsigned char *bytes = endpoint->address.s6_addr;
    return endpoint->port == port &&
           (ipv6 ? !memcmp(bytes, words, 16) : !memcmp(bytes + 12, words, 4));
}

static void check_first(const struct rp_net_socket *socket, const struct values *values) {
    const bool ipv6 = values->ipv6 & 1;
    must(is_address(&socket->local, values->local, ipv6, values->local_port));
    must(is_address(&socket->remote, values->remote, ipv6, values->remote_port));
    must(socket->state == values->state && socket->queue == values->queue);
    must(socket->timeouts == values->timeouts);
    must(socket->uid == values->uid && socket->inode == values->inode);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static int fd = -1;
    struct rp_net_socket socket;
    struct values values;
    char line[256];
    if (size < sizeof(values)) return 0;
    memcpy(&values, data, sizeof(values));
    data += sizeof(values);
    size -= sizeof(values);
    const size_t length = write_line(line, &values);
    if (fd < 0) fd = memfd_create("net", MFD_CLOEXEC);
    must(fd >= 0 && !ftruncate(fd, 0) && pwrite(fd, line, length, 0) == (ssize_t)length);
    must(pwrite(fd, data, size, (off_t)length) == (ssize_t)size && !lseek(fd, 0, SEEK_SET));
    struct rp_lines *lines = malloc(sizeof(*lines)); /* what lies behind is not ours */
    if (!lines) return 0;
    *lines = (struct rp_lines){.fd = fd};
    must(rp_procnet_next(lines, &socket));
    check_first(&socket, &values);
    size_t count = 0;
    while (rp_procnet_next(lines, &socket)) must(++count <= size);
    free(lines);
    return 0;
}
