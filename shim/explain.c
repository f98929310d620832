/* Explains EADDRINUSE by what /proc/net says of the port: to share it, all must be of one user and all
 * must have asked for it (socket(7), SO_REUSEPORT). */
#include "explain.h"

#include "message.h"
#include "procnet.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { BUDGET = 1 << 20 };

static bool told_before(uint16_t port, enum rp_proto proto) {
    static unsigned char told[UINT16_MAX + 1];
    const unsigned char before = __atomic_load_n(&told[port], __ATOMIC_RELAXED);
    __atomic_store_n(&told[port], before | proto, __ATOMIC_RELAXED);
    return before & proto;
}

static bool is_wildcard(const struct in6_addr *address) {
    return IN6_IS_ADDR_UNSPECIFIED(address) ||
           (IN6_IS_ADDR_V4MAPPED(address) && !address->s6_addr32[3]);
}

static bool is_in_way(const struct rp_net_socket *socket, const struct rp_endpoint *where,
                      enum rp_proto proto) {
    return socket->local.port == where->port && (proto == RP_UDP || socket->state == RP_LISTEN) &&
           (is_wildcard(&socket->local.address) || is_wildcard(&where->address) ||
            IN6_ARE_ADDR_EQUAL(&socket->local.address, &where->address));
}

/* Looks through one table for a socket in the way, and on while it is of this user. */
static void find_holder(const char *table, const struct rp_endpoint *where, enum rp_proto proto,
                        uint32_t user, struct rp_net_socket *holder) {
    struct rp_lines lines;
    struct rp_net_socket socket;
    const bool opened = rp_lines_open(&lines, table, BUDGET);
    while (opened && (!holder->state || holder->uid == user) && rp_procnet_next(&lines, &socket))
        if (is_in_way(&socket, where, proto)) *holder = socket;
    rp_lines_close(&lines);
}

/* As /etc/passwd names it, else by number; getpwuid(3) allocates and locks. */
static void say_user(struct rp_message *message, uint32_t uid) {
    struct rp_lines lines;
    char *name = NULL, *end = NULL;
    const bool opened = rp_lines_open(&lines, "/etc/passwd", BUDGET);
    while (opened && (name = rp_lines_next(&lines))) {
        end = strstr(name, ":x:");
        if (end && rp_number(end + 3, 10, 10) == uid) {
            *end = '\0';
            break;
        }
    }
    rp_lines_close(&lines);
    rp_say(message, name ? "user " : "uid ");
    name ? rp_say(message, name) : rp_say_number(message, uid);
}

void rp_explain_refusal(const struct rp_endpoint *where, enum rp_proto proto) {
    const int keep = errno;
    const uint32_t user = geteuid();
    const bool udp = proto == RP_UDP;
    struct rp_message message = RP_MESSAGE;
    struct rp_net_socket holder = {.state = 0};
    if (told_before(where->port, proto)) return;
    find_holder(udp ? "/proc/net/udp" : "/proc/net/tcp", where, proto, user, &holder);
    find_holder(udp ? "/proc/net/udp6" : "/proc/net/tcp6", where, proto, user, &holder);
    rp_say(&message, "bind ");
    rp_say_endpoint(&message, where, proto);
    rp_say(&message, holder.state ? ": in use by " : ": in use");
    if (holder.state) say_user(&message, holder.uid);
    if (holder.state && holder.uid == user) {
        rp_say(&message, ", whose socket does not share it");
    } else if (holder.state) {
        rp_say(&message, ", and this is ");
        say_user(&message, user);
        rp_say(&message, "; only sockets of one user share a port");
    }
    rp_send(&message);
    errno = keep;
}
