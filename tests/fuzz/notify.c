/* SPDX-License-Identifier: MIT */
/* libFuzzer target: whatever is sent to a copy's NOTIFY_SOCKET, only a line READY=1 counts, its
 * sender is known, and a descriptor that comes along is closed. */
#include "launch/notify.c" /* NOLINT(bugprone-suspicious-include): its static functions */

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void must(bool condition) {
    if (!condition) abort();
}

/* Whether READY=1 is a line, found in another way. */
static bool expected(const unsigned char *data, size_t size) {
    static const char wanted[] = "\nREADY=1\n";
    char *text = malloc(size + 2);
    if (!text) abort();
    text[0] = text[size + 1] = '\n';
    memcpy(text + 1, data, size);
    const bool found = memmem(text, size + 2, wanted, sizeof(wanted) - 1) != NULL;
    free(text);
    return found;
}

static void send_it(int fd, const unsigned char *data, size_t size, int passed) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec part = {(void *)data, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    *CMSG_FIRSTHDR(&message) = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(passed))};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &passed, sizeof(passed));
    must(sendmsg(fd, &message, 0) == (ssize_t)size);
}

static void read_it(const int ends[2], const unsigned char *data, size_t size) {
    struct sender sender = {-1, -1};
    bool ready;
    int pipes[2];
    must(!pipe2(pipes, O_CLOEXEC));
    send_it(ends[0], data, size, pipes[1]);
    close(pipes[1]);
    must(read_one(ends[1], &ready, &sender));
    must(ready == (size <= MESSAGE_MAX && expected(data, size)));
    must(sender.pid == getpid() && sender.age > -1 && sender.age < 60);
    struct pollfd hangup = {.fd = pipes[0]};
    must(poll(&hangup, 1, 0) == 1);
    close(pipes[0]);
    must(!read_one(ends[1], &ready, &sender) && !ready);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static int ends[2] = {-1, -1};
    const int on = 1;
    if (ends[0] < 0) {
        must(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends));
        must(!setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
        must(!setsockopt(ends[1], SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)));
    }
    char *copy = malloc(size); /* as large as the message, so that a byte more is noticed */
    if (!copy) return 0;
    memcpy(copy, data, size);
    must(says_ready(copy, size) == expected(data, size));
    free(copy);
    read_it(ends, data, size);
    return 0;
}
