/* SPDX-License-Identifier: MIT */
/* A socket made by the watcher, but owned by the program's user and group. */
#include "seccomp/on_socket.h"

#include "core/message.h"
#include "inspect/trial.h"
#include "seccomp/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A TCP socket with the option. Returns -1 and errno. */
static int make_socket(const struct rp_notification *notification) {
    const struct seccomp_data *data = &notification->call->data;
    uid_t user;
    gid_t group;
    if (!rp_target_creator(&notification->target, &user, &group)) {
        errno = EPERM;
        return -1;
    }
    const int fd =
        rp_socket_of_user(user, group, (int)data->args[0], (int)data->args[1], (int)data->args[2]);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    return fd;
}

/* Puts the socket into the program as the result of its call, which the kernel refuses if the call
 * no longer waits. Returns false if it still does. */
static bool hand_over(const struct rp_notification *notification, int fd) {
    struct seccomp_notif_addfd addition = {
        .id = notification->call->id,
        .flags = SECCOMP_ADDFD_FLAG_SEND,
        .srcfd = (uint32_t)fd,
        .newfd_flags = (notification->call->data.args[1] & (unsigned)SOCK_CLOEXEC) ? O_CLOEXEC : 0,
    };
    if (rp_listener_ioctl(notification->watch, SECCOMP_IOCTL_NOTIF_ADDFD, &addition) >= 0)
        return true;
    if (errno != EINVAL) return false;
    addition.flags = 0; /* before Linux 5.14, in two steps */
    const int theirs = rp_listener_ioctl(notification->watch, SECCOMP_IOCTL_NOTIF_ADDFD, &addition);
    struct seccomp_notif_resp response = {.id = addition.id, .val = theirs};
    return theirs >= 0 &&
           !rp_listener_ioctl(notification->watch, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

bool rp_on_socket(struct rp_notification *notification) {
    const char *why = rp_target_difference(&notification->target);
    const int fd = why ? -1 : make_socket(notification);
    /* Whatever else the kernel refuses us it will refuse the program. */
    if (!why && fd < 0 && errno == EPERM) why = strerror(EPERM);
    if (why) rp_notification_warn(notification, ": its socket is not shared: ", why);
    if (fd < 0) return false;
    const bool done = hand_over(notification, fd);
    if (done && notification->watch->config->log == RP_LOG_INFO) {
        rp_stderr_borrow(notification);
        rp_tell(fd, NULL);
        rp_stderr_return(notification);
    }
    close(fd);
    return done;
}
