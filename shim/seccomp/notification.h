/* SPDX-License-Identifier: MIT */
/* A notification (seccomp_unotify(2)) while it is being answered, and what answering it takes. */
#ifndef RP_NOTIFICATION_H
#define RP_NOTIFICATION_H

#include "core/apply.h"
#include "inspect/process.h"
#include "seccomp/patience.h"
#include "seccomp/target.h"

enum { RP_NOTIFICATION_SIZE = 1024, RP_REMEMBERED = 64 };

/* State shared by successive watchers, in memory that outlives each of them. */
struct rp_memory {
    /* struct seccomp_notif, the one being answered; id 0: none. */
    _Alignas(8) unsigned char notification[RP_NOTIFICATION_SIZE];
    unsigned tries; /* made at answering it */
    struct rp_patience patience;
    bool warned;
    struct {
        struct rp_process process; /* pid 0: none */
        unsigned told;             /* refused binds reported (core/explain.h) */
    } refused[RP_REMEMBERED];
    unsigned next_refused;
};

struct rp_watch {
    const struct rp_config *config;
    int listener;        /* of rp_filter_install() */
    int null, stderr_fd; /* /dev/null; the program's stderr if it may be kept open, else -1 */
    struct rp_memory *memory;
};

struct rp_notification {
    const struct rp_watch *watch;
    const struct seccomp_notif *call;
    struct rp_target target;
    bool packed, narrow; /* of rp_filter_call() */
};

/* ioctl(2) on the listener. Returns -1 and errno. */
int rp_listener_ioctl(const struct rp_watch *watch, unsigned long request, void *argument);

/* Makes descriptor 2 the program's stderr, where the library would write; not where a watcher was
 * given up over the program's user, as writing there may be what blocked. Afterwards return it, so
 * that nobody who waits for the end of a pipe waits for the watcher. */
void rp_stderr_borrow(struct rp_notification *notification);
void rp_stderr_return(const struct rp_notification *notification);

/* Says, once for all watchers, that the program's call goes on as the program made it, and why. */
void rp_notification_warn(struct rp_notification *notification, const char *what, const char *why);

#endif
