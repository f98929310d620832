/* SPDX-License-Identifier: MIT */
/* Strikes by user. Guard and watchers share no lock: the guard writes strikes, and the watcher what
 * it is doing; only who is asleep and who has begun depend on each other's order. */
#include "seccomp/patience.h"

#include "base/clock.h"

#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 2000 /* milliseconds */, MINUTE = 60 /* seconds */ };

/* Never 0. */
static unsigned milliseconds(void) {
    return (unsigned)(uint64_t)(rp_now() * 1000) | 1;
}

static bool counts(const struct rp_patience *patience, unsigned i) {
    return patience->strikes[i].watcher ||
           (patience->strikes[i].when && (unsigned)rp_now() < patience->strikes[i].when + MINUTE);
}

static unsigned strikes_of(const struct rp_patience *patience, uid_t user) {
    unsigned count = 0;
    for (unsigned i = 0; i < RP_STRIKES; i++)
        count += patience->strikes[i].user == user && counts(patience, i);
    return count;
}

/* RP_STRIKES if there is none. */
static unsigned free_place(const struct rp_patience *patience) {
    unsigned i = 0;
    while (i < RP_STRIKES && counts(patience, i)) i++;
    return i;
}

void rp_patience_begin(struct rp_patience *patience, uid_t user) {
    patience->user = user;
    __atomic_store_n(&patience->began, milliseconds(), __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&patience->asleep, __ATOMIC_SEQ_CST)) kill(getppid(), SIGCHLD);
}

void rp_patience_end(struct rp_patience *patience) {
    __atomic_store_n(&patience->began, 0U, __ATOMIC_SEQ_CST);
}

bool rp_patience_is_lost(const struct rp_patience *patience, uid_t user) {
    return strikes_of(patience, user) >= RP_STRIKES_OF_ONE || free_place(patience) == RP_STRIKES;
}

bool rp_patience_is_tried(const struct rp_patience *patience, uid_t user) {
    return strikes_of(patience, user) > 0;
}

int rp_patience_left(const struct rp_patience *patience) {
    const unsigned began = __atomic_load_n(&patience->began, __ATOMIC_SEQ_CST);
    if (!began) return -1;
    const unsigned allowed = PATIENCE >> strikes_of(patience, patience->user);
    const unsigned taken = milliseconds() - began;
    return taken < allowed ? (int)(allowed - taken) : 0;
}

void rp_patience_sleep(struct rp_patience *patience) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    __atomic_store_n(&patience->asleep, 1U, __ATOMIC_SEQ_CST);
    const int left = rp_patience_left(patience); /* a watcher that begins now sends a signal */
    if (left < 0) sigwaitinfo(&child, NULL);
    __atomic_store_n(&patience->asleep, 0U, __ATOMIC_SEQ_CST);
    const struct timespec timeout = {left / 1000, left % 1000 * 1000000L};
    if (left > 0) sigtimedwait(&child, NULL, &timeout);
}

void rp_patience_give_up(struct rp_patience *patience, pid_t watcher) {
    const unsigned i = free_place(patience);
    kill(watcher, SIGKILL);
    if (i == RP_STRIKES) return;
    patience->strikes[i].user = patience->user;
    patience->strikes[i].when = (unsigned)rp_now() | 1;
    patience->strikes[i].watcher = watcher;
}

void rp_patience_reap(struct rp_patience *patience) {
    for (unsigned i = 0; i < RP_STRIKES; i++) {
        const pid_t watcher = patience->strikes[i].watcher;
        if (watcher && waitpid(watcher, NULL, WNOHANG)) patience->strikes[i].watcher = 0;
    }
}
