/* SPDX-License-Identifier: MIT */
/* launch/question: what a question is asked with, what it ends with, and what ends with it. Prints
 * what is not as it should be, and how many checks were made. */
#include "launch/question.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Descriptors in every question: what is written to SAID is read here, and HELD is at its end once
 * nobody has it but this process; READING gives nothing. */
enum { SAID = 7, HELD = 8, READING = 9 };

static unsigned checks, failures;
static int said, held, writing;
static bool no_proc;

static void check(bool good, const char *what, const char *line) {
    checks++;
    failures += !good;
    if (!good) printf("wrong: %s of \"%s\"\n", what, line);
}

/* Instead of libc's. */
ssize_t readlink(const char *path, char *to, size_t size) {
    if (!no_proc) return syscall(SYS_readlinkat, AT_FDCWD, path, to, size);
    errno = ENOENT;
    return -1;
}

/* A pipe, with one of its ends at that number and the other close-on-exec, which is returned. */
static int make_pipe(int number, int which) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) || dup2(ends[which], number) < 0) exit(2);
    close(ends[which]);
    return ends[!which];
}

static bool ends_within(struct rp_question *question, double seconds) {
    const struct timespec pause = {0, 5000000};
    const double begin = rp_now();
    while (rp_question_runs(question) && rp_now() - begin < seconds) nanosleep(&pause, NULL);
    return !question->pid;
}

/* Asks, and stores what it said. Returns its status; -1 if it does not end in time. */
static int answer(const char *line, const char *from, char text[256]) {
    struct rp_question question = {0, -1};
    const struct rp_asked asked = {line, 4711, from};
    check(!rp_question_ask(&question, &asked) && question.pid, "asking", line);
    check(ends_within(&question, 20), "the end", line);
    struct pollfd more = {.fd = said, .events = POLLIN};
    const ssize_t got = poll(&more, 1, 0) > 0 ? read(said, text, 255) : 0;
    text[got > 0 ? got : 0] = '\0';
    rp_question_end(&question);
    return question.status;
}

static void check_answers(void) {
    char text[256], blocked[64] = "";
    check(answer("exit 0", NULL, text) == 0, "status", "exit 0");
    check(answer("exit 3", NULL, text) == 3, "status", "exit 3");
    check(answer("kill -9 $$", NULL, text) == 137, "status", "kill -9 $$");
    check(answer("read x; exit $?", NULL, text) == 1, "input", "read x");
    answer("echo $REUSEPORT_PID ${REUSEPORT_FROM-none} >&7", NULL, text);
    check(!strcmp(text, "4711 none\n"), "environment", text);
    answer("echo $REUSEPORT_PID $REUSEPORT_FROM $LATER >&7", "127.0.0.1", text);
    check(!strcmp(text, "4711 127.0.0.1\n"), "environment", text);
    answer("exec grep ^SigBlk: /proc/self/status >&7", NULL, text);
    snprintf(blocked, sizeof(blocked), "SigBlk:\t%016x\n", 1U << (SIGUSR1 - 1));
    check(!strcmp(text, blocked), "signal mask", text);
}

/* Whether all that had HELD has ended. */
static bool is_alone(void) {
    struct pollfd end = {.fd = held, .events = POLLIN};
    return poll(&end, 1, 0) > 0 && end.revents & POLLHUP;
}

static void check_rest(void) {
    static const char line[] = "cat <&9 & (cat <&9 &); exit 4";
    char text[256];
    check(answer(line, NULL, text) == 4, "status", line);
    close(HELD);
    check(is_alone(), "what is left", line);
}

/* TERM, and a second later KILL, ends it with all below it. */
static void check_end(bool stubborn) {
    const char *line =
        stubborn ? "trap '' TERM; echo >&7; cat <&9; cat <&9" : "echo >&7; cat <&9; cat <&9";
    struct pollfd begun = {.fd = said, .events = POLLIN};
    char text[256];
    struct rp_question question = {0, -1};
    const struct rp_asked asked = {line, 4711, NULL};
    close(held);
    held = make_pipe(HELD, 1);
    rp_question_ask(&question, &asked);
    close(HELD);
    check(poll(&begun, 1, 20000) > 0 && read(said, text, sizeof(text)) == 1, "beginning", line);
    check(rp_question_runs(&question), "hanging", line);
    rp_question_end(&question);
    check(!question.pid && !rp_question_runs(&question), "the end", line);
    check(is_alone(), "what is left", line);
}

/* What a question leaves is unknown, so nobody waits for it. */
static void check_without_proc(void) {
    static const char line[] = "cat <&9 >&7 & exit 5";
    char text[256];
    no_proc = true;
    check(answer(line, NULL, text) == 5, "status without /proc", line);
    close(writing);
}

int main(void) {
    sigset_t usr1;
    said = make_pipe(SAID, 1);
    held = make_pipe(HELD, 1);
    writing = make_pipe(READING, 0);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_SETMASK, &usr1, NULL);
    setenv("REUSEPORT_FROM", "another's", 1);
    rp_question_note_environment();
    setenv("LATER", "COMMAND's", 1);
    check_answers();
    check_rest();
    check_end(false);
    check_end(true);
    check_without_proc();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
