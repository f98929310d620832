/* SPDX-License-Identifier: MIT */
/* Each message is sent by a socket of its own: the manager has one queue for all. */
#include "base/sd_notify.h"

#include "base/clock.h"
#include "base/die.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Returns a connected socket, or -1 and errno. */
static int connect_to(const char *name, int seconds) {
    const struct timeval limit = {.tv_sec = seconds};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t length = strlen(name);
    if ((*name != '/' && *name != '@') || length < 2 || length >= sizeof(address.sun_path)) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    memcpy(address.sun_path, name, length);
    if (*name == '@') address.sun_path[0] = '\0';
    const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (!setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) &&
        !connect(fd, (const struct sockaddr *)&address, size))
        return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Sends the text, with the descriptor unless that is negative. Returns 0 or an errno. */
static int send_text(int fd, const char *text, int passed, int flags) {
    union {
        char buffer[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec data = {(void *)text, strlen(text)};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (passed >= 0) {
        message.msg_control = control.buffer;
        message.msg_controllen = sizeof(control.buffer);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(passed));
        memcpy(CMSG_DATA(header), &passed, sizeof(passed));
    }
    ssize_t sent;
    do sent = sendmsg(fd, &message, MSG_NOSIGNAL | flags);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) return 0;
    return errno == EAGAIN ? ETIMEDOUT : errno;
}

/* Waits until nobody has the other end of the pipe. Returns 0, or ETIMEDOUT. */
static int await_close(int fd, int seconds) {
    const double end = rp_now() + seconds;
    struct pollfd hangup = {.fd = fd};
    for (;;) {
        const int left = (int)((end - rp_now()) * 1000);
        if (left <= 0) return ETIMEDOUT;
        if (poll(&hangup, 1, left) == 1) return 0;
    }
}

/* Sends a pipe's end, and waits until it is closed. Returns 0 or an errno. */
static int await_reader(int fd, int seconds) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return errno;
    int error = send_text(fd, "BARRIER=1", ends[1], 0);
    close(ends[1]);
    if (!error) error = await_close(ends[0], seconds);
    close(ends[0]);
    return error;
}

int rp_notify(const char *name, const char *text, int seconds) {
    const int fd = connect_to(name, seconds);
    if (fd < 0) return errno;
    const int error = send_text(fd, text, -1, seconds ? 0 : MSG_DONTWAIT);
    close(fd);
    return error;
}

bool rp_notify_now(const char *name, const char *text, bool *told) {
    const int error = rp_notify(name, text, 0);
    if (error == ETIMEDOUT) return false;
    if (error && !*told) rp_warn("NOTIFY_SOCKET: %s: %s", name, strerror(error));
    *told = *told || error;
    return true;
}

int rp_notify_barrier(const char *name, int seconds) {
    const int fd = connect_to(name, seconds);
    if (fd < 0) return errno;
    const int error = await_reader(fd, seconds);
    close(fd);
    return error;
}
