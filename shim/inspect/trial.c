/* SPDX-License-Identifier: MIT */
/* A trial bind does no harm: neither a TCP socket that does not listen nor a UDP socket on an
 * interface that does not exist receives anything. */
#include "inspect/trial.h"

#include "core/address.h"

#include <errno.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

int rp_socket_of_user(uid_t user, gid_t group, int domain, int type, int protocol) {
    /* A sandbox may kill who calls setfsuid(2), so not without need. */
    if (geteuid() == user && getegid() == group)
        return socket(domain, type | SOCK_CLOEXEC, protocol);
    /* An invalid ID changes nothing (setfsuid(2)). */
    const int own_user = setfsuid((uid_t)-1), own_group = setfsgid((gid_t)-1);
    setfsgid(group);
    setfsuid(user);
    const bool may = (uid_t)setfsuid((uid_t)-1) == user && (gid_t)setfsgid((gid_t)-1) == group;
    const int fd = may ? socket(domain, type | SOCK_CLOEXEC, protocol) : -1;
    const int error = may ? errno : EPERM;
    setfsuid((uid_t)own_user);
    setfsgid((gid_t)own_group);
    errno = error;
    return fd;
}

static void set(int fd, int level, int option, int value) {
    if (value) setsockopt(fd, level, option, &value, sizeof(value));
}

/* Port 0 without SO_REUSEPORT: UDP sockets with it would be given the same port. */
static void set_options(int fd, const struct rp_trial *trial) {
    const int v6only = trial->ipv6_only;
    if (trial->ipv6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
    set(fd, SOL_SOCKET, SO_REUSEADDR, trial->reuseaddr);
    set(fd, SOL_SOCKET, SO_REUSEPORT, trial->where.port != 0);
    set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, trial->interface);
    set(fd, trial->ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, trial->ipv6 ? IPV6_FREEBIND : IP_FREEBIND,
        trial->freebind);
}

int rp_trial_bind_fd(int fd, const struct rp_trial *trial) {
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } to = {.any.sa_family = trial->ipv6 ? AF_INET6 : AF_INET};
    to.ipv4.sin_port = htons(trial->where.port); /* in the same place for both */
    memcpy(&to.ipv4.sin_addr, trial->where.address.s6_addr + 12, 4);
    if (trial->ipv6) to.ipv6.sin6_addr = trial->where.address;
    if (trial->ipv6) to.ipv6.sin6_scope_id = (uint32_t)trial->interface;
    set_options(fd, trial);
    return bind(fd, &to.any, trial->ipv6 ? sizeof(to.ipv6) : sizeof(to.ipv4)) ? errno : 0;
}

static int try_bind(const struct rp_trial *trial) {
    const int type = trial->proto == RP_UDP ? SOCK_DGRAM : SOCK_STREAM;
    const int fd =
        rp_socket_of_user(trial->user, trial->group, trial->ipv6 ? AF_INET6 : AF_INET, type, 0);
    if (fd < 0) return errno;
    const int error = rp_trial_bind_fd(fd, trial);
    close(fd);
    return error;
}

static int try_nowhere(struct rp_trial trial) {
    trial.interface = RP_NOWHERE;
    return try_bind(&trial);
}

/* Not for an address of IPv4 in IPv6: that is in the way of IPv4 sockets. */
static int try_udp6(const struct rp_trial *trial) {
    struct rp_trial instead = *trial;
    if (IN6_IS_ADDR_UNSPECIFIED(&trial->where.address)) return try_nowhere(*trial);
    instead.where.port = 0;
    const int error = try_bind(&instead); /* whether the address exists */
    if (error) return error;
    instead = *trial;
    instead.where.address = in6addr_any;
    instead.ipv6_only = true;
    return try_nowhere(instead) ? try_bind(trial) : 0;
}

int rp_trial_bind(const struct rp_trial *trial) {
    struct rp_trial ipv4 = *trial;
    if (trial->proto == RP_TCP) return try_bind(trial);
    if (!rp_is_ipv4(&trial->where.address)) return try_udp6(trial);
    ipv4.ipv6 = false;
    return try_nowhere(ipv4);
}

struct rp_trial rp_trial_like(const struct rp_socket *like) {
    return (struct rp_trial){.proto = like->proto,
                             .ipv6 = like->ipv6,
                             .ipv6_only = like->ipv6_only,
                             .where = like->local,
                             .interface = (int)like->interface,
                             .user = like->uid,
                             .group = getegid()};
}

bool rp_trial_in_use(const struct rp_socket *like, bool reuseaddr) {
    struct rp_trial trial = rp_trial_like(like);
    trial.reuseaddr = reuseaddr;
    return rp_trial_bind(&trial) == EADDRINUSE;
}
