/* SPDX-License-Identifier: MIT */
/* Looks into another process, if need be as the user that it has become. */
#include "seccomp/target.h"

#include "inspect/pidfd.h"
#include "inspect/process.h"
#include "seccomp/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { THREAD = O_EXCL /* PIDFD_THREAD, Linux 6.9 */ };

bool rp_target_waits(const struct rp_target *target) {
    uint64_t id = target->id;
    /* ioctl(2) takes its request as an int in one libc and as an unsigned long in the other. */
    return target->listener < 0 ||
           !syscall(SYS_ioctl, target->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
}

/* A pidfd of the thread, which may have descriptors of its own; on older kernels of its process. */
static int open_process(pid_t thread) {
    int fd = (int)syscall(SYS_pidfd_open, thread, THREAD);
    if (fd < 0 && errno == EINVAL) fd = (int)syscall(SYS_pidfd_open, rp_process_leader(thread), 0);
    return fd;
}

/* Becomes the target's user as far as ptrace(2) asks: the target may have changed its user and
 * executed another program, and root without CAP_SYS_PTRACE, as in most containers, may not look
 * into it then. */
static void act_as(const struct rp_target *target) {
    uid_t user;
    gid_t group;
    if (!rp_process_user(target->pid, &user, &group) || !rp_target_waits(target)) return;
    if (setresgid(group, (gid_t)-1, (gid_t)-1) || setresuid(user, (uid_t)-1, (uid_t)-1)) return;
}

/* Keeps errno. */
static void act_as_oneself(void) {
    const int keep = errno;
    if (setresuid(geteuid(), (uid_t)-1, (uid_t)-1) || setresgid(getegid(), (gid_t)-1, (gid_t)-1))
        _exit(1); /* the guard starts another watcher */
    errno = keep;
}

int rp_target_read(const struct rp_target *target, uint64_t address, void *to, size_t size) {
    const struct iovec here = {to, size}, there = {(void *)(uintptr_t)address, size};
    if (address > UINTPTR_MAX - size) return sizeof(void *) == 8 ? EFAULT : EOVERFLOW;
    ssize_t got = process_vm_readv(target->pid, &here, 1, &there, 1, 0);
    if (got < 0 && errno == EPERM) {
        act_as(target);
        got = process_vm_readv(target->pid, &here, 1, &there, 1, 0);
        act_as_oneself();
    }
    const int error = got == (ssize_t)size ? 0 : got < 0 ? errno : EFAULT;
    return rp_target_waits(target) ? error : ESRCH;
}

int rp_target_take(struct rp_target *target, int fd) {
    if (target->process < 0) target->process = open_process(target->pid);
    int taken = target->process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, target->process, fd, 0);
    if (target->process >= 0 && taken < 0 && errno == EPERM) {
        act_as(target);
        taken = (int)syscall(SYS_pidfd_getfd, target->process, fd, 0);
        act_as_oneself();
    }
    const int error = errno;
    const bool waits = rp_target_waits(target);
    if (taken >= 0 && !waits) close(taken);
    errno = waits ? error : ESRCH;
    return waits ? taken : -1;
}

bool rp_target_creator(const struct rp_target *target, uid_t *user, gid_t *group) {
    return rp_process_creator(target->pid, user, group) && rp_target_waits(target);
}

bool rp_target_is_near(const struct rp_target *target) {
    return rp_process_is_surely_near(target->pid) && rp_target_waits(target);
}

/* Whether it is in this process's namespace of that kind, such as "user"; false if unknown. */
static bool shares_namespace(const struct rp_target *target, const char *name) {
    struct stat own, other;
    char here[32], there[48];
    snprintf(here, sizeof(here), "/proc/self/ns/%s", name);
    snprintf(there, sizeof(there), "/proc/%d/ns/%s", (int)target->pid, name);
    return !stat(there, &other) && rp_target_waits(target) && !stat(here, &own) &&
           own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

enum { FILE_SIZE = 4096 };

/* Returns the length: 0 where the kernel has no such file, or no security module whose label it
 * could tell (EINVAL). -1 if unknown. */
static ssize_t read_file(const char *path, char text[FILE_SIZE]) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = fd < 0 ? -1 : read(fd, text, FILE_SIZE);
    const bool is_none = length < 0 && errno == (fd < 0 ? ENOENT : EINVAL);
    if (fd >= 0) close(fd);
    return is_none ? 0 : length;
}

/* Whether a file of /proc/PID says the same of both; false if unknown, or too long to tell. */
static bool is_same(const struct rp_target *target, const char *name) {
    char path[48], own[FILE_SIZE], other[FILE_SIZE];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)target->pid, name);
    const ssize_t length = read_file(path, other);
    if (!rp_target_waits(target)) return false;
    snprintf(path, sizeof(path), "/proc/self/%s", name);
    return length >= 0 && length < FILE_SIZE && read_file(path, own) == length &&
           memcmp(own, other, (size_t)length) == 0;
}

const char *rp_target_difference(const struct rp_target *target) {
    if (!rp_target_is_near(target))
        return "it is in another network namespace, or cannot be looked into";
    if (!shares_namespace(target, "user")) return "it is in another user namespace";
    if (!is_same(target, "cgroup")) return "it is in another cgroup";
    return is_same(target, "attr/current") ? NULL : "it has another security label";
}

/* The first port that requires no privilege; 1024 before Linux 4.11. */
static int unprivileged_start(void) {
    int start = 1024;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    if (file && fscanf(file, "%d", &start) != 1) start = 1024;
    if (file) fclose(file);
    return start;
}

bool rp_target_may_bind(const struct rp_target *target, uint16_t port) {
    enum { NET_BIND_SERVICE = 10 }; /* as in linux/capability.h */
    if (port >= unprivileged_start()) return true;
    const bool has = rp_process_has_capability(target->pid, NET_BIND_SERVICE);
    return rp_target_waits(target) && has && shares_namespace(target, "user");
}

/* The directory of descriptors is root's where a process may not be looked into by its own user. */
bool rp_target_may_see(const struct rp_target *target, pid_t pid) {
    enum { SYS_PTRACE = 19 }; /* as in linux/capability.h */
    struct stat status;
    char path[32];
    uid_t user;
    gid_t group;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    if (!shares_namespace(target, "pid") || !rp_target_creator(target, &user, &group)) return false;
    if (!stat(path, &status) && status.st_uid == user && status.st_gid == group) return true;
    const bool has = rp_process_has_capability(target->pid, SYS_PTRACE);
    return rp_target_waits(target) && user == 0 && has && shares_namespace(target, "user");
}

void rp_target_close(struct rp_target *target) {
    if (target->process >= 0) close(target->process);
    target->process = -1;
}

int rp_target_try(pid_t pid, const void *bytes, size_t size, int fd) {
    struct rp_target target = {.listener = -1, .pid = pid, .process = -1};
    char copy[64];
    if (size > sizeof(copy)) return EINVAL;
    int error = rp_target_read(&target, (uintptr_t)bytes, copy, size);
    if (error) return error;
    const int taken = rp_target_take(&target, fd);
    if (taken < 0) error = errno;
    if (taken >= 0) close(taken);
    rp_target_close(&target);
    return error ? error : memcmp(copy, bytes, size) ? EIO : 0;
}
