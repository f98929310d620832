/* SPDX-License-Identifier: MIT */
/* The kernel reads it from wherever the process says it is. */
#include "inspect/environ.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 6 << 20, PART = 64 << 10 /* bytes */ };

/* Reads until the end, or until `most` bytes are there. Returns how many, or -1 and errno. */
static ssize_t read_all(int fd, char **text, size_t most) {
    size_t length = 0;
    for (;;) {
        char *larger = realloc(*text, length + PART + 1);
        if (!larger) return -1;
        *text = larger;
        const ssize_t got = read(fd, larger + length, PART);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        length += (size_t)got;
        larger[length] = '\0';
        if (!got || length + PART > most) return (ssize_t)length;
    }
}

char *rp_environ_read(int directory, size_t *length) {
    char *text = NULL;
    const int fd = openat(directory, "environ", O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : read_all(fd, &text, MOST);
    const int error = errno;
    if (fd >= 0) close(fd);
    *length = got < 0 ? 0 : (size_t)got;
    if (got >= 0) return text;
    free(text);
    errno = error;
    return NULL;
}
