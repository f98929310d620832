/* SPDX-License-Identifier: MIT */
/* Finds sockets by sock_diag, where the kernel filters by port, or in the tables of /proc/net. */
#include "inspect/sockets.h"

#include "base/memory.h"
#include "core/lines.h"
#include "core/procnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SYN_RECEIVED = 3,    /* TCP_SYN_RECV */
    CLOSE = 7,           /* TCP_CLOSE, the state of UDP sockets */
    BOUND_INACTIVE = 13, /* TCP sockets that are bound and do nothing; Linux 6.8 */
};

/* Of an answer. */
enum progress { MORE, COMPLETE, REFUSED };

void rp_sockets_add(struct rp_sockets *sockets, const struct rp_socket *socket) {
    sockets->list = rp_grow(sockets->list, sockets->count, sizeof(*sockets->list));
    sockets->list[sockets->count++] = *socket;
}

static bool is_ipv6_only(const struct nlmsghdr *header) {
    const size_t head = NLMSG_ALIGN(sizeof(struct inet_diag_msg));
    const char *at = (const char *)NLMSG_DATA(header) + head;
    const char *end = (const char *)header + header->nlmsg_len;
    while (end - at >= (ptrdiff_t)sizeof(struct nlattr)) {
        const struct nlattr *attribute = (const struct nlattr *)at;
        if (attribute->nla_len < sizeof(*attribute) || attribute->nla_len > end - at) return false;
        if (attribute->nla_type == INET_DIAG_SKV6ONLY && attribute->nla_len > sizeof(*attribute))
            return at[sizeof(*attribute)];
        at += NLMSG_ALIGN(attribute->nla_len);
    }
    return false;
}

static void read_address(struct in6_addr *address, bool ipv6, const void *bytes) {
    if (ipv6)
        memcpy(address, bytes, sizeof(*address));
    else
        rp_map_ipv4(address, bytes);
}

static void append_diag(const struct nlmsghdr *header, enum rp_proto proto,
                        struct rp_sockets *sockets) {
    const struct inet_diag_msg *message = NLMSG_DATA(header);
    const bool ipv6 = message->idiag_family == AF_INET6;
    const bool listening = message->idiag_state == RP_LISTEN;
    struct rp_socket socket = {
        .proto = proto,
        .ipv6 = ipv6,
        .ipv6_only = ipv6 && is_ipv6_only(header),
        .state = message->idiag_state,
        .repeated = message->idiag_state == SYN_RECEIVED && message->idiag_retrans,
        .local.port = ntohs(message->id.idiag_sport),
        .remote.port = ntohs(message->id.idiag_dport),
        .interface = message->id.idiag_if,
        .uid = message->idiag_uid,
        .inode = message->idiag_inode,
        .queue = listening ? (long)message->idiag_rqueue : -1,
        .limit = listening ? (long)message->idiag_wqueue : -1,
        .unread = listening ? 0 : message->idiag_rqueue,
        .position = (uint32_t)sockets->count,
    };
    read_address(&socket.local.address, ipv6, message->id.idiag_src);
    read_address(&socket.remote.address, ipv6, message->id.idiag_dst);
    rp_sockets_add(sockets, &socket);
}

/* Bits of the wanted states as sock_diag numbers them. */
static unsigned states_of(const struct rp_wanted *wanted, enum rp_proto proto) {
    const unsigned connected = 1U << RP_ESTABLISHED;
    if (proto == RP_UDP)
        return 1U << CLOSE | (wanted->states ? wanted->states & connected : connected);
    return wanted->states ? wanted->states : 1U << RP_LISTEN | 1U << BOUND_INACTIVE;
}

static bool ask(int netlink, int family, const struct rp_wanted *wanted, enum rp_proto proto) {
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } message = {
        .header = {.nlmsg_len = sizeof(message),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = (unsigned char)family,
                    .sdiag_protocol = proto == RP_TCP ? IPPROTO_TCP : IPPROTO_UDP,
                    .idiag_states = states_of(wanted, proto)},
    };
    message.request.id.idiag_sport = htons(wanted->port);
    return sendto(netlink, &message, sizeof(message), 0, (const struct sockaddr *)&kernel,
                  sizeof(kernel)) == (ssize_t)sizeof(message);
}

