/* SPDX-License-Identifier: MIT */
/* Netlink by raw system calls: libc's functions are cancellation points, and other preloads
 * intercept them. The structs are those of linux/netlink.h and linux/inet_diag.h, which not every
 * libc comes with. */
#include "core/diag.h"

#include "core/kernel.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCK_DIAG = 4, BY_FAMILY = 20, REQUEST = 1, DUMP = 0x300, LAST = 3, ERROR = 2 };

/* Of an answer. */
enum progress { MORE, COMPLETE, REFUSED };

struct head {
    uint32_t length;
    uint16_t type, flags;
    uint32_t sequence, sender;
};

/* Ports and addresses are in network byte order. */
struct id {
    unsigned char local_port[2], remote_port[2], local[16], remote[16];
    uint32_t interface, cookie[2];
};

struct request {
    struct head head;
    uint8_t family, protocol, extensions, pad;
    uint32_t states;
    struct id id;
};

struct reply {
    struct head head;
    uint8_t family, state, timer, retransmits;
    struct id id;
    uint32_t expires, received, sent, uid, inode;
};

static void read_endpoint(const struct reply *reply, const unsigned char *address,
                          const unsigned char port[2], struct rp_endpoint *endpoint) {
    endpoint->port = (uint16_t)(port[0] << 8 | port[1]);
    if (reply->family == AF_INET)
        rp_map_ipv4(&endpoint->address, address);
    else
        memcpy(&endpoint->address, address, sizeof(endpoint->address));
}

static void visit_reply(const struct reply *reply, uint16_t port, rp_diag_visit *visit,
                        void *context) {
    struct rp_net_socket socket = {
        .state = reply->state, .uid = reply->uid, .queue = reply->received, .inode = reply->inode};
    read_endpoint(reply, reply->id.local, reply->id.local_port, &socket.local);
    read_endpoint(reply, reply->id.remote, reply->id.remote_port, &socket.remote);
    if (socket.local.port == port) visit(context, &socket);
}

/* Visits the sockets of one datagram of messages, each at a multiple of 4. */
static enum progress read_messages(const char *at, size_t size, uint16_t port, rp_diag_visit *visit,
                                   void *context) {
    size_t left = size & ~(size_t)3;
    while (left >= sizeof(struct head)) {
        const struct head *head = (const struct head *)at;
        if (head->type == LAST) return COMPLETE;
        if (head->type == ERROR || head->length < sizeof(*head) || head->length > left)
            return REFUSED;
        if (head->length >= sizeof(struct reply))
            visit_reply((const struct reply *)head, port, visit, context);
        const size_t step = (head->length + (size_t)3) & ~(size_t)3;
        at += step;
        left -= step;
    }
    return MORE;
}

/* Reads the answer to the end. */
static bool read_answer(int netlink, uint16_t port, rp_diag_visit *visit, void *context) {
    static _Alignas(8) char buffer[8192]; /* as much as the kernel puts into one message */
    enum progress progress;
    do {
        const long got =
            syscall(SYS_recvfrom, netlink, buffer, sizeof(buffer), MSG_DONTWAIT, NULL, NULL);
        if (got <= 0) return false;
        progress = read_messages(buffer, (size_t)got, port, visit, context);
    } while (progress == MORE);
    return progress == COMPLETE;
}

bool rp_diag_sockets(int family, enum rp_proto proto, uint16_t port, uint32_t states,
                     rp_diag_visit *visit, void *context) {
    const struct request request = {
        .head = {sizeof(request), BY_FAMILY, REQUEST | DUMP, 0, 0},
        .family = (uint8_t)family,
        .protocol = proto == RP_UDP ? IPPROTO_UDP : IPPROTO_TCP,
        .states = states,
        .id.local_port = {(unsigned char)(port >> 8), (unsigned char)port},
    };
    const int netlink = (int)syscall(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, SOCK_DIAG);
    if (netlink < 0) return false;
    const bool told = syscall(SYS_sendto, netlink, &request, sizeof(request), 0, NULL, 0) > 0 &&
                      read_answer(netlink, port, visit, context);
    syscall(SYS_close, netlink);
    return told;
}
