/* SPDX-License-Identifier: MIT */
/* handover/successor: which process serves, and what is passed on to it. Prints what is not as it
 * should be, and how many checks were made. */
#include "handover/successor.h"
#include "check.h"

#include "inspect/process.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS = 7 };

static void must(bool good, const char *what) {
    if (good) return;
    perror(what);
    exit(2);
}

/* Two processes' pipes: one ends at the end of file, the other says where it is. */
struct pipes {
    int end[2], said[2];
};

/* A child that ends with that status at the end of file; filtered: under seccomp. */
static pid_t child(const struct pipes *pipes, bool filtered, int status) {
    struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    const struct sock_fprog program = {1, &allow};
    char byte;
    const pid_t pid = fork();
    if (pid) return pid;
    alarm(60);
    close(pipes->end[1]);
    if (filtered) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        must(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "seccomp");
    }
    must(write(pipes->said[1], "", 1) == 1, "write");
    if (read(pipes->end[0], &byte, 1) < 0) _exit(1);
    _exit(status);
}

static void open_pipes(struct pipes *pipes) {
    must(!pipe(pipes->end) && !pipe(pipes->said), "pipe");
}

static void await_word(const struct pipes *pipes) {
    char byte;
    must(read(pipes->said[0], &byte, 1) == 1, "read");
}

static void close_pipes(const struct pipes *pipes) {
    close(pipes->end[0]);
    close(pipes->said[0]);
    close(pipes->said[1]);
}

/* A daemon serves once its starter has ended: under seccomp not the guard, which is older. */
static void check_daemon(void) {
    struct pipes pipes;
    struct rp_successor successor = {.child = 1000001, .status = -1};
    check(rp_successor_pid(&successor) == successor.child, "COMMAND's first process serves");
    successor.status = 0;
    check(!rp_successor_pid(&successor) && successor.left, "none is left, and one serves");
    open_pipes(&pipes);
    const pid_t guard = child(&pipes, false, 0);
    await_word(&pipes);
    successor = (struct rp_successor){.child = 1000001, .status = 0};
    check(rp_successor_pid(&successor) == guard, "the oldest does not serve");
    const pid_t daemon = child(&pipes, true, 0), worker = child(&pipes, true, 0);
    await_word(&pipes);
    await_word(&pipes);
    if (rp_process_filters(daemon) > 0)
        check(rp_successor_pid(&successor) == daemon, "the first under seccomp does not serve");
    close(pipes.end[1]);
    waitpid(guard, NULL, 0);
    waitpid(daemon, NULL, 0);
    waitpid(worker, NULL, 0);
    close_pipes(&pipes);
}

/* Whether COMMAND is lost once its first process has ended with that status, while another runs. */
static bool is_lost_by(int status) {
    struct rp_successor successor = {.child = fork(), .status = -1};
    bool lost = false;
    if (!successor.child) _exit(status);
    while (successor.status < 0) lost = rp_successor_is_lost(&successor);
    return lost;
}

static void check_loss(void) {
    struct pipes pipes;
    open_pipes(&pipes);
    const pid_t other = child(&pipes, false, 0);
    check(!is_lost_by(0), "a daemon is lost whose starter has ended");
    check(is_lost_by(STATUS), "a command that has failed is not lost");
    close(pipes.end[1]);
    waitpid(other, NULL, 0);
    check(is_lost_by(0), "nothing is left, and it is not lost");
    close_pipes(&pipes);
}

/* A server that says when it has got USR1, and ends the second time; with 1 if it has got CHLD. */
static pid_t server(const struct pipes *pipes) {
    sigset_t set, pending;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    const pid_t pid = fork();
    if (pid) return pid;
    alarm(60);
    sigdelset(&set, SIGCHLD);
    for (int i = 0; i < 2; i++) {
        must(!sigwait(&set, &number), "sigwait");
        must(write(pipes->said[1], "", 1) == 1, "write");
    }
    sigpending(&pending);
    _exit(sigismember(&pending, SIGCHLD) ? 1 : STATUS);
}

/* In a process of its own: has a server and two children, and stands in for the first. */
static void stay(const struct pipes *own, const struct pipes *first, const struct pipes *last)
    __attribute__((noreturn));

