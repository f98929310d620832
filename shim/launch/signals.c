/* SPDX-License-Identifier: MIT */
/* One table of signals and one way to reap, for keeper, supervisor and replace. */
#include "launch/signals.h"

#include <errno.h>
#include <stddef.h>
#include <sys/wait.h>

static const int passed_on[] = {SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM,
                                SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
enum { PASSED_ON = sizeof(passed_on) / sizeof(*passed_on) };

static sigset_t waited_for;

void rp_signals_block(sigset_t *before) {
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&waited_for);
    for (size_t i = 0; i < PASSED_ON; i++) sigaddset(&waited_for, passed_on[i]);
    sigaddset(&waited_for, SIGCHLD);
    sigaddset(&waited_for, SIGALRM);
    sigprocmask(SIG_BLOCK, &waited_for, before);
}

int rp_signals_wait(void) {
    int number;
    do {
        number = sigwaitinfo(&waited_for, NULL);
    } while (number < 0 && errno == EINTR);
    return number;
}

bool rp_signal_is_passed_on(int number) {
    for (size_t i = 0; i < PASSED_ON; i++)
        if (passed_on[i] == number) return true;
    return false;
}

bool rp_signal_stops(int number) {
    return number == SIGTERM || number == SIGINT || number == SIGQUIT;
}

pid_t rp_reap(int *how) {
    pid_t pid;
    do {
        pid = waitpid(-1, how, WNOHANG);
    } while (pid < 0 && errno == EINTR);
    return pid;
}

int rp_exit_status(int how) {
    return WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
}
