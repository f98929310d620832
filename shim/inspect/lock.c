/* SPDX-License-Identifier: MIT */
/* flock(2) locks an inode of one mount of proc: mount and process are verified before. */
#include "inspect/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { ROOT_INODE = 1 /* the kernel's PROC_ROOT_INO */, LOCKS_MAX = 2 };

static int locks[LOCKS_MAX];
static int lock_count;

/* Whether it is the root of a proc of this PID namespace. */
static bool is_own_proc(int proc) {
    struct statfs system;
    struct stat root;
    char self[32] = "";
    return !fstatfs(proc, &system) && system.f_type == PROC_SUPER_MAGIC && !fstat(proc, &root) &&
           root.st_ino == ROOT_INODE && readlinkat(proc, "self", self, sizeof(self) - 1) > 0 &&
           atoi(self) == (int)getpid();
}

/* Opens init's mount of proc, which all can have in common, even a unit with ProtectProc=
 * (systemd.exec(5)), or else this process's. Returns -1 and errno. */
static int open_proc(void) {
    static const char *const paths[] = {"/proc/1/root/proc", "/proc"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        const int proc = open(paths[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (proc >= 0 && is_own_proc(proc)) return proc;
        if (proc >= 0) close(proc);
    }
    errno = EXDEV;
    return -1;
}

/* Opens a process's environ with those flags (open(2)). Returns -1 and errno. */
static int open_environ(const struct rp_process *process, int flags) {
    char pid[16];
    struct stat root, file;
    unsigned long long start;
    const int proc = open_proc();
    if (proc < 0) return -1;
    snprintf(pid, sizeof(pid), "%d", (int)process->pid);
    const int directory = openat(proc, pid, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const bool same =
        directory >= 0 && rp_process_start(directory, &start) && start == process->start;
    int fd = same ? openat(directory, "environ", flags | O_NOFOLLOW | O_CLOEXEC) : -1;
    int error = same ? errno : ESRCH;
    if (fd >= 0 && (fstat(proc, &root) || fstat(fd, &file) || root.st_dev != file.st_dev)) {
        close(fd);
        fd = -1;
        error = EXDEV;
    }
    if (directory >= 0) close(directory);
    close(proc);
    errno = error;
    return fd;
}

int rp_lock(const struct rp_process *process) {
    const int file = lock_count < LOCKS_MAX ? open_environ(process, O_RDONLY) : -1;
    if (file < 0) return lock_count < LOCKS_MAX ? errno : ENOLCK;
    if (!flock(file, LOCK_EX | LOCK_NB)) {
        locks[lock_count++] = file;
        return 0;
    }
    const int error = errno;
    close(file);
    return error;
}

pid_t rp_lock_holder(const struct rp_process *process) {
    struct stat file;
    char line[256];
    pid_t holder = 0;
    const int fd = open_environ(process, O_PATH);
    FILE *list = fd >= 0 && !fstat(fd, &file) ? fopen("/proc/locks", "re") : NULL;
    while (list && !holder && fgets(line, sizeof(line), list)) {
        unsigned major, minor;
        unsigned long long inode;
        int pid;
        if (sscanf(line, "%*u: FLOCK %*s %*s %d %x:%x:%llu", &pid, &major, &minor, &inode) == 4 &&
            makedev(major, minor) == file.st_dev && inode == file.st_ino)
            holder = pid;
    }
    if (list) fclose(list);
    if (fd >= 0) close(fd);
    return holder;
}

void rp_lock_leave(void) {
    while (lock_count) close(locks[--lock_count]);
}
