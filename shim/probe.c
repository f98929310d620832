/* A bind to see whether it would be refused. A socket that does not listen gets nothing, so it does no
 * harm. */
#include "probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62 /* Linux 5.0 */
#endif

/* A TCP socket of the old server's user, who is the owner of all that it creates (socket(7)). */
static int make_probe(const struct rp_socket *like) {
    const uid_t self = geteuid();
    if (like->uid != self && seteuid(like->uid)) return -1;
    const int fd = socket(like->ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (like->uid != self && seteuid(self)) abort(); /* never go on as somebody else */
    return fd;
}

bool rp_probe_in_use(const struct rp_socket *like) {
    const int on = 1, v6only = like->ipv6_only, interface = (int)like->interface;
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } to = {.any.sa_family = like->ipv6 ? AF_INET6 : AF_INET};
    const socklen_t size = like->ipv6 ? sizeof(to.ipv6) : sizeof(to.ipv4);
    const int fd = make_probe(like);
    if (fd < 0) return false;
    to.ipv4.sin_port = htons(like->local.port); /* in the same place for both */
    memcpy(&to.ipv4.sin_addr, like->local.address.s6_addr + 12, 4);
    if (like->ipv6) to.ipv6.sin6_addr = like->local.address;
    if (like->ipv6) to.ipv6.sin6_scope_id = like->interface;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (like->ipv6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
    if (interface) setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &interface, sizeof(interface));
    const bool in_use = bind(fd, &to.any, size) && errno == EADDRINUSE;
    close(fd);
    return in_use;
}
