/* SPDX-License-Identifier: MIT */
/* The two functions that the library puts in front of libc's. Each decides, acts, and calls the
 * real one, whose result and errno are the program's. */
#include "core/explain.h"
#include "core/kernel.h"
#include "core/version.h"
#include "preload/real.h"
#include "preload/settings.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define APART __attribute__((noinline)) /* so that its frame costs no other call stack */

__attribute__((used)) static const char version[] = RP_VERSION_MARK;

/* Descriptors that socket() returned as TCP or UDP, so that bind() need not ask for the type; of
 * higher numbers, which servers seldom listen on, it asks. Should a raw socket take such a number
 * unseen, by dup(2), it may get the option, which means nothing to it. */
static bool known_inet[4096];

static unsigned refusals_told, failure_told;

/* An inert library looks nothing up: most programs that it is loaded into never call socket(). */
__attribute__((constructor)) static void load(void) {
    rp_settings_load();
    const struct rp_config *config = rp_settings();
    if (config && config->ports.count) rp_real_resolve();
}

/* Lets the kernel read as many bytes as a signal set has: it answers EFAULT where we would crash,
 * else EINVAL, as no signal mask can be set in the way ~0 (sigprocmask(2)). Sets *failure if a
 * sandbox answers something else. */
static bool readable(const char *bytes, struct rp_failure *failure) {
    if (syscall(SYS_rt_sigprocmask, ~0, bytes, NULL, RP_SIGSET_SIZE) != -1) errno = EPERM;
    if (errno != EINVAL && errno != EFAULT) *failure = (struct rp_failure){"rt_sigprocmask", errno};
    return errno == EINVAL;
}

static bool read_endpoint(const void *address, unsigned size, struct rp_endpoint *where) {
    unsigned char bytes[RP_IPV6_SIZE];
    memcpy(bytes, address, size);
    return rp_endpoint_read(bytes, size, where);
}

/* Takes the address apart if it is one that an inet socket can be bound to. */
static bool find_endpoint(const struct sockaddr *address, socklen_t length,
                          struct rp_endpoint *where, struct rp_failure *failure) {
    enum { PAGE = 4096 };
    const unsigned size = address ? rp_endpoint_size(length) : 0;
    const char *start = (const char *)address;
    const uintptr_t left = PAGE - (uintptr_t)start % PAGE;
    /* Where it crosses a page, half of them on either side of the border. */
    return size && readable(left < size ? start + left - RP_SIGSET_SIZE / 2 : start, failure) &&
           read_endpoint(start, size, where);
}

/* Reports why the bind failed, and puts the socket back as it was. */
static void give_up(const struct rp_config *config, int fd, const struct rp_endpoint *where,
                    const struct rp_change *change) {
    if (config->log != RP_LOG_OFF && errno == EADDRINUSE && change->verdict == RP_SHARE)
        rp_explain_refusal(&refusals_told, fd, NULL, where);
    rp_unapply(fd, change);
}

static bool is_known(int fd) {
    return (unsigned)fd < sizeof(known_inet) && __atomic_load_n(&known_inet[fd], __ATOMIC_RELAXED);
}

/* where is NULL at socket(). */
static void tell(const struct rp_config *config, int fd, const struct rp_endpoint *where,
                 const struct rp_failure *failure) {
    if (config->log == RP_LOG_OFF) return;
    if (failure->call && rp_explain_failure(&failure_told, fd, where, failure)) return;
    if (config->log == RP_LOG_INFO) rp_tell(fd, where);
}

/* Only after bind(2) has read an address is it known to be readable where a sandbox forbids to ask.
 * Where it hides the protocol, too, any entry counts. */
static void tell_missed(const struct rp_config *config, int fd, const void *address, unsigned size,
                        const struct rp_failure *failure) {
    struct rp_endpoint where;
    const enum rp_proto proto = rp_ask_proto(fd);
    if (read_endpoint(address, size, &where) &&
        rp_ports_match(&config->ports, &where, proto ? proto : RP_TCP | RP_UDP) == RP_SHARE)
        tell(config, fd, &where, failure);
}

static int do_bind(const struct rp_config *config, int fd, const struct sockaddr *address,
                   socklen_t length) {
    struct rp_change change = {.verdict = RP_LEAVE};
    struct rp_endpoint where;
    int keep = errno;
    if (config->ports.count && find_endpoint(address, length, &where, &change.failure))
        change = rp_apply(config, fd, &where, is_known(fd));
    errno = keep;
    const int result = rp_real_bind(fd, address, length);
    if (change.verdict == RP_LEAVE && (!change.failure.call || result < 0)) return result;
    keep = errno;
    if (result < 0)
        give_up(config, fd, &where, &change);
    else if (change.verdict == RP_LEAVE)
        tell_missed(config, fd, address, rp_endpoint_size(length), &change.failure);
    else
        tell(config, fd, &where, &change.failure);
    errno = keep;
    return result;
}

static int do_socket(const struct rp_config *config, int domain, int type, int protocol) {
    const int fd = rp_real_socket(domain, type, protocol), keep = errno;
    const int kind = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    const bool inet = domain == AF_INET || domain == AF_INET6;
    if (fd < 0 || !config->ports.count) return fd;
    if (fd < (int)sizeof(known_inet))
        __atomic_store_n(&known_inet[fd], inet && (kind == SOCK_STREAM || kind == SOCK_DGRAM),
                         __ATOMIC_RELAXED);
    if (config->at_socket && inet && kind == SOCK_STREAM) {
        const int failed = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
        tell(config, fd, NULL, &(struct rp_failure){failed ? "setsockopt" : NULL, errno});
    }
    errno = keep;
    return fd;
}

/* Calls from before our constructor has run, as from another library's. */
APART static int bind_early(int fd, const struct sockaddr *address, socklen_t length) {
    struct rp_config own;
    return do_bind(rp_settings_early(&own), fd, address, length);
}

APART static int socket_early(int domain, int type, int protocol) {
    struct rp_config own;
    return do_socket(rp_settings_early(&own), domain, type, protocol);
}

EXPORT int bind(int fd, const struct sockaddr *address, socklen_t length) {
    const struct rp_config *config = rp_settings();
    return config ? do_bind(config, fd, address, length) : bind_early(fd, address, length);
}

EXPORT int socket(int domain, int type, int protocol) {
    const struct rp_config *config = rp_settings();
    return config ? do_socket(config, domain, type, protocol)
                  : socket_early(domain, type, protocol);
}
