/* SPDX-License-Identifier: MIT */
/* seccomp/patience: how long whose notifications may take, and who has used that up.
 * Prints what is not as it should be, and how many checks were made. */
#include "seccomp/patience.h"
#include "base/clock.h"
#include "check.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ONE = 7, ANOTHER = 8 }; /* users */

/* What lies behind the strikes is another's, and looks like one of user ONE. */
struct scene {
    struct rp_patience patience;
    pid_t watcher;
    uid_t user;
    unsigned when;
};

static struct scene scene_with(unsigned strikes, uid_t user, unsigned ago) {
    struct scene scene = {.watcher = 1, .user = ONE, .when = 0};
    for (unsigned i = 0; i < strikes; i++) {
        scene.patience.strikes[i].user = user;
        scene.patience.strikes[i].when = (unsigned)rp_now() - ago;
    }
    return scene;
}

static pid_t child(void) {
    const pid_t pid = fork();
    if (pid) return pid;
    alarm(60);
    for (;;) pause();
}

static void check_counts(void) {
    struct scene scene = scene_with(0, ONE, 0);
    check(!rp_patience_is_tried(&scene.patience, 0), "no strikes are those of user 0");
    check(!rp_patience_is_tried(&scene.patience, ONE), "a strike without one");
    scene = scene_with(3, ONE, 1);
    check(rp_patience_is_tried(&scene.patience, ONE) &&
              !rp_patience_is_tried(&scene.patience, ANOTHER),
          "whose");
    check(!rp_patience_is_lost(&scene.patience, ONE), "three are too many");
    scene = scene_with(4, ONE, 50);
    check(rp_patience_is_lost(&scene.patience, ONE) &&
              !rp_patience_is_lost(&scene.patience, ANOTHER),
          "four are not too many, or too many for another");
    scene = scene_with(1, ONE, -1U); /* seconds are rounded up to what is not 0 */
    check(rp_patience_is_tried(&scene.patience, ONE), "a strike does not count at once");
    scene = scene_with(4, ONE, 60);
    check(!rp_patience_is_tried(&scene.patience, ONE), "a minute is not enough");
    for (int i = 0; i < 4; i++) scene.patience.strikes[i].watcher = 1;
    check(rp_patience_is_lost(&scene.patience, ONE), "those that are still there do not count");
    scene = scene_with(RP_STRIKES - 1, ANOTHER, 1);
    check(!rp_patience_is_lost(&scene.patience, ONE), "there is no place left");
    scene = scene_with(RP_STRIKES, ANOTHER, 1);
    check(rp_patience_is_lost(&scene.patience, ONE), "one user's strikes are not everybody's");
}

/* Whether so many milliseconds are left, or less on a machine that is busy. */
static bool left_are(const struct rp_patience *patience, int most) {
    const int left = rp_patience_left(patience);
    return left > 0 && left <= most;
}

static void check_left(void) {
    struct scene scene = scene_with(2, ONE, 1);
    struct rp_patience *patience = &scene.patience;
    check(rp_patience_left(patience) == -1, "time is left for nothing");
    rp_patience_begin(patience, ANOTHER);
    check(left_are(patience, 2000), "two seconds");
    rp_patience_begin(patience, ONE);
    check(patience->user == ONE && left_are(patience, 500), "half a second after two strikes");
    patience->began -= 1000;
    check(rp_patience_left(patience) == 0, "none is left");
    rp_patience_end(patience);
    check(rp_patience_left(patience) == -1, "it has ended, and time is left");
}

static void check_giving_up(void) {
    struct scene scene = scene_with(1, ANOTHER, 1);
    struct rp_patience *patience = &scene.patience;
    siginfo_t info;
    pid_t watcher = child();
    patience->user = ONE;
    rp_patience_give_up(patience, watcher);
    check(rp_patience_is_tried(patience, ONE) && patience->strikes[1].watcher == watcher &&
              (unsigned)rp_now() < patience->strikes[1].when + 60,
          "it is not noted");
    check(!waitid(P_PID, (id_t)watcher, &info, WEXITED | WNOWAIT) && info.si_status == SIGKILL,
          "it is not killed");
    rp_patience_reap(patience);
    check(!patience->strikes[1].watcher && waitpid(watcher, NULL, 0) < 0, "it is not reaped");
    check(rp_patience_is_tried(patience, ONE), "it is forgiven at its end");
    /* Without a place for it. */
    scene = scene_with(RP_STRIKES, ANOTHER, 1);
    struct scene before = scene;
    watcher = child();
    rp_patience_give_up(patience, watcher);
    check(!memcmp(&before, &scene, sizeof(scene)), "it is noted where there is no place");
    check(waitpid(watcher, NULL, 0) == watcher, "it is not killed where there is no place");
    /* In the last place, while it is alive. */
    watcher = child();
    scene.watcher = scene.patience.strikes[RP_STRIKES - 1].watcher = watcher;
    rp_patience_reap(patience);
    check(patience->strikes[RP_STRIKES - 1].watcher == watcher, "it is reaped alive");
    kill(watcher, SIGKILL);
    waitid(P_PID, (id_t)watcher, &info, WEXITED | WNOWAIT);
    rp_patience_reap(patience);
    check(!patience->strikes[RP_STRIKES - 1].watcher, "the last is not reaped");
    check(scene.watcher == watcher, "what is another's is reaped");
}

/* In memory that the watcher, a child, shares. */
static void check_sleep(void) {
    struct rp_patience *patience =
        mmap(NULL, sizeof(*patience), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    const pid_t watcher = fork();
    if (!watcher) {
        alarm(60);
        while (!__atomic_load_n(&patience->asleep, __ATOMIC_SEQ_CST)) poll(NULL, 0, 1);
        rp_patience_begin(patience, ONE);
        for (;;) pause();
    }
    rp_patience_sleep(patience);
    check(rp_patience_left(patience) >= 0, "it wakes before a notification is taken up");
    check(!patience->asleep, "awake, it is asleep");
    rp_patience_give_up(patience, watcher);
    check(waitpid(watcher, NULL, 0) == watcher, "it does not end");
    sigwaitinfo(&signals, NULL);
    for (int i = 1; i < 4; i++) patience->strikes[i] = patience->strikes[0];
    rp_patience_begin(patience, ONE);
    for (int i = 0; i < 3; i++) rp_patience_sleep(patience); /* it wakes early by a millisecond */
    check(rp_patience_left(patience) == 0, "it does not sleep while there is time left");
    munmap(patience, sizeof(*patience));
}

int main(void) {
    alarm(30); /* for a sleep that does not end */
    check_counts();
    check_left();
    check_giving_up();
    check_sleep();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
