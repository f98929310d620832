/* SPDX-License-Identifier: MIT */
/* Only the keeper reaps its children, so until then a PID is a child's, without its start time. */
#include "launch/keeper.h"

#include "base/die.h"
#include "base/title.h"
#include "inspect/process.h"
#include "launch/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    GRACE = 5,          /* seconds that a copy has to end when the supervisor was killed */
    ORPHANED = SIGALRM, /* arrives when the supervisor dies, or wants the copy to be killed, and
                           when the grace is over */
    CHILDREN_MAX = 4096,
};

/* A child that was sent the signal that stops the copy. */
struct told {
    pid_t pid;
    bool catches; /* it has a handler, so its own children are its to tell */
};

struct keeper {
    const struct rp_copies *copies;
    int index;
    pid_t first;  /* the copy's first process, 0 once it has been reaped */
    int how;      /* as in wait(2): of the first process, or of the last if the first gave 0 */
    int stopping; /* the last of TERM, INT and QUIT that was passed on, or KILL, or 0 */
    struct told told[CHILDREN_MAX]; /* who was sent that one */
    int told_count;
    bool group_told; /* it went to the whole process group */
    bool doomed;     /* next time, or again, it is killed */
    bool watched;    /* each process of the copy has one seccomp filter more than this one */
};

static struct told *find_told(struct keeper *keeper, pid_t pid) {
    for (int i = 0; i < keeper->told_count; i++)
        if (keeper->told[i].pid == pid) return &keeper->told[i];
    return NULL;
}

/* Whether the signal that stops the copy went to the process with its group. */
static bool told_with_group(const struct keeper *keeper, pid_t pid) {
    return keeper->group_told && getpgid(pid) == getpgrp();
}

/* Whether a child is the copy's guard, or the watcher that takes its place: they lack the copy's
 * filter, which nobody can drop. The first process may not have it yet. */
static bool is_guard(const struct keeper *keeper, pid_t pid) {
    const int filters = keeper->watched && pid != keeper->first ? rp_process_filters(pid) : -1;
    return filters >= 0 && filters <= rp_process_filters(getpid());
}

static void tell(struct keeper *keeper, pid_t pid, int number) {
    const bool stops = number == keeper->stopping;
    if (stops && keeper->told_count < CHILDREN_MAX)
        keeper->told[keeper->told_count++] = (struct told){pid, rp_process_catches(pid, number)};
    if (!stops || !told_with_group(keeper, pid)) kill(pid, number);
}

/* Sends a signal to the copy's processes that are children of the keeper; their own children are
 * theirs to tell. all: also to those that were sent it before. */
static void pass_on(struct keeper *keeper, int number, bool all) {
    static pid_t children[CHILDREN_MAX];
    int count = rp_process_children(children, CHILDREN_MAX);
    if (count < 0) { /* without /proc only the first process is known */
        children[0] = keeper->first;
        count = keeper->first ? 1 : 0;
    }
    for (int i = 0; i < count; i++)
        if (!is_guard(keeper, children[i]) &&
            (all || !(find_told(keeper, children[i]) || told_with_group(keeper, children[i]))))
            tell(keeper, children[i], number);
}

/* Stops the copy: tells all its processes once, and later those that it leaves behind. group: as a
 * terminal does, which reaches a script and what it runs alike; a server in the background has left
 * the group, and is told as ever. */
static void stop(struct keeper *keeper, int number, bool group) {
    keeper->stopping = number;
    keeper->told_count = 0;
    keeper->group_told = group;
    pass_on(keeper, number, true);
    if (group) rp_signal_send_group(number);
}

/* Whether the children of one that has ended are still to be told to stop: not if it caught the
 * signal, as an entry script does that passes it on with trap. One that ended with 0 may have been
 * the starter of a daemon, and one that died of the signal told nobody. */
static bool left_untold(struct keeper *keeper, pid_t pid, int how) {
    const struct told *told = find_told(keeper, pid);
    return !told || !told->catches || WIFSIGNALED(how) || WEXITSTATUS(how) == 0;
}

static void forget(struct keeper *keeper, pid_t pid) {
    struct told *told = find_told(keeper, pid);
    if (told) *told = keeper->told[--keeper->told_count];
}

/* Whether a child is a watcher that its guard has given up: it sleeps until the program that froze
 * it, or its FUSE daemon, allows it to end. */
static bool is_given_up(pid_t child) {
    struct rp_process process;
    char name[RP_NAME_SIZE];
    return rp_process_find(child, &process, NULL) &&
           !strcmp(rp_process_name(&process, name), "reuseport-watch") &&
           rp_process_is_stuck(&process);
}

/* Whether anything of the copy is left, given that the keeper has children. */
static bool is_left(const struct keeper *keeper) {
    static pid_t children[CHILDREN_MAX];
    if (keeper->first || keeper->copies->launch->method != RP_SECCOMP) return true;
    const int count = rp_process_children(children, CHILDREN_MAX);
    int given_up = 0;
    while (given_up < count && is_given_up(children[given_up])) given_up++;
    return count <= 0 || given_up < count;
}

