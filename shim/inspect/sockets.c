/* Sockets by sock_diag with the port as a filter, so that the kernel and not we pass over the machine's
 * connections; owners by /proc; options by a duplicate of the descriptor. */
#include "inspect/sockets.h"

#include "base/die.h"
#include "core/lines.h"
#include "core/owners.h"
#include "core/procnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    CLOSE = 7,           /* TCP_CLOSE, the state of UDP sockets */
    BOUND_INACTIVE = 13, /* TCP sockets that are bound and do nothing; Linux 6.8 */
};

static void *grow(void *memory, size_t count, size_t size) {
    if (count & (count - 1)) return memory; /* there is room up to the next power of two */
    void *more = realloc(memory, (count ? 2 * count : 1) * size);
    if (!more) rp_die("%s", strerror(errno));
    return more;
}

static struct rp_socket *append(struct rp_sockets *sockets) {
    sockets->list = grow(sockets->list, sockets->count, sizeof(*sockets->list));
    struct rp_socket *socket = &sockets->list[sockets->count++];
    memset(socket, 0, sizeof(*socket));
    return socket;
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

static void append_diag(const struct nlmsghdr *header, enum rp_proto proto,
                        struct rp_sockets *sockets) {
    const struct inet_diag_msg *message = NLMSG_DATA(header);
    struct rp_socket *socket = append(sockets);
    socket->proto = proto;
    socket->ipv6 = message->idiag_family == AF_INET6;
    socket->ipv6_only = socket->ipv6 && is_ipv6_only(header);
    socket->state = message->idiag_state;
    const bool listening = socket->state == RP_LISTEN;
    socket->local.port = ntohs(message->id.idiag_sport);
    if (socket->ipv6)
        memcpy(&socket->local.address, message->id.idiag_src, 16);
    else
        rp_map_ipv4(&socket->local.address, message->id.idiag_src);
    socket->remote.port = ntohs(message->id.idiag_dport);
    memcpy(&socket->remote.address, message->id.idiag_dst, sizeof(socket->remote.address));
    socket->unread = listening ? 0 : message->idiag_rqueue;
    socket->interface = message->id.idiag_if;
    socket->uid = message->idiag_uid;
    socket->inode = message->idiag_inode;
    socket->queue = listening ? (long)message->idiag_rqueue : -1;
    socket->limit = listening ? (long)message->idiag_wqueue : -1;
}

static bool ask(int netlink, int family, const struct rp_wanted *wanted, enum rp_proto proto) {
    const unsigned holding = proto == RP_TCP ? 1U << RP_LISTEN | 1U << BOUND_INACTIVE : 1U << CLOSE;
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
                    .idiag_states = proto == RP_TCP && wanted->states ? wanted->states : holding},
    };
    message.request.id.idiag_sport = htons(wanted->port);
    return sendto(netlink, &message, sizeof(message), 0, (const struct sockaddr *)&kernel,
                  sizeof(kernel)) == (ssize_t)sizeof(message);
}

/* Reads the answer to the end. Returns false if the kernel refused. */
static bool read_answer(int netlink, enum rp_proto proto, uint16_t port,
                        struct rp_sockets *sockets) {
    static _Alignas(struct nlmsghdr) char buffer[1 << 16];
    for (;;) {
        const ssize_t got = recv(netlink, buffer, sizeof(buffer), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        unsigned left = (unsigned)got;
        for (const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
             NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
            const struct inet_diag_msg *message = NLMSG_DATA(header);
            if (header->nlmsg_type == NLMSG_DONE) return true;
            if (header->nlmsg_type == NLMSG_ERROR) return false;
            /* UDP sockets that are not bound have no port; those of TCP answer to the filter alone. */
            if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)) || !message->id.idiag_sport)
                continue;
            if (!port || message->id.idiag_sport == htons(port))
                append_diag(header, proto, sockets);
        }
    }
}

static bool find_by_netlink(const struct rp_wanted *wanted, enum rp_proto proto,
                            struct rp_sockets *sockets) {
    static const int families[] = {AF_INET, AF_INET6};
    const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    bool good = netlink >= 0;
    for (int i = 0; i < 2 && good; i++)
        good = ask(netlink, families[i], wanted, proto) &&
               read_answer(netlink, proto, wanted->port, sockets);
    if (netlink >= 0) close(netlink);
    return good;
}

static bool is_wanted(const struct rp_wanted *wanted, enum rp_proto proto,
                      const struct rp_net_socket *found) {
    const unsigned listening = 1U << RP_LISTEN,
                   states = wanted->states ? wanted->states : listening;
    return (!wanted->port || found->local.port == wanted->port) &&
           (proto == RP_UDP ? found->state == CLOSE : states >> found->state & 1);
}