static void stay(const struct pipes *own, const struct pipes *first, const struct pipes *last) {
    close(first->end[1]);
    close(last->end[1]);
    struct rp_successor successor = {.child = server(own), .status = -1};
    child(first, false, 0);
    child(last, false, 0);
    alarm(60);
    _exit(rp_successor_stay(&successor));
}

static void count_child(void *context, pid_t child) {
    (void)child;
    ++*(int *)context;
}

/* Waits until the process has so many children. */
static void await_children(pid_t pid, int wanted) {
    for (int i = 0; i < 2000; i++, usleep(5000)) {
        int count = 0;
        rp_process_visit_children(pid, count_child, &count);
        if (count == wanted) return;
    }
    check(false, "a child is not reaped");
}

/* What its own children make it hear is not passed on, it ends with the last of them, and as the
 * server did. */
static void check_stay(void) {
    struct pipes own, first, last;
    int status = 0;
    open_pipes(&own);
    close(own.end[1]);
    open_pipes(&first);
    open_pipes(&last);
    const pid_t pid = fork();
    if (!pid) stay(&own, &first, &last);
    await_word(&first);
    await_word(&last);
    kill(pid, SIGUSR1);
    await_word(&own);
    close(first.end[1]);
    await_children(pid, 2);
    kill(pid, SIGUSR1);
    await_word(&own);
    await_children(pid, 1);
    check(!waitpid(pid, &status, WNOHANG), "it ends before its last child");
    close(last.end[1]);
    waitpid(pid, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) == STATUS, "CHLD is passed on");
    close_pipes(&own);
    close_pipes(&first);
    close_pipes(&last);
}

/* A process that says when it has started, and when it has read the end of file. */
static pid_t bystander(const struct pipes *pipes) {
    char byte;
    const pid_t pid = fork();
    if (pid) return pid;
    alarm(60);
    must(write(pipes->said[1], "s", 1) == 1, "write");
    if (read(pipes->end[0], &byte, 1) < 0) _exit(1);
    must(write(pipes->said[1], "e", 1) == 1, "write");
    _exit(0);
}

/* In a PID namespace whose /proc shows another: who serves once the first has ended is unknown. */
static void stay_blind(const struct pipes *pipes) __attribute__((noreturn));

static void stay_blind(const struct pipes *pipes) {
    close(pipes->end[1]);
    alarm(60);
    if (unshare(CLONE_NEWPID)) _exit(2);
    const pid_t inner = fork();
    if (!inner) {
        struct rp_successor successor = {.child = 1000001, .status = 0},
                            service = {.child = 1, .status = -1};
        const struct rp_copies copies = {.count = 2};
        setpgid(0, 0);
        bystander(pipes);
        if (rp_successor_pid(&successor) || rp_successor_copy(&service, &copies, 0)) _exit(1);
        _exit(rp_successor_stay(&successor) ? 1 : STATUS);
    }
    must(write(pipes->said[1], &inner, sizeof(inner)) == sizeof(inner), "write");
    int status = 0;
    waitpid(inner, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* Whether the process waits for signals, and has none that it has not taken. */
static bool waits(pid_t pid) {
    char path[32], line[128];
    unsigned long pending = 1;
    long call = -1;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (!strncmp(line, "ShdPnd:", 7)) pending = strtoul(line + 7, NULL, 16);
    if (file) fclose(file);
    snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
    file = fopen(path, "re");
    if (file && fgets(line, sizeof(line), file)) call = strtol(line, NULL, 10);
    if (file) fclose(file);
    return call == SYS_rt_sigtimedwait && !pending;
}

/* What is to be passed on to nobody is not sent to everybody in this command's process group. */
static void check_blind(void) {
    struct pipes pipes;
    char said[sizeof(pid_t) + 1], word[2] = "";
    pid_t inner;
    int status = 0;
    open_pipes(&pipes);
    const pid_t pid = fork();
    if (!pid) stay_blind(&pipes);
    close(pipes.said[1]);
    for (size_t got = 0; got < sizeof(said);) { /* "s" and the PID, in any order */
        const ssize_t more = read(pipes.said[0], said + got, sizeof(said) - got);
        must(more > 0, "read");
        got += (size_t)more;
    }
    memcpy(&inner, said + (*said == 's'), sizeof(inner));
    for (int i = 0; i < 5000 && !waits(inner); i++) usleep(1000);
    kill(inner, SIGUSR1);
    for (int i = 0; i < 5000 && (i == 0 || !waits(inner)); i++) usleep(1000);
    close(pipes.end[1]);
    check(read(pipes.said[0], word, 1) == 1 && *word == 'e', "a signal for nobody ends another");
    waitpid(pid, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) == STATUS, "it does not end with the last");
    close(pipes.end[0]);
    close(pipes.said[0]);
}

/* Says when it has got TERM, and each further one that comes within a tenth of a second. */
static void await_term(const struct pipes *pipes) __attribute__((noreturn));

static void await_term(const struct pipes *pipes) {
    const struct timespec patience = {0, 100000000};
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    must(!sigwait(&set, &number), "sigwait");
    do must(write(pipes->said[1], "", 1) == 1, "write");
    while (sigtimedwait(&set, NULL, &patience) > 0);
    _exit(0);
}

/* In a process of its own: ends two children, and a grandchild that becomes a child by that. */
static void end(const struct pipes *pipes) __attribute__((noreturn));

static void end(const struct pipes *pipes) {
    struct rp_successor successor = {.status = -1};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int i = 0; i < 2; i++) {
        successor.child = fork();
        if (successor.child) continue;
        alarm(60);
        if (i) fork();
        await_term(pipes);
    }
    alarm(60);
    _exit(rp_successor_end(&successor) && successor.left ? STATUS : 1);
}

