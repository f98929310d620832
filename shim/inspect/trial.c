/* SPDX-License-Identifier: MIT */
/* A trial bind does no harm: a TCP socket that does not listen receives nothing. */
#include "inspect/trial.h"

#include <errno.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

int rp_socket_of_user(uid_t user, int domain, int type, int protocol) {
    const int own = setfsuid((uid_t)-1); /* an invalid ID changes nothing (setfsuid(2)) */
    setfsuid(user);
    const bool may = (uid_t)setfsuid((uid_t)-1) == user;
    const int fd = may ? socket(domain, type | SOCK_CLOEXEC, protocol) : -1;
    const int error = may ? errno : EPERM;
    setfsuid((uid_t)own);
    errno = error;
    return fd;
}

bool rp_trial_in_use(const struct rp_socket *like, bool reuseaddr) {
    const int on = 1, reuse = reuseaddr, v6only = like->ipv6_only, interface = (int)like->interface;
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } to = {.any.sa_family = like->ipv6 ? AF_INET6 : AF_INET};
    const socklen_t size = like->ipv6 ? sizeof(to.ipv6) : sizeof(to.ipv4);
    const int fd = rp_socket_of_user(like->uid, like->ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return false;
    to.ipv4.sin_port = htons(like->local.port); /* in the same place for both */
    memcpy(&to.ipv4.sin_addr, like->local.address.s6_addr + 12, 4);
    if (like->ipv6) to.ipv6.sin6_addr = like->local.address;
    if (like->ipv6) to.ipv6.sin6_scope_id = like->interface;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (like->ipv6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
    if (interface) setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &interface, sizeof(interface));
    const bool in_use = bind(fd, &to.any, size) && errno == EADDRINUSE;
    close(fd);
    return in_use;
}
