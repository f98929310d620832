/* SPDX-License-Identifier: MIT */
/* Each question has a keeper: this process forks it, it forks sh, and all that descends from sh
 * stays below it. */
#include "launch/question.h"

#include "base/clock.h"
#include "base/die.h"
#include "inspect/process.h"
#include "launch/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILDREN_MAX = 64 /* killed together; others follow as these end */ };

/* In seconds: from TERM to KILL, and from TERM until the keeper is given up. */
static const double patience = 1, most = 3;

static char **outer; /* the environment as it was */

void rp_question_note_environment(void) {
    size_t count = 0;
    while (environ[count]) count++;
    outer = malloc((count + 1) * sizeof(*outer));
    if (!outer) rp_die("%s", strerror(errno));
    memcpy(outer, environ, (count + 1) * sizeof(*outer));
}

/* Becomes sh. */
static void become(const struct rp_asked *asked, const sigset_t *mask) __attribute__((noreturn));

static void become(const struct rp_asked *asked, const sigset_t *mask) {
    char pid[16];
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(pid, sizeof(pid), "%d", (int)asked->server);
    environ = outer;
    const int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
        setenv("REUSEPORT_PID", pid, 1) ||
        (asked->from ? setenv("REUSEPORT_FROM", asked->from, 1) : unsetenv("REUSEPORT_FROM")))
        _exit(RP_FAILED);
    if (null > STDERR_FILENO) close(null);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execl("/bin/sh", "sh", "-c", asked->line, (char *)NULL);
    _exit(RP_NOT_FOUND);
}

/* Kills the keeper's children. Returns false if there are none, or they are unknown. */
static bool kill_children(void) {
    pid_t children[CHILDREN_MAX];
    const int count = rp_process_children(children, CHILDREN_MAX);
    for (int i = 0; i < count; i++) kill(children[i], SIGKILL);
    return count > 0;
}

/* Reaps until nothing is left. Returns the status of sh. */
static int keep(pid_t sh, const sigset_t *waited) {
    const struct timespec pause = {0, 20000000};
    double told = 0; /* when TERM was passed on */
    int status = RP_FAILED;
    for (;;) {
        int how;
        pid_t pid;
        while ((pid = rp_reap(&how)) > 0) {
            if (pid != sh) continue;
            status = rp_exit_status(how);
            sh = 0;
        }
        if (pid < 0 || (!sh && !kill_children())) return status;
        if (sigtimedwait(waited, NULL, &pause) == SIGTERM && sh && told == 0) {
            told = rp_now();
            kill(-sh, SIGTERM);
        }
        if (sh && told > 0 && rp_now() - told > patience) kill(-sh, SIGKILL);
    }
}

static void ask(const struct rp_asked *asked, pid_t asker) __attribute__((noreturn));

static void ask(const struct rp_asked *asked, pid_t asker) {
    sigset_t waited, mask;
    setpgid(0, 0); /* a terminal's signals are not for it */
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&waited);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGCHLD);
    sigprocmask(SIG_BLOCK, &waited, &mask);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != asker) _exit(RP_FAILED);
    const pid_t sh = fork();
    if (sh < 0) _exit(RP_FAILED);
    if (!sh) become(asked, &mask);
    setpgid(sh, sh); /* here and in the child: whichever runs first */
    _exit(keep(sh, &waited));
}

int rp_question_ask(struct rp_question *question, const struct rp_asked *asked) {
    const pid_t self = getpid();
    /* Like fork(2), without an exit signal; as all arguments are zero, their order, which differs
     * between CPUs, does not matter. */
    const pid_t pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (pid < 0) return errno;
    if (!pid) ask(asked, self);
    question->pid = pid;
    return 0;
}

bool rp_question_runs(struct rp_question *question) {
    int how;
    if (question->pid && waitpid(question->pid, &how, (int)__WCLONE | WNOHANG) == question->pid) {
        question->status = rp_exit_status(how);
        question->pid = 0;
    }
    return question->pid;
}

void rp_question_end(struct rp_question *question) {
    if (!rp_question_runs(question)) return;
    kill(question->pid, SIGTERM);
    for (const double begin = rp_now(); rp_question_runs(question) && rp_now() - begin < most;)
        rp_tick();
}
