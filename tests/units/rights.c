/* SPDX-License-Identifier: MIT */
/* inspect/rights and inspect/trial: what they try leaves no descriptor and no child behind, and
 * this process the user that it was. Prints what is not as it should be, and how many checks were
 * made. */
#include "inspect/rights.h"
#include "check.h"
#include "inspect/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whom a socket belongs to. */
static bool belongs_to(int fd, uid_t user, gid_t group) {
    struct stat status;
    return fd >= 0 && !fstat(fd, &status) && status.st_uid == user && status.st_gid == group;
}

static void check_user(void) {
    enum { OTHER = 65533 };
    const uid_t user = geteuid();
    const gid_t group = getegid();
    const int others = rp_socket_of_user(OTHER, OTHER, AF_INET, SOCK_STREAM, 0);
    if (user)
        check(others < 0 && errno == EPERM, "a socket of another user, without the right");
    else
        check(belongs_to(others, OTHER, OTHER), "whose a socket of another user is");
    const int own = rp_socket_of_user(user, group, AF_INET, SOCK_STREAM, 0);
    check(belongs_to(own, user, group), "whose this process's own socket is, then");
    if (others >= 0) close(others);
    close(own);
}

static void on_alarm(int number) {
    (void)number;
}

/* Signals that interrupt a wait end none. */
static void check_interrupts(void) {
    const struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    const struct sigaction action = {.sa_handler = on_alarm};
    bool deadly = false;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 50; i++) deadly = deadly || rp_call_is_deadly(SYS_getppid);
    setitimer(ITIMER_REAL, &never, NULL);
    check(!deadly, "a call is deadly that is not");
    check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a child is left after a signal");
}

int main(void) {
    check_user();
    const int before = count_descriptors();
    const bool filtered = rp_is_filtered();
    check(count_descriptors() == before, "descriptors after trying it on itself");
    const int error = rp_try_child();
    check(count_descriptors() == before, "descriptors after trying it on a child");
    check(!error || error == EPERM || error == ENOSYS, "the error of trying it on a child");
    check(!filtered || error == EPERM, "a filter, but not for a child");
    check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a child is left");
    check_interrupts();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
