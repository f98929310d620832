/* SPDX-License-Identifier: MIT */
/* An option of a group can be set through any of its members. */
#include "group/steer.h"

#include "group/members.h"
#include "inspect/holders.h"
#include "inspect/trial.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif
#ifndef SO_ATTACH_REUSEPORT_EBPF
#define SO_ATTACH_REUSEPORT_EBPF 52
#endif
#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif
#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif

static int set(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof(value)) ? errno : 0;
}

/* Attaches, or with NULL detaches. Returns 0 or an errno: ENOENT if there was nothing to detach. */
static int set_program(int fd, const struct sock_fprog *program) {
    if (!program) return set(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program, sizeof(*program)) ? errno
                                                                                           : 0;
}

/* loaded: an eBPF program's descriptor, which goes before; or -1. */
static int through_member(const struct rp_socket *like, const struct rp_sockets *sockets,
                          const struct sock_fprog *program, int loaded) {
    int error = EPERM;
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        if (!rp_is_same_group(like, socket)) continue;
        for (size_t j = 0; j < socket->owner_count; j++) {
            const int fd = rp_socket_take(socket, &socket->owners[j]);
            if (fd < 0 && errno == ENOSYS) error = ENOSYS;
            if (fd < 0) continue;
            error = loaded < 0 ? set_program(fd, program)
                               : set(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, loaded);
            close(fd); /* at once: it keeps the member alive */
            if (!error || error == ENOENT) return error;
        }
    }
    return error;
}

int rp_group_steer(const struct rp_socket *like, const struct rp_sockets *sockets,
                   const struct sock_fprog *program) {
    const int error = through_member(like, sockets, program, -1);
    return error == ENOENT ? 0 : error;
}

int rp_group_attach(const struct rp_socket *like, const struct rp_sockets *sockets, int program) {
    return through_member(like, sockets, NULL, program);
}

/* Drops packets with fewer than 255 hops left, which is nearly all; a filter drops the rest, where
 * it may be attached. */
static int take_nothing(int fd, bool ipv6) {
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog filter = {1, &nothing};
    const int error = set(fd, IPPROTO_IP, IP_MINTTL, 255);
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
    return !error && ipv6 ? set(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, 255) : error;
}

/* It hides once it has joined, before it detaches and before it closes. */
static int visit(int fd, const struct rp_trial *trial, const struct sock_fprog *program) {
    int error = take_nothing(fd, trial->ipv6);
    if (!error) error = rp_trial_bind_fd(fd, trial);
    if (!error) error = listen(fd, 1) ? errno : 0;
    if (error) return error;
    if (program) error = set_program(fd, program);
    set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, RP_NOWHERE);
    return program ? error : set_program(fd, NULL);
}

static int through_visitor(const struct rp_socket *like, const struct sock_fprog *program) {
    struct rp_trial trial = rp_trial_like(like);
    if (like->proto != RP_TCP) return EOPNOTSUPP;
    const int fd =
        rp_socket_of_user(trial.user, trial.group, like->ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return errno;
    trial.reuseaddr = true; /* past connections in TIME_WAIT */
    const int error = visit(fd, &trial, program);
    close(fd);
    return error;
}

int rp_group_visit(const struct rp_socket *like, const struct sock_fprog *program) {
    const int error = through_visitor(like, program);
    return error == ENOENT ? 0 : error;
}

int rp_group_unsteer(const struct rp_socket *like, const struct rp_sockets *sockets) {
    const int error = through_member(like, sockets, NULL, -1);
    if (error == EINVAL) return ENOENT; /* in no group yet */
    if (!error || error == ENOENT || like->proto != RP_TCP) return error;
    return through_visitor(like, NULL);
}

int rp_group_hide(const struct rp_socket *socket) {
    int error = EPERM;
    for (size_t i = 0; i < socket->owner_count && error; i++) {
        const int fd = rp_socket_take(socket, &socket->owners[i]);
        if (fd < 0) continue;
        error = set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, RP_NOWHERE);
        close(fd);
    }
    return error;
}