/* The PID of a child that has ended, not yet reaped; 0 if none has; -1 if there is no child. */
static pid_t find_ended(void) {
    siginfo_t info = {.si_pid = 0};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) ? -1 : info.si_pid;
}

/* Reaps what has ended. Returns false if nothing of the copy is left. */
static bool reap(struct keeper *keeper) {
    bool untold = false;
    pid_t pid;
    int how = 0;
    while ((pid = find_ended()) > 0) {
        const bool counts = !is_guard(keeper, pid);
        waitpid(pid, &how, 0);
        if (!counts) continue;
        if (pid == keeper->first || !keeper->first) {
            if (keeper->how == 0) keeper->how = how;
            if (pid == keeper->first) keeper->first = 0;
        }
        untold = untold || left_untold(keeper, pid, how);
        forget(keeper, pid);
    }
    if (keeper->stopping && untold) pass_on(keeper, keeper->stopping, false);
    return pid == 0 && is_left(keeper);
}

static void start_copy(struct keeper *keeper, const sigset_t *mask) {
    const pid_t self = getpid();
    keeper->first = fork();
    if (keeper->first < 0) rp_die("fork: %s", strerror(errno));
    if (keeper->first == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != self) raise(SIGKILL);
        sigprocmask(SIG_SETMASK, mask, NULL);
        _exit(rp_become_copy(keeper->copies, keeper->index));
    }
    if (keeper->copies->verbose || (keeper->copies->restart && !keeper->copies->launch->quiet))
        rp_warn("copy %d: started, pid %d", keeper->index, (int)keeper->first);
}

/* The supervisor is gone, or wants the copy to be killed. */
static void end_copy(struct keeper *keeper, bool kill_it) {
    if (!keeper->doomed && !kill_it && keeper->copies->orphaned) keeper->copies->orphaned();
    if (keeper->doomed || kill_it)
        stop(keeper, SIGKILL, false);
    else if (keeper->stopping != SIGTERM)
        stop(keeper, SIGTERM, false);
    alarm(keeper->doomed || kill_it ? 1 : GRACE);
    keeper->doomed = true;
}

/* Whether the copy ended as it was told to: with 0, by the signal, or as shells report that. */
static bool ended_as_told(const struct keeper *keeper) {
    const int number = rp_exit_status(keeper->how) - 128;
    return keeper->how == 0 ||
           (keeper->stopping && (rp_signal_stops(number) || number == keeper->stopping));
}

static void tell_end(const struct keeper *keeper) {
    const struct rp_copies *copies = keeper->copies;
    char name[RP_SIGNAL_NAME];
    const bool expected = ended_as_told(keeper) && !(copies->restart && !keeper->stopping);
    if (!copies->verbose && (copies->launch->quiet || expected)) return;
    if (WIFSIGNALED(keeper->how)) {
        rp_signal_name(WTERMSIG(keeper->how), name);
        rp_warn("copy %d: killed by %s", keeper->index, name);
    } else {
        rp_warn("copy %d: ended with status %d", keeper->index, WEXITSTATUS(keeper->how));
    }
}

/* In a process group of its own a copy gets a terminal's signals from the supervisor alone. */
static void detach(pid_t supervisor) {
    setpgid(0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, ORPHANED);
    if (getppid() != supervisor) _exit(RP_FAILED);
    if (!isatty(STDIN_FILENO)) return;
    close(STDIN_FILENO); /* reading the terminal would stop a background group */
    if (open("/dev/null", O_RDONLY) < 0) _exit(RP_FAILED);
}

void rp_keep_copy(const struct rp_copies *copies, int index, pid_t supervisor,
                  const sigset_t *mask) {
    static struct keeper keeper;
    bool left = true;
    keeper.copies = copies;
    keeper.index = index;
    keeper.watched = copies->launch->method == RP_SECCOMP && !getenv("REUSEPORT_SECCOMP");
    detach(supervisor);
    start_copy(&keeper, mask);
    rp_title_set("reuseport-keep"); /* who signals the supervisor by its name means that alone */
    while (left) {
        enum rp_origin from;
        const int number = rp_signals_wait(&from);
        if (number == SIGCHLD)
            left = reap(&keeper);
        else if (number == ORPHANED)
            end_copy(&keeper, from == RP_TO_KILL);
        else if (rp_signal_stops(number))
            stop(&keeper, number, from == RP_FROM_TERMINAL && number != SIGTERM);
        else if (rp_signal_is_passed_on(number) && number != copies->rolling)
            pass_on(&keeper, number, true);
    }
    tell_end(&keeper);
    _exit(rp_exit_status(keeper.how));
}

void rp_keeper_kill(pid_t keeper) {
    rp_signal_send(keeper, ORPHANED, RP_TO_KILL);
}
