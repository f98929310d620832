/* SPDX-License-Identifier: MIT */
/* handover/control: what a manager reads from the control process, and what becomes of that.
 * Prints what is not as it should be, and how many checks were made. */
#include "handover/control.h"
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS = 7, BAD = 1, OFTEN = 20, WAIT = 10000 /* milliseconds */ };

static char name[64]; /* of the manager's socket */
static int ticks[2];  /* a pipe that gets a byte at each signal which interrupts a wait */

static int open_manager(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(name, sizeof(name), "@control-%d", (int)getpid());
    snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", name + 1);
    if (bind(fd, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)))) {
        perror("bind");
        exit(2);
    }
    return fd;
}

/* The next message, "" if there is none in time; closes a descriptor that comes with it. */
static const char *read_message(int manager) {
    static char text[64];
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {text, sizeof(text) - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    memset(text, 0, sizeof(text));
    if (poll(&(struct pollfd){manager, POLLIN, 0}, 1, WAIT) != 1) return "";
    if (recvmsg(manager, &message, MSG_CMSG_CLOEXEC) < 0) return "";
    if (CMSG_FIRSTHDR(&message)) {
        int fd;
        memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
        close(fd);
    }
    return text;
}

static bool reads(int manager, const char *expected) {
    const char *text = read_message(manager);
    if (!strcmp(text, expected)) return true;
    printf("read %s instead of %s\n", text, expected);
    return false;
}

/* The process that a message names. */
static pid_t read_main(int manager) {
    int pid = 0;
    if (sscanf(read_message(manager), "MAINPID=%d", &pid) != 1) return 0;
    return pid;
}

static void tick(int signal_number) {
    static int count;
    (void)signal_number;
    if (++count > 5000 || write(ticks[1], "", 1) < 0) _exit(BAD); /* it hangs */
}

/* Signals come all the time, or no longer. */
static void interrupt(bool on) {
    const struct sigaction action = {.sa_handler = tick};
    const struct itimerval often = {{0, on ? 2000 : 0}, {0, on ? 2000 : 0}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
}

/* Lets some come, between two messages that are read. */
static bool has_waited(void) {
    char bytes[5];
    size_t count = 0;
    while (count < sizeof(bytes)) {
        const ssize_t more = read(ticks[0], bytes, sizeof(bytes) - count);
        if (more <= 0) return false;
        count += (size_t)more;
    }
    return true;
}

/* In the child of the control process: sends that TERM, which it passes on; so often that it is
 * waiting for something at least once. */
static bool is_passed_on(pid_t control, const sigset_t *term) {
    for (int i = 0; i < OFTEN; i++)
        if (kill(control, SIGTERM) ||
            sigtimedwait(term, NULL, &(struct timespec){WAIT / 1000, 0}) != SIGTERM)
            return false;
    return true;
}

/* The same: TERM comes between two messages, and while the end of this process is waited for. */
static int work(int channel, pid_t old, pid_t new) {
    const pid_t control = getppid();
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    interrupt(true);
    const int error = rp_control_tell(channel, new);
    interrupt(false);
    signal(SIGALRM, SIG_DFL);
    alarm(30);
    if (error || !is_passed_on(control, &term)) return BAD;
    if (rp_control_tell(channel, old) || rp_control_tell(channel, new)) return BAD;
    close(channel);
    return is_passed_on(control, &term) ? STATUS : BAD;
}

/* Starts a control process. Returns its PID. */
static pid_t reload(pid_t old, pid_t new) {
    const pid_t pid = fork();
    if (pid) return pid;
    alarm(30);
    const int channel = rp_control_split(name, old);
    _exit(work(channel, old, new));
}

static int status_of(pid_t pid) {
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check_reload(void) {
    const pid_t old = 1000001, new = 1000002;
    const int manager = open_manager();
    const pid_t control = reload(old, new);
    int how = 0;
    check(reads(manager, "MAINPID=1000002") && has_waited() && reads(manager, "BARRIER=1"),
          "the new one is named");
    check(reads(manager, "MAINPID=1000001"), "a signal ends the service");
    check(reads(manager, "MAINPID=1000002") && reads(manager, "BARRIER=1"), "the new one is named");
    const pid_t other = read_main(manager);
    check(other > 0 && other != new &&other != old, "no other process is named in between");
    check(reads(manager, "MAINPID=1000002") && reads(manager, "BARRIER=1"),
          "the new one is not named anew");
    check(status_of(control) == STATUS, "the control process's status is not its child's");
    check(waitpid(other, &how, 0) == other && WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL,
          "the process that was named in between is left");
    close(manager);
}

/* Without a manager errors are told, and the process that cannot be named is not left either. */
static void check_alone(void) {
    const pid_t control = reload(1000001, 1000002);
    check(status_of(control) == BAD, "nobody is there, and no error is told");
    int how = 0;
    check(waitpid(-1, &how, 0) > 0 && WIFSIGNALED(how), "a process is left");
    check(waitpid(-1, NULL, 0) == -1 && errno == ECHILD, "more than one process is left");
}

int main(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (pipe(ticks)) return 2;
    check_reload();
    check_alone();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
