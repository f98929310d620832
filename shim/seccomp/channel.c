/* SPDX-License-Identifier: MIT */
/* One message is one byte, with at most one descriptor. */
#include "seccomp/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Aligned for the header that it begins with. */
union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

bool rp_channel_send(int socket, unsigned char byte, int fd) {
    union control control = {.space = {0}};
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.space;
        message.msg_controllen = sizeof(control.space);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

int rp_channel_receive(int socket, int *fd) {
    union control control;
    unsigned char byte;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = fd ? control.space : NULL,
                             .msg_controllen = fd ? sizeof(control.space) : 0};
    ssize_t got;
    do {
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got != 1) return -1;
    const struct cmsghdr *header = fd ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_type == SCM_RIGHTS) memcpy(fd, CMSG_DATA(header), sizeof(*fd));
    return byte;
}
