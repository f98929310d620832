/* SPDX-License-Identifier: MIT */
/* base/, but for sd_notify: messages, progress, arrays, the clock, closing in a hurry, the title.
 * Prints what is not as it should be, and how many checks were made. */
#include "base/clock.h"
#include "base/die.h"
#include "base/hurry.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/title.h"
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Stands in for descriptor 2; each write to it is a datagram of its own. */
static int written, stderr_before;

static void take_stderr(void) {
    int ends[2];
    check(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), "no pair");
    stderr_before = dup(2);
    dup2(ends[1], 2);
    close(ends[1]);
    written = ends[0];
}

static void give_stderr_back(void) {
    dup2(stderr_before, 2);
    close(stderr_before);
    close(written);
}

/* Whether that is what has been written since, at once; "" for nothing. */
static bool wrote(const char *text) {
    static char line[8192];
    const ssize_t got = read(written, line, sizeof(line) - 1);
    line[got > 0 ? got : 0] = '\0';
    if (strcmp(line, text) != 0) printf("\"%s\", not \"%s\"\n", line, text);
    return !strcmp(line, text);
}

/* How a child ends that does so much, by its exit status or 128 + signal. */
static int status_of(void (*act)(void)) {
    int status;
    fflush(stdout);
    const pid_t pid = fork();
    if (!pid) {
        act();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void die(void) {
    rp_die("%d %s", 7, "dwarfs");
}

static void exhaust(void) {
    rp_grow(NULL, 0, PTRDIFF_MAX);
}

static void check_messages(void) {
    char text[5000] = "", line[4097], plain[] = "a\tb\n\x1f \x7f~\xc3\xa9";
    check(!strcmp(rp_make_plain(plain), "a?b?? ?~\xc3\xa9"), "what is not plain is replaced");
    rp_warn("%s, %d", "one\ntwo", 3);
    check(wrote("reuseport: one?two, 3\n"), "a warning is one line in one write");
    rp_warn("%s", "");
    check(wrote("reuseport: \n"), "an empty one");
    memset(text, 'x', sizeof(text) - 1);
    snprintf(line, sizeof(line), "reuseport: %.*s\n", 4083, text);
    rp_warn("%s", text);
    check(wrote(line), "one that is too long is cut off");
    check(status_of(die) == RP_FAILED && wrote("reuseport: 7 dwarfs\n"), "rp_die()");
}

static void check_memory(void) {
    static const size_t sizes[] = {1, sizeof(int), 40};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        unsigned char *array = NULL;
        bool kept = true;
        for (size_t count = 0; count < 200; count++) {
            array = rp_grow(array, count, sizes[i]);
            memset(array + count * sizes[i], (int)count, sizes[i]);
        }
        for (size_t at = 0; at < 200 * sizes[i]; at++) kept = kept && array[at] == at / sizes[i];
        check(kept, "an array keeps what is in it");
        free(array);
    }
    check(status_of(exhaust) == RP_FAILED && wrote("reuseport: Cannot allocate memory\n"),
          "no memory");
}

static void check_progress(void) {
    rp_step(false, "waiting for %d", 1);
    check(wrote("reuseport: waiting for 1\n"), "a step");
    rp_step(true, "waiting for %d", 2);
    check(wrote(""), "the same step again, where lines stay");
    rp_steps_end();
    check(wrote(""), "nothing to clear");
}

/* What has arrived at the other end of a terminal. */
static bool showed(int terminal, const char *text) {
    char shown[256] = "";
    struct pollfd input = {.fd = terminal, .events = POLLIN};
    ssize_t got = 0;
    if (*text && poll(&input, 1, 5000) == 1) got = read(terminal, shown, sizeof(shown) - 1);
    check(poll(&input, 1, 0) == 0, "more is shown than that");
    return got >= 0 && !strcmp(shown, text);
}

static void check_terminal(void) {
    const int before = dup(2), terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    check(terminal >= 0 && !grantpt(terminal) && !unlockpt(terminal), "no terminal");
    const int its = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    dup2(its, 2);
    close(its);
    rp_step(false, "waiting for %d", 1);
    check(showed(terminal, "\r\033[Kreuseport: waiting for 1"), "a step on a terminal");
    rp_step(true, "waiting for %d", 2);
    check(showed(terminal, "\r\033[Kreuseport: waiting for 2"), "a step takes its line");
    rp_steps_end();
    check(showed(terminal, "\r\033[K"), "the line is cleared");
    dup2(before, 2);
    close(before);
    close(terminal);
}

static void check_clock(void) {
    struct timespec time;
    const double begin = rp_now();
    rp_tick();
    const double ticked = rp_now() - begin;
    check(ticked > RP_TICK * 0.9e-3 && ticked < 5, "how long a tick is");
    clock_gettime(CLOCK_MONOTONIC, &time);
    check(rp_now() - (double)time.tv_sec < 5, "the clock is the monotonic one");
}

/* So that variables on the stack that nobody sets are not 0. */
static __attribute__((noinline)) void soil_stack(void) {
    volatile unsigned char dirt[4096];
    for (size_t i = 0; i < sizeof(dirt); i++) dirt[i] = 0xff;
}

static void strange(int number) {
    (void)number;
}

static void check_hurry(void) {
    const struct itimerval later = {.it_value = {60, 0}};
    const struct sigaction action = {.sa_handler = strange};
    struct itimerval timer;
    struct sigaction handler;
    struct rp_hurry before;
    sigset_t all, mask;
    const int fd = dup(1);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &later, NULL);
    kill(getpid(), SIGUSR1); /* fatal if anything but SIGALRM is unblocked */
    soil_stack();
    rp_hurry_begin(&before);
    for (int i = 0; i < 3; i++)
        check(poll(NULL, 0, 5000) == -1 && errno == EINTR, "a call is interrupted");
    rp_hurry_end(&before);
    rp_close_hurriedly(fd);
    check(fcntl(fd, F_GETFD) == -1, "it is closed");
    getitimer(ITIMER_REAL, &timer);
    sigaction(SIGALRM, NULL, &handler);
    sigprocmask(SIG_SETMASK, NULL, &mask);
    check(timer.it_value.tv_sec > 50 && !timer.it_interval.tv_usec, "the timer is as before");
    check(handler.sa_handler == strange, "the handler is as before");
    check(sigismember(&mask, SIGALRM) == 1, "the mask is as before");
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    signal(SIGUSR1, SIG_IGN); /* forgets the one that is pending */
    sigprocmask(SIG_UNBLOCK, &all, NULL);
}

