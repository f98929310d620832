/* SPDX-License-Identifier: MIT */
/* Starts COMMAND, keeps track of its processes, and ends them. */
#include "handover/successor.h"

#include "base/clock.h"
#include "base/die.h"
#include "handover/output.h"
#include "inspect/lock.h"
#include "inspect/process.h"
#include "launch/signals.h"
#include "service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { CHILDREN_MAX = 64 /* signalled together; others follow as these end */ };

/* In seconds: from TERM to KILL, and from KILL until it is given up. */
static const double patience = 5, grace = 5;

static void become(const struct rp_copies *copies, int output) __attribute__((noreturn));

static void become(const struct rp_copies *copies, int output) {
    rp_lock_leave();
    if (output && rp_output_use(output)) _exit(RP_FAILED);
    setsid();
    for (int i = 0; copies->notify && (!i || i < copies->count); i++) close(copies->notify[i].fd);
    if (isatty(STDIN_FILENO)) {
        close(STDIN_FILENO);
        if (open("/dev/null", O_RDONLY) < 0) _exit(RP_FAILED);
    }
    if (copies->count > 1) _exit(rp_serve(&(struct rp_service_plan){.copies = *copies}));
    _exit(rp_become_copy(copies, copies->count ? 0 : -1));
}

int rp_successor_start(struct rp_successor *successor, const struct rp_copies *copies) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const pid_t child = fork();
    if (child < 0) return errno;
    if (!child) become(copies, successor->output);
    *successor = (struct rp_successor){.child = child, .status = -1, .output = successor->output};
    return 0;
}

/* Reaps what has ended, and stores the exit status of the process with that PID. */
static void reap(struct rp_successor *successor, pid_t pid, int *status) {
    int how;
    pid_t ended;
    while ((ended = rp_reap(&how)) > 0)
        if (ended == pid) *status = rp_exit_status(how);
    successor->left = ended < 0;
}

void rp_successor_take(struct rp_successor *successor, pid_t pid, int pidfd) {
    *successor = (struct rp_successor){.child = pid, .given = pidfd, .status = -1};
}

bool rp_successor_is_lost(struct rp_successor *successor) {
    struct pollfd end = {.fd = successor->given, .events = POLLIN};
    if (successor->given) return successor->left = poll(&end, 1, 0) == 1;
    reap(successor, successor->child, &successor->status);
    return successor->left || successor->status > 0;
}

/* The children that have been sent the signal. */
struct told {
    struct rp_process list[CHILDREN_MAX];
    int count, signal_number;
};

static bool was_told(const struct told *told, const struct rp_process *process) {
    for (int i = 0; i < told->count; i++)
        if (told->list[i].pid == process->pid && told->list[i].start == process->start) return true;
    return false;
}

/* Signals each child that has not been sent the signal, including those reparented to us since. */
static void tell_children(struct told *told, int signal_number) {
    pid_t children[CHILDREN_MAX];
    struct told now = {.signal_number = signal_number};
    const int count = rp_process_children(children, CHILDREN_MAX);
    if (told->signal_number != signal_number) told->count = 0;
    for (int i = 0; i < count; i++) {
        struct rp_process *child = &now.list[now.count];
        if (!rp_process_find(children[i], child, NULL)) continue;
        if (!was_told(told, child)) kill(child->pid, signal_number);
        now.count++;
    }
    *told = now;
}

bool rp_successor_end(struct rp_successor *successor) {
    struct told told = {.count = 0};
    const double begin = rp_now();
    if (!successor->child || successor->given) return true;
    for (rp_successor_is_lost(successor); !successor->left; rp_successor_is_lost(successor)) {
        const double waited = rp_now() - begin;
        if (waited > patience + grace) return false;
        tell_children(&told, waited < patience ? SIGTERM : SIGKILL);
        rp_tick();
    }
    return true;
}

/* Whether a child came from COMMAND, if that is watched by seccomp: the guard, which is our child
 * as well, has no more filters than this process. No process can drop a filter, so this is certain.
 */
static bool is_watched(pid_t pid) {
    return rp_process_filters(pid) > rp_process_filters(getpid());
}

struct search {
    unsigned left; /* children to pass over */
    pid_t found, watched;
};

static void search_child(void *context, pid_t child) {
    struct search *search = context;
    if (search->left) {
        search->left--;
        return;
    }
    if (!search->found) search->found = child;
    if (!search->watched && is_watched(child)) search->watched = child;
}

/* Among the children of a process, oldest first; of none if /proc would tell of those that another
 * namespace's process has, which must not be signalled. */
static void search_children(struct search *search, pid_t parent) {
    if (rp_proc_is_own()) rp_process_visit_children(parent, search_child, search);
}

/* The oldest child of a process that came from COMMAND, or 0. */
static pid_t oldest_child(pid_t parent) {
    struct search search = {0, 0, 0};
    search_children(&search, parent);
    return search.watched ? search.watched : search.found;
}

pid_t rp_successor_pid(struct rp_successor *successor) {
    rp_successor_is_lost(successor);
    return successor->status < 0 ? successor->child : oldest_child(getpid());
}

pid_t rp_successor_copy(struct rp_successor *successor, const struct rp_copies *copies,
                        unsigned index) {
    struct search keeper = {index, 0, 0};
    const pid_t pid = rp_successor_pid(successor);
    if (copies->count <= 1 || !pid) return pid;
    search_children(&keeper, pid);
    return keeper.found ? oldest_child(keeper.found) : 0;
}

int rp_successor_stay(struct rp_successor *successor) {
    rp_signals_block(NULL);
    const pid_t pid = rp_successor_pid(successor);
    int status = -1; /* of that process, whose PID may be another's once it has been reaped */
    while (!successor->left) {
        const int number = rp_signals_wait(NULL);
        if (rp_signal_is_passed_on(number) && pid > 0 && status < 0) kill(pid, number);
        reap(successor, pid, &status);
    }
    if (status < 0) status = successor->status;
    return status > 0 ? status : 0;
}
