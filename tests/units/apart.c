/* SPDX-License-Identifier: MIT */
/* launch/apart: what a supervisor's front process passes on, and when it waits. Prints what is not
 * as it should be, and how many checks were made. */
#include "launch/apart.h"
#include "base/clock.h"
#include "check.h"
#include "inspect/process.h"
#include "launch/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TEXTS = 40, STATUS = 7 };

static char manager_name[64];
static int manager, go[2], first_word[2]; /* go: to the child; first_word: its PID */

/* How the front process polled: for texts and without a limit, or with one and not for texts. */
static struct polls { int unlimited, limited; } * polls;

/* Instead of libc's. */
int poll(struct pollfd *fds, nfds_t count, int timeout) {
    const struct timespec limit = {timeout / 1000, timeout % 1000 * 1000000L};
    polls->unlimited += count == 2 && timeout < 0;
    polls->limited += count == 2 && timeout > 0;
    return (int)syscall(SYS_ppoll, fds, count, timeout < 0 ? NULL : &limit, NULL, 0);
}

static void open_manager(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int length = snprintf(manager_name, sizeof(manager_name), "@apart-%d", (int)getpid());
    memcpy(address.sun_path + 1, manager_name + 1, (size_t)length - 1);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    check(!bind(manager, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)),
          "a manager");
}

/* What the manager is told next, within some seconds; "" if nothing. */
static const char *next_text(void) {
    static char text[64];
    struct pollfd more = {.fd = manager, .events = POLLIN};
    const ssize_t got = poll(&more, 1, 10000) > 0 ? recv(manager, text, sizeof(text) - 1, 0) : 0;
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static void say(int relay, const char *text) {
    const struct timespec pause = {0, 1000000};
    while (send(relay, text, strlen(text), 0) < 0) nanosleep(&pause, NULL);
}

static bool is_told(void) {
    return read(go[0], &(char){0}, 1) == 1;
}

static void tell(void) {
    check(write(go[1], "", 1) == 1, "telling the child");
}

static void say_last(int relay) {
    if (is_told()) say(relay, "LAST=1");
}

static void say_many(int relay) {
    char text[24];
    for (int i = 0; i < TEXTS && is_told(); i++) {
        snprintf(text, sizeof(text), "NUMBER=%d", i);
        say(relay, text);
    }
    is_told();
}

static void get_signal(int relay) {
    enum rp_origin from;
    (void)relay;
    _exit(rp_signals_wait(&from));
}

static void die(int relay) {
    (void)relay;
    raise(SIGKILL);
}

static void stay(int relay) {
    (void)relay;
    for (;;) pause();
}

static void on_alarm(int number) {
    (void)number;
}

/* Says more than anybody reads: a front process that is stopped makes nobody wait. If it does, a
 * signal ends that, so that nothing is left stopped. */
static void say_too_much(int relay) {
    const struct sigaction action = {.sa_handler = on_alarm};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigaction(SIGALRM, &action, NULL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    alarm(20);
    kill(getppid(), SIGSTOP);
    while (send(relay, "X=1", 3, 0) > 0) {
    }
    const bool full = errno == EAGAIN;
    kill(getppid(), SIGCONT);
    if (!full) _exit(1);
}

/* Starts a front process whose child does that. Returns its PID, and the child's. */
static pid_t start(void (*act)(int relay), pid_t *child) {
    *polls = (struct polls){0, 0};
    const pid_t front = fork();
    if (!front) {
        int relay, status = 0;
        rp_signals_block(NULL);
        if (!rp_go_apart(manager_name, &relay, &status)) _exit(status);
        const pid_t self = getpid();
        if (write(first_word[1], &self, sizeof(self)) == sizeof(self)) act(relay);
        _exit(STATUS);
    }
    check(read(first_word[0], child, sizeof(*child)) == sizeof(*child), "a child");
    return front;
}

static int status_of(pid_t pid) {
    int how;
    return waitpid(pid, &how, 0) == pid ? rp_exit_status(how) : -1;
}

/* Waits until *count is greater than zero, for 10 seconds. */
static bool happens(const volatile int *count) {
    const struct timespec pause = {0, 1000000};
    for (const double begin = rp_now(); !*count && rp_now() - begin < 10;) nanosleep(&pause, NULL);
    return *count > 0;
}

/* What the child says right before it ends is passed on, though both are seen together. */
static void check_last(void) {
    const struct timespec pause = {0, 1000000};
    struct rp_process ended;
    pid_t child;
    int how;
    const pid_t front = start(say_last, &child);
    rp_process_find(child, &ended, NULL);
    check(happens(&polls->unlimited), "waiting for texts");
    kill(front, SIGSTOP);
    waitpid(front, &how, WUNTRACED);
    tell();
    while (rp_process_state(&ended) != 'Z') nanosleep(&pause, NULL);
    kill(front, SIGCONT);
    check(!strcmp(next_text(), "LAST=1"), "the last text");
    check(status_of(front) == STATUS, "the child's status");
    check(!polls->limited, "waiting for room that there was");
}

/* None is lost while the manager does not read. */
static void check_many(void) {
    pid_t child;
    bool good = true;
    const pid_t front = start(say_many, &child);
    for (int i = 0; i < TEXTS; i++) tell();
    check(happens(&polls->limited), "waiting for room");
    for (int i = 0; i < TEXTS; i++) {
        char expected[24];
        snprintf(expected, sizeof(expected), "NUMBER=%d", i);
        good = good && !strcmp(next_text(), expected);
    }
    check(good, "texts that wait, in their order");
    tell();
    check(status_of(front) == STATUS, "the child's status");
}

static void check_signals(void) {
    static const int signals[] = {SIGTERM, SIGHUP, SIGUSR1, SIGTTIN, SIGTTOU};
    pid_t child;
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        const pid_t front = start(get_signal, &child);
        kill(front, signals[i]);
        check(status_of(front) == signals[i], "a signal that is passed on");
    }
    check(status_of(start(die, &child)) == 128 + SIGKILL, "the status of a child that is killed");
}

/* The child dies with the front process. */
static void check_death(void) {
    pid_t child;
    const pid_t front = start(stay, &child);
    kill(front, SIGKILL);
    check(status_of(front) == 128 + SIGKILL, "a front process that is killed");
    check(status_of(child) == 128 + SIGKILL, "its child");
}

static void check_strangers(void) {
    check(!rp_has_strangers(), "a stranger before there is one");
    const pid_t child = fork();
    if (!child) stay(-1);
    check(rp_has_strangers(), "a stranger");
    kill(child, SIGKILL);
    check(status_of(child) == 128 + SIGKILL, "a stranger's end");
}

static void check_full(void) {
    pid_t child;
    const pid_t front = start(say_too_much, &child);
    check(status_of(front) == STATUS, "a front process that is stopped is waited for");
}

int main(void) {
    polls = mmap(NULL, sizeof(*polls), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (polls == MAP_FAILED || pipe2(go, O_CLOEXEC) || pipe2(first_word, O_CLOEXEC)) return 2;
    alarm(60);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (getpid() != 1) check_strangers();
    open_manager();
    check_last();
    check_many();
    check_signals();
    check_death();
    check_full();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