/* Appends the sockets of one datagram. */
static enum progress read_messages(const void *buffer, size_t size, enum rp_proto proto,
                                   uint16_t port, struct rp_sockets *sockets) {
    /* Of an odd size, NLMSG_NEXT would leave less than nothing. */
    unsigned left = (unsigned)size & ~(NLMSG_ALIGNTO - 1);
    for (const struct nlmsghdr *header = buffer; NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
        const struct inet_diag_msg *message = NLMSG_DATA(header);
        if (header->nlmsg_type == NLMSG_DONE) return COMPLETE;
        if (header->nlmsg_type == NLMSG_ERROR) return REFUSED;
        /* Unbound UDP sockets have no port. */
        if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)) || !message->id.idiag_sport)
            continue;
        if (!port || message->id.idiag_sport == htons(port)) append_diag(header, proto, sockets);
    }
    return MORE;
}

/* Reads the answer to the end. Returns false if the kernel refused. */
static bool read_answer(int netlink, enum rp_proto proto, uint16_t port,
                        struct rp_sockets *sockets) {
    static _Alignas(struct nlmsghdr) char buffer[1 << 16];
    enum progress progress = MORE;
    while (progress == MORE) {
        const ssize_t got = recv(netlink, buffer, sizeof(buffer), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        progress = read_messages(buffer, (size_t)got, proto, port, sockets);
    }
    return progress == COMPLETE;
}

static bool find_by_netlink(const struct rp_wanted *wanted, int family, enum rp_proto proto,
                            struct rp_sockets *sockets) {
    static const int families[] = {AF_INET, AF_INET6};
    const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    bool good = netlink >= 0;
    for (int i = 0; i < 2 && good; i++)
        if (!family || family == families[i])
            good = ask(netlink, families[i], wanted, proto) &&
                   read_answer(netlink, proto, wanted->port, sockets);
    if (netlink >= 0) close(netlink);
    return good;
}

static bool is_wanted(const struct rp_wanted *wanted, enum rp_proto proto,
                      const struct rp_net_socket *found) {
    return (!wanted->port || found->local.port == wanted->port) &&
           states_of(wanted, proto) >> found->state & 1;
}

static void find_in_proc(const char *table, enum rp_proto proto, const struct rp_wanted *wanted,
                         struct rp_sockets *sockets) {
    struct rp_lines lines;
    struct rp_net_socket found;
    if (!rp_lines_open(&lines, table)) return;
    while (rp_procnet_next(&lines, &found)) {
        if (!is_wanted(wanted, proto, &found)) continue;
        rp_sockets_add(sockets, &(struct rp_socket){
                                    .proto = proto,
                                    .ipv6 = strchr(table, '6') != NULL,
                                    .state = found.state,
                                    .repeated = found.state == SYN_RECEIVED && found.timeouts,
                                    .local = found.local,
                                    .remote = found.remote,
                                    .uid = found.uid,
                                    .inode = found.inode,
                                    .queue = found.state == RP_LISTEN ? (long)found.queue : -1,
                                    .limit = -1,
                                    .unread = proto == RP_UDP ? found.queue : 0,
                                    .position = (uint32_t)sockets->count,
                                });
    }
    rp_lines_close(&lines);
}

void rp_sockets_find_family(const struct rp_wanted *wanted, int family,
                            struct rp_sockets *sockets) {
    static const char *const tables[][2] = {[RP_TCP] = {"/proc/net/tcp", "/proc/net/tcp6"},
                                            [RP_UDP] = {"/proc/net/udp", "/proc/net/udp6"}};
    for (enum rp_proto proto = RP_TCP; proto <= RP_UDP; proto++) {
        const size_t before = sockets->count;
        if (!(wanted->protos & proto) || find_by_netlink(wanted, family, proto, sockets)) continue;
        sockets->count = before;
        if (family != AF_INET6) find_in_proc(tables[proto][0], proto, wanted, sockets);
        if (family != AF_INET) find_in_proc(tables[proto][1], proto, wanted, sockets);
    }
}

void rp_sockets_find(const struct rp_wanted *wanted, struct rp_sockets *sockets) {
    rp_sockets_find_family(wanted, 0, sockets);
}

void rp_sockets_find_on_ports(const struct rp_sockets *like, unsigned states,
                              struct rp_sockets *found) {
    for (size_t i = 0; i < like->count; i++) {
        const struct rp_socket *socket = &like->list[i];
        bool done = false;
        for (size_t j = 0; j < i; j++)
            done = done || (like->list[j].local.port == socket->local.port &&
                            like->list[j].proto == socket->proto);
        if (!done)
            rp_sockets_find(&(struct rp_wanted){socket->proto, socket->local.port, states}, found);
    }
}

uint32_t *rp_sockets_inodes(const struct rp_sockets *sockets) {
    uint32_t *inodes = NULL;
    for (size_t i = 0; i < sockets->count; i++) {
        inodes = rp_grow(inodes, i, sizeof(*inodes));
        inodes[i] = sockets->list[i].inode;
    }
    return inodes;
}

static int by_inode(const void *a, const void *b) {
    const struct rp_socket *left = a, *right = b;
    return (left->inode > right->inode) - (left->inode < right->inode);
}

void rp_sockets_index(struct rp_sockets *sockets) {
    if (sockets->count) qsort(sockets->list, sockets->count, sizeof(*sockets->list), by_inode);
}

struct rp_socket *rp_sockets_get(const struct rp_sockets *sockets, uint32_t inode) {
    const struct rp_socket key = {.inode = inode};
    if (!inode || !sockets->count) return NULL;
    return bsearch(&key, sockets->list, sockets->count, sizeof(key), by_inode);
}

const char *rp_socket_text(const struct rp_socket *socket, char text[RP_SOCKET_TEXT]) {
    char address[INET6_ADDRSTRLEN] = "?";
    const unsigned char *bytes = socket->local.address.s6_addr;
    inet_ntop(socket->ipv6 ? AF_INET6 : AF_INET, bytes + (socket->ipv6 ? 0 : 12), address,
              sizeof(address));
    snprintf(text, RP_SOCKET_TEXT, socket->ipv6 ? "[%s]:%u/%s" : "%s:%u/%s", address,
             socket->local.port, socket->proto == RP_TCP ? "tcp" : "udp");
    return text;
}

static int by_choice(const void *a, const void *b) {
    const struct rp_socket *left = a, *right = b;
    const int wild_left = rp_is_wildcard(&left->local.address);
    const int wild_right = rp_is_wildcard(&right->local.address);
    if (left->local.port != right->local.port) return left->local.port - right->local.port;
    if (left->proto != right->proto) return (int)left->proto - (int)right->proto;
    if (wild_left != wild_right) return wild_left - wild_right;
    if (left->ipv6 != right->ipv6) return left->ipv6 - right->ipv6;
    const int address =
        memcmp(&left->local.address, &right->local.address, sizeof(left->local.address));
    if (address) return address;
    if (left->interface != right->interface) return left->interface < right->interface ? -1 : 1;
    return by_inode(a, b);
}

void rp_sockets_sort(struct rp_sockets *sockets) {
    if (sockets->count) qsort(sockets->list, sockets->count, sizeof(*sockets->list), by_choice);
}

/* limit: unknown from /proc/net, as the interface is. */
static bool are_twins(const struct rp_socket *left, const struct rp_socket *right) {
    return left->proto == RP_TCP && right->proto == RP_TCP && left->state == RP_LISTEN &&
           right->state == RP_LISTEN && left->limit >= 0 && left->inode != right->inode &&
           left->ipv6 == right->ipv6 && left->interface == right->interface &&
           left->local.port == right->local.port &&
           IN6_ARE_ADDR_EQUAL(&left->local.address, &right->local.address);
}

void rp_sockets_infer(struct rp_sockets *sockets) {
    for (size_t i = 0; i < sockets->count; i++)
        for (size_t j = 0; j < sockets->count && sockets->list[i].shares == RP_UNKNOWN; j++)
            if (are_twins(&sockets->list[i], &sockets->list[j])) sockets->list[i].shares = RP_YES;
}

void rp_sockets_free(struct rp_sockets *sockets) {
    for (size_t i = 0; i < sockets->count; i++) free(sockets->list[i].owners);
    free(sockets->list);
    memset(sockets, 0, sizeof(*sockets));
}