static void find_in_proc(const char *table, enum rp_proto proto, const struct rp_wanted *wanted,
                         struct rp_sockets *sockets) {
    struct rp_lines lines;
    struct rp_net_socket found;
    if (!rp_lines_open(&lines, table, SIZE_MAX)) return;
    while (rp_procnet_next(&lines, &found)) {
        if (!is_wanted(wanted, proto, &found)) continue;
        struct rp_socket *socket = append(sockets);
        socket->proto = proto;
        socket->ipv6 = strchr(table, '6') != NULL;
        socket->state = found.state;
        socket->local = found.local;
        socket->remote = found.remote;
        socket->uid = found.uid;
        socket->inode = found.inode;
        socket->unread = proto == RP_UDP ? found.queue : 0;
        socket->queue = found.state == RP_LISTEN ? (long)found.queue : -1;
        socket->limit = -1;
    }
    rp_lines_close(&lines);
}

void rp_sockets_find(const struct rp_wanted *wanted, struct rp_sockets *sockets) {
    for (enum rp_proto proto = RP_TCP; proto <= RP_UDP; proto++) {
        const size_t before = sockets->count;
        if (!(wanted->protos & proto) || find_by_netlink(wanted, proto, sockets)) continue;
        sockets->count = before;
        find_in_proc(proto == RP_TCP ? "/proc/net/tcp" : "/proc/net/udp", proto, wanted, sockets);
        find_in_proc(proto == RP_TCP ? "/proc/net/tcp6" : "/proc/net/udp6", proto, wanted, sockets);
    }
}

static int by_inode(const void *a, const void *b) {
    const struct rp_socket *left = a, *right = b;
    return (left->inode > right->inode) - (left->inode < right->inode);
}

static bool note_owner(void *context, int pid, int fd, uint32_t inode) {
    struct rp_sockets *sockets = context;
    const struct rp_socket key = {.inode = inode};
    struct rp_socket *socket = bsearch(&key, sockets->list, sockets->count, sizeof(key), by_inode);
    if (!socket) return true;
    /* One descriptor of a process is enough. */
    if (socket->owner_count && socket->owners[socket->owner_count - 1].pid == pid) return true;
    socket->owners = grow(socket->owners, socket->owner_count, sizeof(*socket->owners));
    socket->owners[socket->owner_count++] = (struct rp_owner){pid, fd};
    return true;
}

int rp_socket_take(const struct rp_socket *socket, const struct rp_owner *owner) {
    struct stat status;
    const int process = (int)syscall(SYS_pidfd_open, owner->pid, 0);
    if (process < 0) return -1;
    const int fd = (int)syscall(SYS_pidfd_getfd, process, owner->fd, 0); /* close-on-exec */
    const int error = errno;
    close(process);
    errno = error;
    if (fd < 0) return -1;
    /* The process may have closed it, and another may have taken its number. */
    if (!fstat(fd, &status) && S_ISSOCK(status.st_mode) && (uint32_t)status.st_ino == socket->inode)
        return fd;
    close(fd);
    errno = EBADF;
    return -1;
}

static void read_option(struct rp_socket *socket, int *why_unknown) {
    int value;
    socklen_t size = sizeof(value);
    for (size_t i = 0; i < socket->owner_count && socket->shares == RP_UNKNOWN; i++) {
        const int fd = rp_socket_take(socket, &socket->owners[i]);
        if (fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &size))
            socket->shares = value ? RP_YES : RP_NO;
        else
            *why_unknown = errno;
        if (fd >= 0) close(fd);
    }
    if (!socket->owner_count) *why_unknown = EACCES;
}

static void walk(struct rp_sockets *sockets, unsigned most) {
    if (!sockets->count) return;
    qsort(sockets->list, sockets->count, sizeof(*sockets->list), by_inode);
    for (size_t i = 0; i < sockets->count; i++) sockets->list[i].owner_count = 0;
    rp_owners_walk(UINT_MAX, most, note_owner, sockets);
}

/* Where the same socket was asked for twice, as by "80 80/tcp"; sorts by inode. */
static void drop_twins(struct rp_sockets *sockets) {
    size_t kept = 0;
    if (sockets->count) qsort(sockets->list, sockets->count, sizeof(*sockets->list), by_inode);
    for (size_t i = 0; i < sockets->count; i++)
        if (!kept || sockets->list[i].inode != sockets->list[kept - 1].inode)
            sockets->list[kept++] = sockets->list[i];
    sockets->count = kept;
}

void rp_sockets_find_owners(struct rp_sockets *sockets) {
    walk(sockets, UINT_MAX);
}

void rp_sockets_examine(struct rp_sockets *sockets, bool quickly) {
    bool found = quickly;
    drop_twins(sockets);
    if (quickly) walk(sockets, RP_LOW_DESCRIPTORS);
    for (size_t i = 0; i < sockets->count; i++) found = found && sockets->list[i].owner_count;
    if (!found) walk(sockets, UINT_MAX);
    for (size_t i = 0; i < sockets->count; i++)
        read_option(&sockets->list[i], &sockets->why_unknown);
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
    return address ? address : by_inode(a, b);
}

void rp_sockets_sort(struct rp_sockets *sockets) {
    if (sockets->count) qsort(sockets->list, sockets->count, sizeof(*sockets->list), by_choice);
}

void rp_sockets_free(struct rp_sockets *sockets) {
    for (size_t i = 0; i < sockets->count; i++) free(sockets->list[i].owners);
    free(sockets->list);
    memset(sockets, 0, sizeof(*sockets));
}
