/* SPDX-License-Identifier: MIT */
/* The option is set through a duplicate of the descriptor, which is closed at once. */
#include "inspect/option.h"

#include "base/hurry.h"
#include "core/outside.h"
#include "inspect/holders.h"
#include "inspect/pidfd.h"
#include "inspect/rights.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whether fd is the socket that was found, by type, family and port. */
static bool is_same(int fd, const struct rp_socket *socket) {
    int type = 0;
    struct sockaddr_in6 name = {.sin6_family =
                                    AF_UNSPEC}; /* the port stands in the same place for IPv4 */
    socklen_t type_size = sizeof(type), name_size = sizeof(name);
    return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) &&
           !getsockname(fd, (struct sockaddr *)&name, &name_size) &&
           type == (socket->proto == RP_TCP ? SOCK_STREAM : SOCK_DGRAM) &&
           name.sin6_family == (socket->ipv6 ? AF_INET6 : AF_INET) &&
           ntohs(name.sin6_port) == socket->local.port;
}

/* Returns 0 or an errno: EBADF if fd is another socket. */
static int read_from(int fd, const struct rp_socket *socket, int *value) {
    socklen_t size = sizeof(*value);
    if (!is_same(fd, socket)) return EBADF;
    return getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, value, &size) ? errno : 0;
}

/* Returns 0, or an errno: the option is then as it was. */
static int switch_one(const struct rp_socket *socket, const struct rp_owner *owner, int wanted,
                      bool *changed) {
    int value = !wanted;
    socklen_t size = sizeof(value);
    const int fd = rp_socket_take(socket, owner);
    if (fd < 0) return errno;
    int error = read_from(fd, socket, &value);
    *changed = !error && !value != !wanted;
    if (*changed && (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &wanted, sizeof(wanted)) ||
                     getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &size)))
        error = errno;
    rp_close_hurriedly(fd);
    return error ? error : !value != !wanted ? EOPNOTSUPP : 0;
}

int rp_option_switch(const struct rp_socket *socket, bool wanted, bool *changed) {
    int error = EACCES;
    *changed = false;
    for (size_t i = 0; i < socket->owner_count; i++) {
        error = switch_one(socket, &socket->owners[i], wanted, changed);
        if (!error) break;
    }
    return error;
}

static int read_one(const struct rp_socket *socket, const struct rp_owner *owner, bool *on) {
    int value = 0;
    const int fd = rp_socket_take(socket, owner);
    if (fd < 0) return errno;
    const int error = read_from(fd, socket, &value);
    rp_close_hurriedly(fd);
    *on = value;
    return error;
}

int rp_option_read(const struct rp_socket *socket, bool *on) {
    int error = EACCES;
    *on = false;
    for (size_t i = 0; i < socket->owner_count && error; i++)
        error = read_one(socket, &socket->owners[i], on);
    return error;
}

/* What is missing. Advises neither root to become root nor anybody to change a Yama that is not
 * there. */
static const char *no_permission(void) {
    static char text[256];
    if (rp_getfd_is_deadly())
        return "a sandbox kills callers of pidfd_getfd; allow that call (systemd: "
               "SystemCallFilter=pidfd_getfd)";
    if (rp_is_filtered()) return RP_FILTERED;
    if (rp_has_capability(RP_SYS_PTRACE))
        return "this process may not look into it, even with CAP_SYS_PTRACE: it is in another user "
               "namespace, or a security module forbids it";
    snprintf(text, sizeof(text),
             "this process may not look into it: that requires the same user%s, or "
             "CAP_SYS_PTRACE%s",
             rp_yama_scope() > 0 ? " and kernel.yama.ptrace_scope 0" : "",
             geteuid() ? "; try as root" : "");
    return text;
}

const char *rp_no_owner_reason(const char *subcommand) {
    static char text[128];
    if (!rp_has_capability(RP_SYS_PTRACE)) return no_permission();
    if (!rp_has_outside()) return "no process that this one may look into has it";
    snprintf(text, sizeof(text), "its process is not visible here; run reuseport %s on the host",
             subcommand);
    return text;
}

const char *rp_option_reason(int error) {
    switch (error) {
    case ENOSYS:
        return "cannot hand over descriptors here: requires Linux 5.6, and a seccomp profile "
               "that allows pidfd_getfd";
    case EPERM:
    case EACCES:
        return no_permission();
    case EOVERFLOW:
        return "a 32-bit reuseport cannot handle a 64-bit program";
    case ESRCH:
        return "it has ended";
    case EBADF:
        return "it has closed the socket";
    default:
        return strerror(error);
    }
}