/* Started again with other arguments, of that size: whether the title stands in their place. */
static int title(int argc, char **argv, bool fits) {
    char line[256] = "", name[16] = "", wanted[256] = "retitled";
    size_t size = 0;
    for (int i = 0; i < argc; i++) size += strlen(argv[i]) + 1;
    if (!fits) memcpy(wanted, argv[0], size);
    rp_title_init(argc, argv);
    rp_title_set("retitled");
    const int fd = open("/proc/self/cmdline", O_RDONLY);
    const ssize_t got = read(fd, line, sizeof(line));
    prctl(PR_GET_NAME, name);
    return got != (ssize_t)size || memcmp(line, wanted, sizeof(wanted)) != 0 ||
           strcmp(name, "retitled") != 0;
}

static void retitle_many(void) {
    execl("/proc/self/exe", "+with several", "arguments, ", "which are longer", NULL);
}

static void retitle_one(void) {
    execl("/proc/self/exe", "+exactly", NULL);
}

static void retitle_short(void) {
    execl("/proc/self/exe", "-short", "", NULL);
}

static void check_title(void) {
    check(!status_of(retitle_many), "a title in the place of longer arguments");
    check(!status_of(retitle_one), "a title in the place of one argument, as long");
    check(!status_of(retitle_short), "a title for which there is no place");
}

int main(int argc, char **argv) {
    if (*argv[0] == '+' || *argv[0] == '-') return title(argc, argv, *argv[0] == '+');
    const int before = count_descriptors();
    take_stderr();
    check_messages();
    check_memory();
    check_progress();
    check_terminal();
    check_clock();
    check_hurry();
    check_title();
    give_stderr_back();
    check(count_descriptors() == before, "no descriptor is left open");
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
