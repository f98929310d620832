/* SPDX-License-Identifier: MIT */
/* The child sends the PID of the main process to be named, and receives an errno. */
#include "handover/control.h"

#include "base/die.h"
#include "base/sd_notify.h"
#include "launch/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TELL = 5 /* seconds for the manager to read a message */ };

static volatile pid_t worker; /* 0 once it has ended */

static void pass_on(int signal_number) {
    if (worker > 0) kill(worker, signal_number);
}

/* Sets the handler for the signals that are passed on, unless they are ignored. */
static void handle_signals(void (*handler)(int)) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = handler};
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        struct sigaction before;
        sigaction(signals[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) sigaction(signals[i], &action, NULL);
    }
}

static int name_main(const char *manager, pid_t pid) {
    char text[32];
    snprintf(text, sizeof(text), "MAINPID=%d", (int)pid);
    return rp_notify(manager, text, TELL);
}

/* Starts a process to be named as the main process for a moment. Returns its PID, or -1. */
static pid_t start_another(void) {
    const pid_t pid = fork();
    if (pid) return pid;
    handle_signals(SIG_DFL);
    for (;;) pause();
}

/* Names the main process again. systemd ignores the PID that it has already, so another process is
 * named in between. If systemd may have kept that one, it is not killed: the unit would end with
 * it. */
static void name_anew(const char *manager, pid_t pid) {
    const pid_t other = start_another();
    if (other < 0) return;
    const bool named = !name_main(manager, other);
    if (named && name_main(manager, pid)) return;
    if (named) rp_notify_barrier(manager, TELL);
    kill(other, SIGKILL);
}

/* Does what the child asks for until it ends. Returns the main process that it named last. */
static pid_t serve(int channel, const char *manager, pid_t old) {
    pid_t asked, named = old;
    for (;;) {
        const ssize_t length = recv(channel, &asked, sizeof(asked), 0);
        if (length < 0 && errno == EINTR) continue;
        if (length != (ssize_t)sizeof(asked)) return named;
        int error = name_main(manager, asked);
        /* No need to wait where the old one is named: systemd reads messages in order, and before
         * it handles the end of a process. */
        if (!error && asked != old) error = rp_notify_barrier(manager, TELL);
        named = asked;
        send(channel, &error, sizeof(error), MSG_NOSIGNAL);
    }
}

/* Waits until the worker has ended. Returns its exit status. */
static int await_worker(void) {
    const pid_t pid = worker;
    siginfo_t unused;
    int how = 0;
    int failed;
    do failed = waitid(P_PID, (id_t)pid, &unused, WEXITED | WNOWAIT);
    while (failed && errno == EINTR);
    worker = 0; /* before its PID can be another's */
    waitpid(pid, &how, WNOHANG);
    return rp_exit_status(how);
}

static void stay(int channel, const char *manager, pid_t old) __attribute__((noreturn));

static void stay(int channel, const char *manager, pid_t old) {
    handle_signals(pass_on);
    const pid_t named = serve(channel, manager, old);
    const int status = await_worker();
    if (named != old) name_anew(manager, named);
    _exit(status);
}

int rp_control_split(const char *manager, pid_t old) {
    int ends[2];
    signal(SIGCHLD, SIG_DFL); /* inherited as ignored, it would hide how the child ended */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        rp_die("replace: socketpair: %s", strerror(errno));
    worker = fork();
    if (worker < 0) rp_die("replace: fork: %s", strerror(errno));
    close(ends[worker ? 1 : 0]);
    if (worker) stay(ends[0], manager, old);
    return ends[1];
}

int rp_control_tell(int channel, pid_t pid) {
    int error = EPIPE;
    ssize_t length;
    if (send(channel, &pid, sizeof(pid), MSG_NOSIGNAL) < 0) return errno;
    do length = recv(channel, &error, sizeof(error), 0);
    while (length < 0 && errno == EINTR);
    return length == (ssize_t)sizeof(error) ? error : EPIPE;
}
