/* SPDX-License-Identifier: MIT */
/* seccomp/target: whether a socket made here would be like the target's own, by what /proc says of
 * both. This kernel may have no security module, so its files are this test's. */
#include "seccomp/target.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A file's contents, or the errno of open(2) or read(2). */
struct file {
    const char *bytes;
    size_t size;
    int open_error, read_error;
};

#define TEXT(text)                                                                                 \
    { text, sizeof(text) - 1, 0, 0 }
#define NO_FILE                                                                                    \
    { NULL, 0, ENOENT, 0 }
#define NO_MODULE                                                                                  \
    { NULL, 0, 0, EINVAL }
#define DENIED                                                                                     \
    { NULL, 0, EACCES, 0 }
#define UNREADABLE                                                                                 \
    { NULL, 0, 0, EACCES }

static char long_label[4096], other_long_label[4095];

static const struct {
    const char *name;
    bool same;
    struct file own, theirs;
} rows[] = {
    {"attr/current", true, TEXT("unconfined\n"), TEXT("unconfined\n")},
    {"attr/current", false, TEXT("unconfined\n"), TEXT("server (enforce)\n")},
    {"attr/current", false, TEXT("server (enforce)\n"), TEXT("server (complain)\n")},
    {"attr/current", true, TEXT("user_u:user_r:user_t:s0\0"), TEXT("user_u:user_r:user_t:s0\0")},
    {"attr/current", false, TEXT("user_u:user_r:user_t:s0\0"), TEXT("user_u:user_r:httpd_t:s0\0")},
    {"attr/current", true, TEXT("_"), TEXT("_")},
    {"attr/current", false, TEXT("_"), TEXT("__")},
    {"attr/current", false, TEXT("server"), TEXT("server\n")},
    {"attr/current", false, TEXT("server\0a"), TEXT("server\0b")},
    {"attr/current", true, NO_MODULE, NO_MODULE},
    {"attr/current", true, NO_FILE, NO_FILE},
    {"attr/current", false, NO_MODULE, TEXT("server\n")},
    {"attr/current", false, TEXT("server\n"), NO_MODULE},
    {"attr/current", false, TEXT("server\n"), NO_FILE},
    {"attr/current", false, DENIED, DENIED},
    {"attr/current", false, UNREADABLE, UNREADABLE},
    {"attr/current", false, NO_MODULE, DENIED},
    {"attr/current", true, {other_long_label, 4095, 0, 0}, {other_long_label, 4095, 0, 0}},
    {"attr/current", false, {long_label, 4096, 0, 0}, {long_label, 4096, 0, 0}},
    {"cgroup", true, TEXT("0::/a\n"), TEXT("0::/a\n")},
    {"cgroup", false, TEXT("0::/a\n"), TEXT("0::/a/b\n")},
    {"cgroup", true, NO_FILE, NO_FILE},
    {"cgroup", false, DENIED, DENIED},
};

enum { UNREADABLE_FD = 99 };

static const char *name = ""; /* below /proc/PID */
static const struct file *own, *theirs;
static int read_error;

/* Instead of libc's: the row's files. */
int open(const char *path, int flags, ...) {
    const size_t length = strlen(path), of_name = strlen(name);
    if (!of_name || length < of_name || strcmp(path + length - of_name, name) != 0)
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
    const struct file *file = strncmp(path, "/proc/self/", 11) ? theirs : own;
    read_error = file->read_error;
    if (read_error) return UNREADABLE_FD;
    if (file->open_error) {
        errno = file->open_error;
        return -1;
    }
    const int fd = memfd_create("row", MFD_CLOEXEC);
    if (fd < 0 || write(fd, file->bytes, file->size) != (ssize_t)file->size ||
        lseek(fd, 0, SEEK_SET))
        exit(2);
    return fd;
}

ssize_t read(int fd, void *to, size_t size) {
    if (fd != UNREADABLE_FD) return syscall(SYS_read, fd, to, size);
    errno = read_error;
    return -1;
}

int main(void) {
    unsigned checks = 0, failures = 0;
    memset(long_label, 'x', sizeof(long_label));
    memset(other_long_label, 'x', sizeof(other_long_label));
    const pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) pause();
    }
    const struct rp_target target = {.listener = -1, .pid = child, .process = -1};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        name = rows[i].name;
        own = &rows[i].own;
        theirs = &rows[i].theirs;
        const char *why = rp_target_difference(&target);
        const char *word = strcmp(name, "cgroup") ? "label" : "cgroup";
        checks++;
        if (rows[i].same ? !why : why && strstr(why, word)) continue;
        failures++;
        printf("row %zu: %s\n", i, why ? why : "no difference");
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
