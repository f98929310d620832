/* SPDX-License-Identifier: MIT */
/* How long a watcher may take for a notification, and what becomes of a user whose notifications
 * take longer. A program can make its memory and descriptors block whoever touches them, by FUSE
 * even in a sleep that no signal ends. */
#ifndef RP_PATIENCE_H
#define RP_PATIENCE_H

#include <stdbool.h>
#include <sys/types.h>

/* Watchers given up by the guard, of one user and of all, that are still there or were given up
 * within the last minute. Each is a process, and each keeps everybody else waiting: by default 2 s,
 * then half as long each time for that user, so that what one user can do adds up to less than 4 s
 * a minute. Past either bound nothing of that user's, or of anybody's, is touched. */
enum { RP_STRIKES_OF_ONE = 4, RP_STRIKES = 32 };

/* In memory shared by guard and watchers. */
struct rp_patience {
    unsigned began;  /* ms, when the notification being answered was taken up; 0: none is */
    unsigned asleep; /* the guard waits for a signal, without a timeout */
    uid_t user;      /* the notification's */
    struct {
        pid_t watcher; /* 0: has ended */
        uid_t user;
        unsigned when; /* s; 0: never */
    } strikes[RP_STRIKES];
};

/* For the watcher: brackets the answering of a notification of that user, which others may not
 * choose for him: the real one. The first wakes the guard, its parent. Async-signal-safe. */
void rp_patience_begin(struct rp_patience *patience, uid_t user);
void rp_patience_end(struct rp_patience *patience);

/* Whether notifications of that user are not to be looked into. Async-signal-safe. */
bool rp_patience_is_lost(const struct rp_patience *patience, uid_t user);

/* Whether a watcher has lately been given up over that user. Async-signal-safe. */
bool rp_patience_is_tried(const struct rp_patience *patience, uid_t user);

/* The rest are the guard's. None blocks on anything but its own clock. */

/* Milliseconds left for the notification being answered; -1 if none is. */
int rp_patience_left(const struct rp_patience *patience);

/* Sleeps until SIGCHLD, which is blocked, or until no patience is left (sigtimedwait(2)). */
void rp_patience_sleep(struct rp_patience *patience);

/* Gives up a watcher. It is sent KILL: even in a sleep that this does not end, it never returns to
 * user mode (signal(7)), so it neither answers nor writes into shared memory any more. */
void rp_patience_give_up(struct rp_patience *patience, pid_t watcher);

/* Reaps watchers given up that have ended. */
void rp_patience_reap(struct rp_patience *patience);

#endif
