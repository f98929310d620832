/* SPDX-License-Identifier: MIT */
/* inspect/lock, as PID 1 of a PID namespace and in a mount namespace of its own: a file that is
 * mounted over a process's environ is none that others lock. Prints what is not as it should be,
 * and how many checks were made. */
#include "inspect/lock.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t sleeper(void) {
    const pid_t child = fork();
    if (child) return child;
    for (;;) pause();
}

/* What another process gets. */
static int lock_elsewhere(const struct rp_process *process) {
    int status = -1;
    const pid_t child = fork();
    if (!child) {
        rp_lock_leave();
        _exit(rp_lock(process));
    }
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static void check_mounted(const struct rp_process *process, const char *path) {
    char environ[64];
    snprintf(environ, sizeof(environ), "/proc/%d/environ", (int)process->pid);
    check(!mount(path, environ, NULL, MS_BIND, NULL), "mounting over environ");
    check(rp_lock(process) == EXDEV, "a lock on what is mounted over environ");
    check(!rp_lock_holder(process), "a holder of what is mounted over environ");
    check(!umount(environ), "unmounting");
    check(!rp_lock(process), "a lock once nothing is mounted there");
}

/* The lock of a process in a PID namespace that sees another one's /proc. */
static void check_foreign(void) {
    int status = -1;
    const pid_t child = fork();
    if (!child) {
        pid_t inner = unshare(CLONE_NEWPID) ? -1 : fork();
        if (!inner) {
            struct rp_process self = {.pid = getpid()};
            rp_process_find(self.pid, &self, NULL);
            _exit(rp_lock(&self));
        }
        if (inner > 0) waitpid(inner, &status, 0);
        _exit(WEXITSTATUS(status));
    }
    waitpid(child, &status, 0);
    check(WEXITSTATUS(status) == EXDEV, "a lock by way of another PID namespace's /proc");
}

int main(int argc, char **argv) {
    struct rp_process processes[3];
    if (argc < 2) return 2;
    close(STDIN_FILENO); /* so that 0 is a descriptor like others */
    const int before = count_descriptors();
    check_foreign();
    for (int i = 0; i < 3; i++) check(rp_process_find(sleeper(), &processes[i], NULL), "a child");
    check(!rp_lock_holder(&processes[0]), "a holder before there is one");
    check(!rp_lock(&processes[0]), "the first lock");
    check(rp_lock_holder(&processes[0]) == getpid(), "its holder");
    check(lock_elsewhere(&processes[0]) == EWOULDBLOCK, "another's lock on the same");
    check_mounted(&processes[1], argv[1]);
    check(rp_lock(&processes[2]) == ENOLCK, "a third lock");
    rp_lock_leave();
    check(lock_elsewhere(&processes[0]) == 0, "another's lock once it is given up");
    for (int i = 0; i < 3; i++) {
        kill(processes[i].pid, SIGKILL);
        waitpid(processes[i].pid, NULL, 0);
    }
    check(rp_lock(&processes[0]) == ESRCH, "a lock on a process that has ended");
    check(count_descriptors() == before, "descriptors that are left");
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