/* Each process gets TERM once, also one that becomes a child only then. */
static void check_end(void) {
    struct pipes pipes;
    char said[16];
    int status = 0;
    open_pipes(&pipes);
    const pid_t pid = fork();
    if (!pid) end(&pipes);
    waitpid(pid, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) == STATUS, "something is left");
    check(read(pipes.said[0], said, sizeof(said)) == 3, "three processes do not get TERM once");
    close(pipes.end[1]);
    close_pipes(&pipes);
}

/* A copy of a service, below its keeper. */
struct kept {
    int index;
    pid_t pid;
};

static void keep(const struct pipes *pipes, int index) __attribute__((noreturn));

static void keep(const struct pipes *pipes, int index) {
    char byte;
    const struct kept copy = {index, fork()};
    alarm(60);
    if (!copy.pid) _exit(read(pipes->end[0], &byte, 1) < 0);
    must(write(pipes->said[1], &copy, sizeof(copy)) == sizeof(copy), "write");
    waitpid(copy.pid, NULL, 0);
    _exit(0);
}

static void supervise(const struct pipes *pipes) __attribute__((noreturn));

static void supervise(const struct pipes *pipes) {
    close(pipes->end[1]);
    alarm(60);
    for (int i = 0; i < 2; i++)
        if (!fork()) keep(pipes, i);
    while (wait(NULL) > 0) {
    }
    _exit(0);
}

/* Of a service that is the copy itself, which its keeper has started; else COMMAND. */
static void check_copies(void) {
    struct pipes pipes;
    struct kept copy;
    struct rp_copies copies = {.count = 2};
    open_pipes(&pipes);
    struct rp_successor successor = {.child = fork(), .status = -1};
    if (!successor.child) supervise(&pipes);
    for (int i = 0; i < 2; i++) {
        must(read(pipes.said[0], &copy, sizeof(copy)) == sizeof(copy), "read");
        check(rp_successor_copy(&successor, &copies, (unsigned)copy.index) == copy.pid,
              "another copy");
    }
    check(!rp_successor_copy(&successor, &copies, 2), "a third of two copies");
    for (copies.count = 0; copies.count < 2; copies.count++)
        check(rp_successor_copy(&successor, &copies, 0) == successor.child, "COMMAND is no copy");
    close(pipes.end[1]);
    waitpid(successor.child, NULL, 0);
    copies.count = 2;
    check(!rp_successor_copy(&successor, &copies, 0), "a copy of what has ended");
    close_pipes(&pipes);
}

/* usage: successor [blind]. With it, what is to be seen in a PID namespace, as root. */
int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "blind")) {
        check_blind();
        printf("%u checks, %u failed\n", checks, failures);
        return failures > 0;
    }
    check_daemon();
    check_loss();
    check_end();
    check_copies();
    check_stay();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
