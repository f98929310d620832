/* SPDX-License-Identifier: MIT */
/* Tries what /proc does not tell: a seccomp filter's rules cannot be read. */
#include "inspect/rights.h"

#include "inspect/pidfd.h"
#include "inspect/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

long rp_setting(const char *path, long fallback) {
    long value = fallback;
    FILE *file = fopen(path, "re");
    if (!file) return fallback;
    if (fscanf(file, "%ld", &value) != 1) value = fallback;
    fclose(file);
    return value;
}

bool rp_has_capability(int number) {
    unsigned long long effective = 0;
    char line[256];
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "CapEff: %llx", &effective) == 1) break;
    if (file) fclose(file);
    return effective >> number & 1;
}

bool rp_is_privileged_port(unsigned port) {
    return (long)port < rp_setting("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024) &&
           !rp_has_capability(RP_NET_BIND_SERVICE);
}

long rp_yama_scope(void) {
    return rp_setting("/proc/sys/kernel/yama/ptrace_scope", 0);
}

/* Returns 0 or the errno of duplicating that process's descriptor. */
static int try(pid_t pid, int fd) {
    const int process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process < 0) return errno;
    const int copy = rp_getfd(process, fd);
    const int error = copy < 0 ? errno : 0;
    if (copy >= 0) close(copy);
    close(process);
    return error;
}

bool rp_call_is_deadly(long number) {
    int status = 0;
    const pid_t child = fork();
    if (!child) {
        prctl(PR_SET_DUMPABLE, 0L); /* no core */
        syscall(number, -1L, -1L, 0L);
        _exit(0);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status);
}

bool rp_is_filtered(void) {
    int ends[2];
    if (pipe(ends)) return false;
    const int error = try(getpid(), ends[0]);
    close(ends[0]);
    close(ends[1]);
    return error == EPERM;
}

int rp_try_child(void) {
    int ends[2];
    if (pipe(ends)) return errno;
    const pid_t child = fork();
    if (!child) {
        close(ends[1]);
        /* Until the parent closes its end, or dies. */
        while (read(ends[0], &(char){0}, 1) < 0 && errno == EINTR) {
        }
        _exit(0);
    }
    const int error = child < 0 ? errno : try(child, ends[0]);
    close(ends[0]);
    close(ends[1]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
    return error;
}

const char *rp_missing_reason(pid_t pid) {
    struct rp_process process;
    if ((kill(pid, 0) && errno != EPERM) || rp_process_find(pid, &process, NULL))
        return "there is no such process";
    return "/proc does not show it: hidepid=, no /proc, or one of another PID namespace";
}
