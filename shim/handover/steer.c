/* SPDX-License-Identifier: MIT */
/* Attaches a program of four instructions that returns a random member's number. */
#include "handover/steer.h"

#include "inspect/holders.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif
#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

/* Steers to members first to first+count-1 of fd's group, numbered as they joined; past the last
 * member the kernel falls back to its hash. Returns 0 or an errno. */
static int attach(int fd, unsigned first, unsigned count) {
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_RANDOM)),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
        BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, first),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    const struct sock_fprog program = {sizeof(instructions) / sizeof(*instructions), instructions};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) ? errno
                                                                                           : 0;
}

static int take_from(const struct rp_groups *groups, const struct rp_group *group,
                     const struct rp_sockets *sockets) {
    int fd = -1;
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        if (!rp_is_receiver(socket) || rp_groups_find(groups, socket) != group) continue;
        for (size_t j = 0; j < socket->owner_count && fd < 0; j++)
            fd = rp_socket_take(socket, &socket->owners[j]);
    }
    return fd;
}

/* A duplicate of a member, preferably the new server's, or -1. Close it at once: it keeps the
 * member alive. */
static int take_member(const struct rp_groups *groups, const struct rp_group *group,
                       const struct rp_look *look) {
    const int fd = take_from(groups, group, &look->of[RP_NEW]);
    return fd >= 0 ? fd : take_from(groups, group, &look->of[RP_OLD]);
}

int rp_groups_steer(struct rp_groups *groups, const struct rp_look *look, enum rp_way way) {
    int error = 0;
    for (size_t i = 0; i < groups->count; i++) {
        struct rp_group *group = &groups->list[i];
        unsigned first, count;
        if (!rp_group_range(group, way, &first, &count)) continue;
        if (!group->steered) group->first = group->olds;
        const int fd = take_member(groups, group, look);
        const int result = fd < 0 ? EBADF : attach(fd, first, count);
        if (fd >= 0) close(fd);
        group->steered = group->steered || !result;
        if (result) error = result;
    }
    return error;
}

void rp_groups_release(struct rp_groups *groups, const struct rp_look *look) {
    int unused = 0;
    for (size_t i = 0; i < groups->count; i++) {
        struct rp_group *group = &groups->list[i];
        const int fd = group->steered ? take_member(groups, group, look) : -1;
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused, sizeof(unused));
        close(fd);
        group->steered = false;
    }
}
