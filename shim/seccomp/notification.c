/* SPDX-License-Identifier: MIT */
/* What all handlers of notified calls need. */
#include "seccomp/notification.h"

#include "core/message.h"
#include "seccomp/kernel.h"

#include <unistd.h>

/* libc's ioctl takes the request as an int in musl and as an unsigned long in glibc. */
int rp_listener_ioctl(const struct rp_watch *watch, unsigned long request, void *argument) {
    return (int)syscall(SYS_ioctl, watch->listener, request, argument);
}

static void borrow(struct rp_notification *notification) {
    const int fd = notification->watch->stderr_fd >= 0
                       ? dup(notification->watch->stderr_fd)
                       : rp_target_take(&notification->target, STDERR_FILENO);
    if (fd < 0) return;
    dup2(fd, STDERR_FILENO);
    close(fd);
}

void rp_stderr_borrow(struct rp_notification *notification) {
    const struct rp_patience *patience = &notification->watch->memory->patience;
    if (!rp_patience_is_tried(patience, patience->user)) borrow(notification);
}

void rp_stderr_return(const struct rp_notification *notification) {
    dup2(notification->watch->null, STDERR_FILENO);
}

void rp_notification_warn(struct rp_notification *notification, const char *what, const char *why) {
    struct rp_message message = RP_MESSAGE;
    if (notification->watch->config->log == RP_LOG_OFF || notification->watch->memory->warned)
        return;
    notification->watch->memory->warned = true;
    rp_say(&message, "pid ");
    rp_say_number(&message, (uint32_t)notification->target.pid);
    rp_say(&message, what);
    rp_say(&message, why);
    borrow(notification); /* once at most, so whatever it costs */
    rp_send(&message);
    rp_stderr_return(notification);
}
