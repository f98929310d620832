/* SPDX-License-Identifier: MIT */
/* One notification after the other: what a watcher died of twice is not tried again. */
#include "seccomp/answer.h"

#include "seccomp/filter.h"
#include "seccomp/kernel.h"
#include "seccomp/on_bind.h"
#include "seccomp/on_socket.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { TRIES = 2 };

_Static_assert(sizeof(struct seccomp_notif) <= RP_NOTIFICATION_SIZE, "room for a notification");

static bool handle(struct rp_notification *notification) {
    const struct seccomp_data *data = &notification->call->data;
    const unsigned kind =
        rp_filter_call(data->arch, data->nr, &notification->packed, &notification->narrow);
    if (kind == RP_BINDS) rp_on_bind(notification);
    return kind == RP_SOCKETS && rp_on_socket(notification);
}

/* Whose notification it is; the same for all whom /proc hides. */
static uid_t user_of(const struct rp_target *target) {
    uid_t user;
    gid_t group;
    return rp_process_user(target->pid, &user, &group) ? user : (uid_t)-1;
}

/* Whether the target may be looked into. */
static bool is_readable(struct rp_notification *notification) {
    struct rp_memory *memory = notification->watch->memory;
    if (!rp_target_waits(&notification->target)) return false;
    if (memory->tries++ < TRIES && !rp_patience_is_lost(&memory->patience, memory->patience.user))
        return true;
    /* The program's own stderr may be what blocks. */
    if (notification->watch->stderr_fd >= 0)
        rp_notification_warn(notification, ": its call goes on as it is: ",
                             "looking into the program takes too long");
    return false;
}

static void answer(const struct rp_watch *watch) {
    struct rp_memory *memory = watch->memory;
    const struct seccomp_notif *call = (const void *)memory->notification;
    struct rp_notification notification = {
        .watch = watch,
        .call = call,
        .target = {watch->listener, call->id, (pid_t)call->pid, -1},
    };
    struct seccomp_notif_resp go_on = {.id = call->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    rp_patience_begin(&memory->patience, user_of(&notification.target));
    const bool answered = is_readable(&notification) && handle(&notification);
    if (!answered) rp_listener_ioctl(watch, SECCOMP_IOCTL_NOTIF_SEND, &go_on);
    rp_target_close(&notification.target);
    memset(memory->notification, 0, sizeof(memory->notification));
    memory->tries = 0;
    rp_patience_end(&memory->patience);
}

bool rp_answer_all(const struct rp_watch *watch, int guard) {
    struct seccomp_notif *call = (void *)watch->memory->notification;
    struct pollfd ends[] = {{.fd = watch->listener, .events = POLLIN}, {.fd = guard, .events = 0}};
    if (call->id) answer(watch);
    for (;;) {
        if (poll(ends, 2, -1) < 0) continue;
        if (ends[1].revents) return false;
        if (ends[0].revents & POLLIN) {
            memset(call, 0, RP_NOTIFICATION_SIZE); /* the kernel insists */
            if (!rp_listener_ioctl(watch, SECCOMP_IOCTL_NOTIF_RECV, call)) answer(watch);
        } else if (ends[0].revents) {
            return true;
        }
    }
}
