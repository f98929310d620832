/* SPDX-License-Identifier: MIT */
/* An orphan goes to its nearest ancestor that is a subreaper, so strangers stay with the parent
 * (prctl(2), PR_SET_CHILD_SUBREAPER). */
#include "launch/apart.h"

#include "base/die.h"
#include "launch/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

bool rp_has_strangers(void) {
    siginfo_t info;
    return getpid() == 1 || !waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL);
}

/* Passes signals on until the child has ended. Returns its exit status. */
static int stand_before(pid_t child) {
    int status = -1;
    while (status < 0) {
        enum rp_origin from;
        const int number = rp_signals_wait(&from);
        pid_t pid;
        int how;
        if (rp_signal_is_passed_on(number) || rp_signal_counts_copies(number))
            rp_signal_send(child, number, from);
        while (number == SIGCHLD && (pid = rp_reap(&how)) > 0)
            if (pid == child) status = rp_exit_status(how);
    }
    return status;
}

bool rp_go_apart(int *status) {
    const pid_t self = getpid();
    int ends[2]; /* the second stays open in the child and those that it forks */
    char none;
    if (pipe2(ends, O_CLOEXEC)) rp_die("pipe: %s", strerror(errno));
    const pid_t child = fork();
    if (child < 0) rp_die("fork: %s", strerror(errno));
    if (child == 0) {
        close(ends[0]);
        setpgid(0, 0); /* a terminal's signals come from the parent alone */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != self) _exit(RP_FAILED);
        return true;
    }
    close(ends[1]);
    *status = stand_before(child);
    while (read(ends[0], &none, 1) < 0 && errno == EINTR) {
    }
    close(ends[0]);
    return false;
}
