/* SPDX-License-Identifier: MIT */
/* A pipe's reader sees end of file only once the last writer has closed it. */
#include "handover/output.h"

#include "base/die.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLAGS = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC | O_NONBLOCK };

int rp_output_open(const char *file) {
    const int opened = open(file, FLAGS | O_CREAT, 0600);
    if (opened < 0) return -1;
    /* 0 to 2 may be closed. */
    const int output = fcntl(opened, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int error = errno;
    close(opened);
    if (output >= 0) fcntl(output, F_SETFL, O_APPEND); /* without O_NONBLOCK */
    errno = error;
    return output;
}

int rp_output_try(const char *file) {
    char folder[PATH_MAX];
    const int opened = open(file, FLAGS);
    if (opened >= 0) {
        close(opened);
        return 0;
    }
    const int error = errno;
    const size_t size = strlen(file) + 1;
    if (error != ENOENT || size == 1 || size > sizeof(folder)) return error;
    memcpy(folder, file, size); /* dirname() changes it */
    return faccessat(AT_FDCWD, dirname(folder), W_OK | X_OK, AT_EACCESS) ? errno : 0;
}

int rp_output_use(int output) {
    return dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 ? errno : 0;
}

static bool is_pipe(int fd) {
    struct stat file;
    return !fstat(fd, &file) && S_ISFIFO(file.st_mode);
}

void rp_output_warn(void) {
    const bool out = is_pipe(STDOUT_FILENO), err = is_pipe(STDERR_FILENO);
    if (out || err)
        rp_warn(
            "replace: standard %s is a pipe, which the new server keeps open, so its reader sees "
            "no end of file; use --output=FILE",
            out && err ? "output and error"
            : out      ? "output"
                       : "error");
}
