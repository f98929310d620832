/* Explains EADDRINUSE by what /proc/net says of the port: to share it, all must be of one user and all
 * must have asked for it (socket(7), SO_REUSEPORT). */
#include "core/explain.h"

#include "core/lines.h"
#include "core/message.h"
#include "core/owners.h"
#include "core/procnet.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BYTES = 4 << 20, DESCRIPTORS = 10000 };

static bool told_before(uint16_t port, enum rp_proto proto) {
    static unsigned char told[UINT16_MAX + 1];
    const unsigned char before = __atomic_load_n(&told[port], __ATOMIC_RELAXED);
    __atomic_store_n(&told[port], before | proto, __ATOMIC_RELAXED);
    return before & proto;
}

struct holder {
    struct rp_net_socket socket; /* state 0: none found */
    int pid;                     /* 0: cannot be seen */
};

/* A wildcard is in the way of all addresses of its family, :: also in that of IPv4 ones. */
static bool is_in_way(const struct rp_net_socket *socket, const struct rp_endpoint *where) {
    const struct in6_addr *a = &socket->local.address, *b = &where->address;
    if (socket->local.port != where->port) return false;
    if (IN6_IS_ADDR_V4MAPPED(a) != IN6_IS_ADDR_V4MAPPED(b))
        return IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_UNSPECIFIED(b);
    return rp_is_wildcard(a) || rp_is_wildcard(b) || IN6_ARE_ADDR_EQUAL(a, b);
}

/* A socket explains better than what is left of connections, and one of another user's best of all. */
static bool is_better(const struct rp_net_socket *socket, const struct rp_net_socket *than,
                      uint32_t user) {
    const bool listens = socket->state == RP_LISTEN, listened = than->state == RP_LISTEN;
    if (!than->state || listens != listened) return !than->state || listens;
    return than->uid == user && socket->uid != user;
}

static void find_holder(const char *table, const struct rp_endpoint *where, uint32_t user,
                        struct rp_net_socket *holder) {
    struct rp_lines lines;
    struct rp_net_socket socket;
    const bool opened = rp_lines_open(&lines, table, BYTES);
    while (opened && rp_procnet_next(&lines, &socket))
        if (is_in_way(&socket, where) && is_better(&socket, holder, user)) *holder = socket;
    rp_lines_close(&lines);
}

static bool visit_owner(void *context, int pid, int fd, uint32_t inode) {
    struct holder *holder = context;
    (void)fd;
    if (inode == holder->socket.inode) holder->pid = pid;
    return !holder->pid;
}

/* As /etc/passwd names it, else by number; getpwuid(3) allocates and locks. */
static void say_user(struct rp_message *message, uint32_t uid) {
    struct rp_lines lines;
    char *name = NULL;
    const bool opened = rp_lines_open(&lines, "/etc/passwd", BYTES);
    while (opened && (name = rp_lines_next(&lines))) {
        char *end = strchr(name, ':');
        const char *field = end ? strchr(end + 1, ':') : NULL;
        if (!field || field[1] < '0' || field[1] > '9' || rp_number(field + 1, 10, 10) != uid)
            continue;
        *end = '\0';
        break;
    }
    rp_lines_close(&lines);
    rp_say(message, name ? "user " : "uid ");
    name ? rp_say_escaped(message, name) : rp_say_number(message, uid);
}

/* The owner of a socket is who created it, which need not be who binds it: statx(2), whose layout is
 * the same everywhere, has the uid 20 bytes in. */
static uint32_t owner(int fd) {
    uint32_t uid = geteuid();
#ifdef SYS_statx
    unsigned char status[256];
    if (!syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 8 /* STATX_UID */, status))
        memcpy(&uid, status + 20, sizeof(uid));
#else
    (void)fd;
#endif
    return uid;
}

/* "pid 4711 (server)", if the process can be seen. */
static void say_process(struct rp_message *message, int pid) {
    struct rp_message path = {0};
    struct rp_lines lines;
    rp_say(&path, "/proc/");
    rp_say_number(&path, (uint32_t)pid);
    rp_say(&path, "/comm");
    const char *command = rp_lines_open(&lines, path.text, BYTES) ? rp_lines_next(&lines) : NULL;
    rp_say(message, "pid ");
    rp_say_number(message, (uint32_t)pid);
    rp_say(message, " (");
    rp_say_escaped(message, command ? command : "?");
    rp_say(message, ")");
    rp_lines_close(&lines);
}

static void say_cause(struct rp_message *message, const struct holder *holder, uint32_t user,
                      const struct rp_endpoint *where, bool udp) {
    if (!udp && holder->socket.state != RP_LISTEN) {
        rp_say(message, " by connections that outlived their server; wait a minute, or give both "
                        "servers REUSEPORT_REUSEADDR=1");
        return;
    }
    rp_say(message, " by ");
    if (holder->pid) say_process(message, holder->pid);
    if (!holder->pid || holder->socket.uid != user) {
        rp_say(message, holder->pid ? " of " : "");
        say_user(message, holder->socket.uid);
    }
    if (holder->socket.uid != user) {
        rp_say(message, "; only sockets of one user share a port (this one is of ");
        say_user(message, user);
        rp_say(message, ")");
    } else {
        rp_say(message, ", whose socket does not share it; \"reuseport adopt ");
        rp_say_number(message, where->port);
        rp_say(message, udp ? "/udp\" lets this one in" : "\" lets this one in");
    }
}

void rp_explain_refusal(int fd, const struct rp_endpoint *where, enum rp_proto proto, bool asked) {
    const int keep = errno;
    const bool udp = proto == RP_UDP;
    const uint32_t user = owner(fd);
    struct rp_message message = RP_MESSAGE;
    struct holder holder = {.pid = 0};
    if (!rp_may_send() || told_before(where->port, proto)) return;
    find_holder(udp ? "/proc/net/udp" : "/proc/net/tcp", where, user, &holder.socket);
    find_holder(udp ? "/proc/net/udp6" : "/proc/net/tcp6", where, user, &holder.socket);
    if (holder.socket.inode) rp_owners_walk(DESCRIPTORS, RP_LOW_DESCRIPTORS, visit_owner, &holder);
    rp_say(&message, "bind ");
    rp_say_endpoint(&message, where, proto);
    rp_say(&message, ": in use");
    if (!asked)
        rp_say(&message, ", and SO_REUSEPORT could not be set");
    else if (holder.socket.state)
        say_cause(&message, &holder, user, where, udp);
    rp_send(&message);
    errno = keep;
}
