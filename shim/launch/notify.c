/* SPDX-License-Identifier: MIT */
/* The control buffer has room for the sender's credentials and the time only, so the kernel closes
 * descriptors that are sent along instead of installing them here (unix(7)). */
#include "launch/notify.h"

#include "base/die.h"
#include "base/hurry.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64,         /* datagrams read at once */
    MESSAGE_MAX = 4096, /* bytes, as systemd has it */
};

static const double tick = 0.02; /* seconds; start times have 1/100 s */

/* Who said READY=1. */
struct sender {
    pid_t pid;
    double age; /* of the message, in seconds */
};

int rp_notify_open(struct rp_notify *notify) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned long long random[2];
    const int on = 1;
    *notify = (struct rp_notify){.fd = -1};
    if (getrandom(random, sizeof(random), 0) != sizeof(random)) return errno;
    const int length = snprintf(notify->name, sizeof(notify->name), "@reuseport-%016llx%016llx",
                                random[0], random[1]);
    memcpy(address.sun_path + 1, notify->name + 1, (size_t)length - 1); /* '@' stands for 0 */
    const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length);
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return errno;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)) ||
        bind(fd, (const struct sockaddr *)&address, size)) {
        const int error = errno;
        close(fd);
        return error;
    }
    notify->fd = fd;
    return 0;
}

/* Whether READY=1 is one of the lines. */
static bool says_ready(const char *text, size_t length) {
    static const char ready[] = "READY=1";
    const size_t wanted = sizeof(ready) - 1;
    for (const char *line = text, *end = text + length; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const size_t size = (size_t)((newline ? newline : end) - line);
        if (size == wanted && !memcmp(line, ready, wanted)) return true;
        line += size + 1;
    }
    return false;
}

/* musl's CMSG_NXTHDR() makes an unsigned number of a negative one, and compares both kinds. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wsign-conversion"

/* Reads who sent the message, and how long ago. */
static void read_control(struct msghdr *message, struct sender *sender) {
    struct ucred credentials = {0, 0, 0};
    struct timeval sent, now;
    gettimeofday(&now, NULL);
    sent = now;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(message); item; item = CMSG_NXTHDR(message, item)) {
        if (item->cmsg_level != SOL_SOCKET) continue;
        if (item->cmsg_type == SCM_CREDENTIALS)
            memcpy(&credentials, CMSG_DATA(item), sizeof(credentials));
        else if (item->cmsg_type == SCM_TIMESTAMP)
            memcpy(&sent, CMSG_DATA(item), sizeof(sent));
    }
    sender->pid = credentials.pid;
    sender->age = (double)(now.tv_sec - sent.tv_sec) + (double)(now.tv_usec - sent.tv_usec) / 1e6;
}

#pragma GCC diagnostic pop

/* Reads one datagram. Returns false if there is none; else *ready is whether it says READY=1. */
static bool read_one(int fd, bool *ready, struct sender *sender) {
    *ready = false;
    char text[MESSAGE_MAX];
    union {
        char bytes[CMSG_SPACE(sizeof(struct timeval)) + CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct iovec part = {text, sizeof(text)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    const ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0) return errno == EINTR;
    read_control(&message, sender);
    *ready = !(message.msg_flags & MSG_TRUNC) && says_ready(text, (size_t)length);
    return true;
}

/* Seconds since the process started. */
static double age_of(const struct rp_process *process) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
           (double)process->start / (double)sysconf(_SC_CLK_TCK);
}

/* Why the sender is not believed, or NULL. */
static const char *objection(const struct rp_tree *tree, const struct sender *sender) {
    struct rp_process process;
    if (!rp_process_find(sender->pid, &process, NULL)) return "has ended before it could be seen";
    if (age_of(&process) + tick < sender->age) return "is younger than the message";
    return process.pid != getpid() && rp_tree_has(tree, &process)
               ? NULL
               : "is none of the new server's processes";
}

void rp_notify_close(struct rp_notify *notify) {
    struct rp_hurry before;
    rp_hurry_begin(&before);
    close(notify->fd); /* with what has not been read */
    rp_hurry_end(&before);
}

/* Reads a batch, and stores who says READY=1. Returns how many datagrams it was. */
static int read_batch(int fd, struct sender senders[BATCH], int *count) {
    struct rp_hurry before;
    int read = 0;
    *count = 0;
    rp_hurry_begin(&before);
    for (bool ready = false; read < BATCH && read_one(fd, &ready, &senders[*count]); read++)
        *count += ready;
    rp_hurry_end(&before);
    return read;
}

bool rp_notify_read(struct rp_notify *notify, struct rp_tree *tree) {
    struct sender senders[BATCH];
    int count;
    const int read = read_batch(notify->fd, senders, &count);
    if (!count || notify->ready) return read > 0;
    rp_tree_grow(tree);
    for (int i = 0; i < count && !notify->ready; i++) {
        const char *why = objection(tree, &senders[i]);
        notify->ready = !why;
        if (why && !notify->told)
            rp_warn("READY=1 of pid %d is ignored: it %s", (int)senders[i].pid, why);
        notify->told = notify->told || why;
    }
    return true;
}
