/* SPDX-License-Identifier: MIT */
/* One table of signals and one way to reap, for keeper, supervisor and replace. */
#include "launch/signals.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int passed_on[] = {SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM,
                                SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
enum { PASSED_ON = sizeof(passed_on) / sizeof(*passed_on) };

/* Values of signals that a parent sends: one that a terminal sent, and a request to kill. */
enum { FROM_TERMINAL = 0x7479, KILL_COPY = 0x6b69 };

static sigset_t waited_for;

void rp_signals_block(sigset_t *before) {
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&waited_for);
    for (size_t i = 0; i < PASSED_ON; i++) sigaddset(&waited_for, passed_on[i]);
    sigaddset(&waited_for, SIGCHLD);
    sigaddset(&waited_for, SIGALRM);
    sigaddset(&waited_for, SIGTTIN);
    sigaddset(&waited_for, SIGTTOU);
    sigprocmask(SIG_BLOCK, &waited_for, before);
}

static enum rp_origin origin(int code, pid_t sender, int value) {
    if (code == SI_KERNEL) return RP_FROM_TERMINAL;
    if (code != SI_QUEUE || sender != getppid()) return RP_FROM_PROCESS;
    return value == FROM_TERMINAL ? RP_FROM_TERMINAL
           : value == KILL_COPY   ? RP_TO_KILL
                                  : RP_FROM_PROCESS;
}

int rp_signals_wait(enum rp_origin *from) {
    siginfo_t info = {0};
    int number;
    do {
        number = sigwaitinfo(&waited_for, &info);
    } while (number < 0 && errno == EINTR);
    if (from) *from = origin(info.si_code, info.si_pid, info.si_value.sival_int);
    return number;
}

int rp_signals_open(void) {
    sigset_t set = waited_for;
    sigdelset(&set, SIGALRM);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int rp_signals_read(int fd, enum rp_origin *from) {
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof(info)) != sizeof(info)) return 0;
    *from = origin(info.ssi_code, (pid_t)info.ssi_pid, info.ssi_int);
    return (int)info.ssi_signo;
}

void rp_signal_send(pid_t pid, int number, enum rp_origin from) {
    const union sigval value = {.sival_int = from == RP_TO_KILL ? KILL_COPY : FROM_TERMINAL};
    if (from == RP_FROM_PROCESS || sigqueue(pid, number, value)) kill(pid, number);
}

void rp_signal_send_group(int number) {
    const struct timespec none = {0, 0};
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, number);
    kill(0, number);
    sigtimedwait(&own, NULL, &none);
}

bool rp_signal_is_passed_on(int number) {
    for (size_t i = 0; i < PASSED_ON; i++)
        if (passed_on[i] == number) return true;
    return false;
}

bool rp_signal_counts_copies(int number) {
    return number == SIGTTIN || number == SIGTTOU;
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

void rp_signal_name(int number, char name[RP_SIGNAL_NAME]) {
    static const struct {
        const char *name;
        int number;
    } names[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ILL", SIGILL},
                 {"TRAP", SIGTRAP}, {"ABRT", SIGABRT}, {"BUS", SIGBUS},   {"FPE", SIGFPE},
                 {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
                 {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"XCPU", SIGXCPU},
                 {"XFSZ", SIGXFSZ}, {"SYS", SIGSYS}};
    snprintf(name, RP_SIGNAL_NAME, "signal %d", number);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (names[i].number == number) snprintf(name, RP_SIGNAL_NAME, "%s", names[i].name);
}
