/* Starting a new server beside an old one, and ending it again should it not come up. */
#include "handover/successor.h"

#include "base/clock.h"
#include "base/die.h"
#include "inspect/process.h"
#include "seccomp/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN_MAX = 64 };

static void become(const struct rp_copies *copies) __attribute__((noreturn));

static void become(const struct rp_copies *copies) {
    setsid();
    if (isatty(STDIN_FILENO)) {
        close(STDIN_FILENO);
        if (open("/dev/null", O_RDONLY) < 0) _exit(RP_FAILED);
    }
    if (copies->count > 1) _exit(rp_supervise(copies));
    _exit(rp_become_copy(copies, copies->count ? 0 : -1));
}

int rp_successor_start(struct rp_successor *successor, const struct rp_copies *copies) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const pid_t child = fork();
    if (child < 0) return errno;
    if (!child) become(copies);
    *successor = (struct rp_successor){child, -1, false};
    return 0;
}

/* Reaps what has ended; of the process with that PID the exit status goes to *status. */
static void reap(struct rp_successor *successor, pid_t pid, int *status) {
    int how;
    pid_t ended;
    while ((ended = waitpid(-1, &how, WNOHANG)) > 0)
        if (ended == pid) *status = rp_exit_status(how);
    successor->left = ended < 0 && errno == ECHILD;
}

bool rp_successor_is_lost(struct rp_successor *successor) {
    reap(successor, successor->child, &successor->status);
    return successor->left || successor->status > 0;
}

bool rp_successor_end(struct rp_successor *successor) {
    const double begin = rp_now();
    if (!successor->child) return true;
    for (rp_successor_is_lost(successor); !successor->left; rp_successor_is_lost(successor)) {
        pid_t children[CHILDREN_MAX];
        const int count = rp_process_children(children, CHILDREN_MAX);
        const double waited = rp_now() - begin;
        if (waited > 10) return false;
        for (int i = 0; i < count; i++) kill(children[i], waited < 5 ? SIGTERM : SIGKILL);
        rp_tick();
    }
    return true;
}

/* The guard of a server that is watched becomes our child when the server does; it is none itself. */
static bool is_guard(pid_t pid) {
    char name[RP_NAME_SIZE];
    return !strcmp(rp_process_name(pid, name), RP_GUARD_NAME);
}

pid_t rp_successor_pid(struct rp_successor *successor) {
    pid_t children[CHILDREN_MAX];
    rp_successor_is_lost(successor);
    if (successor->status < 0) return successor->child;
    const int count = rp_process_children(children, CHILDREN_MAX);
    for (int i = 0; i < count; i++)
        if (!is_guard(children[i])) return children[i];
    return 0;
}

int rp_successor_stay(struct rp_successor *successor) {
    static const int passed_on[] = {SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM,
                                    SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(*passed_on); i++)
        sigaddset(&set, passed_on[i]);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    const pid_t pid = rp_successor_pid(successor);
    int status = successor->status > 0 ? successor->status : 0;
    while (!successor->left) {
        const int number = sigwaitinfo(&set, NULL);
        if (number > 0 && number != SIGCHLD && pid > 0) kill(pid, number);
        reap(successor, pid, &status);
    }
    return status;
}
