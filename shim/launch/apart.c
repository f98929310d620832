/* SPDX-License-Identifier: MIT */
/* An orphan goes to its nearest ancestor that is a subreaper, so strangers stay with the parent
 * (prctl(2), PR_SET_CHILD_SUBREAPER). */
#include "launch/apart.h"

#include "base/die.h"
#include "base/sd_notify.h"
#include "launch/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_MAX = 512 /* bytes of a text for the manager */, PAUSE = 100 /* ms, without room */ };

bool rp_has_strangers(void) {
    siginfo_t info;
    return getpid() == 1 || !waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL);
}

/* Passes on to the manager what the child says. Returns whether some of it waits for room. */
static bool pass_on_texts(int relay, const char *manager) {
    static bool told;
    char text[TEXT_MAX + 1];
    ssize_t length;
    while ((length = recv(relay, text, TEXT_MAX, MSG_PEEK | MSG_DONTWAIT)) > 0) {
        text[length] = '\0';
        if (!rp_notify_now(manager, text, &told)) return true;
        recv(relay, text, TEXT_MAX, MSG_DONTWAIT);
    }
    return false;
}

/* Passes on pending signals to the child, and reaps. Returns the child's exit status, or -1. */
static int pass_on_signals(int signals, pid_t child) {
    enum rp_origin from;
    int number, how, status = -1;
    pid_t pid;
    while ((number = rp_signals_read(signals, &from))) {
        if (rp_signal_is_passed_on(number) || rp_signal_counts_copies(number))
            rp_signal_send(child, number, from);
        while (number == SIGCHLD && (pid = rp_reap(&how)) > 0)
            if (pid == child) status = rp_exit_status(how);
    }
    return status;
}

/* Passes on until the child has ended. Returns its exit status. */
static int stand_before(pid_t child, int relay, const char *manager) {
    const int signals = rp_signals_open();
    int status = -1;
    if (signals < 0) rp_die("signalfd: %s", strerror(errno));
    while (status < 0) {
        const bool wait = pass_on_texts(relay, manager);
        struct pollfd ready[] = {{.fd = signals, .events = POLLIN},
                                 {.fd = wait ? -1 : relay, .events = POLLIN}};
        poll(ready, 2, wait ? PAUSE : -1);
        status = pass_on_signals(signals, child);
    }
    close(signals);
    return status;
}

bool rp_go_apart(const char *manager, int *relay, int *status) {
    const pid_t self = getpid();
    int ends[2]; /* the second stays open in the child and those that it forks */
    char none;
    ssize_t got;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        rp_die("socketpair: %s", strerror(errno));
    const pid_t child = fork();
    if (child < 0) rp_die("fork: %s", strerror(errno));
    if (child == 0) {
        close(ends[0]);
        fcntl(ends[1], F_SETFL, O_NONBLOCK);
        *relay = ends[1];
        setpgid(0, 0); /* a terminal's signals come from the parent alone */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != self) _exit(RP_FAILED);
        return true;
    }
    close(ends[1]);
    *status = stand_before(child, ends[0], manager);
    pass_on_texts(ends[0], manager);
    do got = recv(ends[0], &none, 1, 0);
    while (got > 0 || (got < 0 && errno == EINTR));
    close(ends[0]);
    return false;
}
