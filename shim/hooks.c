/* The two functions that the library puts in front of libc's. Each decides, acts, and calls the real
 * one, whose result and errno are the program's. */
#include "config.h"
#include "explain.h"
#include "message.h"
#include "real.h"
#include "version.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

__attribute__((used)) static const char version[] = RP_VERSION_MARK;

/* Descriptors that socket() returned as TCP or UDP, so that bind() need not ask for the type. Should a
 * raw socket take such a number unseen, by dup(2), it may get the option, which means nothing to it. */
static bool known_inet[65536];

/* What bind() did to a socket, to be undone if the real bind fails. */
struct change {
    enum rp_verdict verdict;
    bool reuseport, reuseaddr;
};

__attribute__((constructor)) static void load(void) {
    rp_config();
    rp_real_resolve();
}

/* Lets the kernel read 8 bytes: it answers EFAULT where we would crash, else EINVAL, as no signal mask
 * can be set in the way ~0 (sigprocmask(2)). */
static bool readable(const char *bytes) {
    return syscall(SYS_rt_sigprocmask, ~0, bytes, NULL, 8) == -1 && errno == EINVAL;
}

/* Takes the address apart if it is one that an inet socket can be bound to. */
static bool read_endpoint(const struct sockaddr *address, socklen_t length,
                          struct rp_endpoint *where) {
    enum { PAGE = 4096, IPV4_SIZE = 16, IPV6_SIZE = 24 };
    const socklen_t size = length < IPV6_SIZE ? IPV4_SIZE : IPV6_SIZE;
    const char *start = (const char *)address;
    const uintptr_t left = PAGE - (uintptr_t)start % PAGE;
    unsigned char bytes[IPV6_SIZE];
    sa_family_t family;
    if (!address || length < IPV4_SIZE || length > sizeof(struct sockaddr_storage)) return false;
    /* Where it crosses a page, 4 bytes on either side of the border. */
    if (!readable(left < size ? start + left - 4 : start)) return false;
    memcpy(bytes, start, size);
    memcpy(&family, bytes, sizeof(family));
    where->port = (uint16_t)(bytes[2] << 8 | bytes[3]);
    if (family == AF_INET6) {
        memcpy(&where->address, bytes + 8, 16);
        return size == IPV6_SIZE;
    }
    rp_map_ipv4(&where->address, bytes + 4);
    /* bind(2) takes AF_UNSPEC for AF_INET if the address is 0.0.0.0. */
    return family == AF_INET || (family == AF_UNSPEC && !memcmp(bytes + 4, "\0\0\0", 4));
}

/* The protocol by the socket's type, or 0 if it is neither. */
static enum rp_proto ask_proto(int fd) {
    int type = 0;
    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof(type)});
    return type == SOCK_STREAM ? RP_TCP : type == SOCK_DGRAM ? RP_UDP : 0;
}

/* Switches a boolean option. Returns whether it stood otherwise before, and no longer does. */
static bool switch_option(int fd, int option, int wanted) {
    int before;
    if (getsockopt(fd, SOL_SOCKET, option, &before, &(socklen_t){sizeof(before)})) return false;
    return !before != !wanted && !setsockopt(fd, SOL_SOCKET, option, &wanted, sizeof(wanted));
}

static struct change prepare(const struct rp_config *config, int fd,
                             const struct rp_endpoint *where) {
    const enum rp_verdict tcp = rp_ports_match(&config->ports, where, RP_TCP);
    const enum rp_verdict udp = rp_ports_match(&config->ports, where, RP_UDP);
    struct change change = {tcp, false, false};
    const bool known = (unsigned)fd < sizeof(known_inet) && known_inet[fd];
    if (tcp != udp || (tcp != RP_LEAVE && (!known || config->reuseaddr))) {
        const enum rp_proto proto = ask_proto(fd);
        change.verdict = proto == RP_TCP ? tcp : proto == RP_UDP ? udp : RP_LEAVE;
        if (config->reuseaddr && change.verdict == RP_SHARE && proto == RP_TCP)
            change.reuseaddr = switch_option(fd, SO_REUSEADDR, 1);
    }
    if (change.verdict != RP_LEAVE)
        change.reuseport = switch_option(fd, SO_REUSEPORT, change.verdict == RP_SHARE);
    return change;
}

static void undo(int fd, const struct change *change) {
    const int before = change->verdict != RP_SHARE;
    if (change->reuseport) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &before, sizeof(before));
    if (change->reuseaddr) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){0}, sizeof(int));
}

static bool is_on(int fd) {
    int on = 0;
    return !getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &(socklen_t){sizeof(on)}) && on;
}

static void tell(int fd, const struct rp_endpoint *where) {
    struct rp_message message = RP_MESSAGE;
    rp_say(&message, where ? "bind " : "socket");
    if (where) rp_say_endpoint(&message, where, ask_proto(fd));
    rp_say(&message, is_on(fd) ? ": shared" : ": not shared");
    rp_send(&message);
}

/* Puts the socket back as it was, and tells why the bind failed. */
static void give_up(const struct rp_config *config, int fd, const struct rp_endpoint *where,
                    const struct change *change, int error) {
    const bool explain =
        config->log != RP_LOG_OFF && error == EADDRINUSE && change->verdict == RP_SHARE;
    const bool asked = explain && is_on(fd);
    undo(fd, change);
    if (explain) rp_explain_refusal(fd, where, ask_proto(fd), asked);
}

EXPORT int bind(int fd, const struct sockaddr *address, socklen_t length) {
    const struct rp_config *config = rp_config();
    struct change change = {RP_LEAVE, false, false};
    struct rp_endpoint where;
    int keep = errno;
    if (config->ports.count && read_endpoint(address, length, &where))
        change = prepare(config, fd, &where);
    errno = keep;
    const int result = rp_real_bind(fd, address, length);
    if (change.verdict == RP_LEAVE) return result;
    keep = errno;
    if (result < 0)
        give_up(config, fd, &where, &change, keep);
    else if (config->log == RP_LOG_INFO)
        tell(fd, &where);
    errno = keep;
    return result;
}

EXPORT int socket(int domain, int type, int protocol) {
    const struct rp_config *config = rp_config();
    const int fd = rp_real_socket(domain, type, protocol), keep = errno;
    const int kind = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    const bool inet = domain == AF_INET || domain == AF_INET6;
    if (fd < 0 || !config->ports.count) return fd;
    if (fd < (int)sizeof(known_inet))
        known_inet[fd] = inet && (kind == SOCK_STREAM || kind == SOCK_DGRAM);
    if (config->at_socket && inet && kind == SOCK_STREAM) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
        if (config->log == RP_LOG_INFO) tell(fd, NULL);
    }
    errno = keep;
    return fd;
}
