/* SPDX-License-Identifier: MIT */
/* Messages: a program may have closed descriptor 2, filled it, or put its data file there, and must
 * not notice that this library exists. */
#include "core/message.h"

#include "core/kernel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { ESCAPED_MAX = 48, STAT_MAX = 256 };

/* As the kernel has it: signals up to SIGTTOU, on every CPU, are in the first word. */
struct signals {
    unsigned long words[RP_SIGSET_SIZE / sizeof(unsigned long)];
};

/* fstat by its number: libc's has another name before glibc 2.33. */
static unsigned char stderr_at_load[STAT_MAX];
static bool stderr_known;

static const char digits[] = "0123456789abcdef";

void rp_message_init(void) {
    const bool known = !syscall(SYS_fstat64, STDERR_FILENO, stderr_at_load);
    __atomic_store_n(&stderr_known, known, __ATOMIC_RELEASE);
}

static void append(struct rp_message *message, char c) {
    if (message->length < sizeof(message->text) - 1) message->text[message->length++] = c;
}

void rp_say(struct rp_message *message, const char *text) {
    while (*text) append(message, *text++);
}

void rp_say_number(struct rp_message *message, uint32_t number) {
    if (number > 9) rp_say_number(message, number / 10);
    append(message, (char)('0' + number % 10));
}

void rp_say_escaped(struct rp_message *message, const char *text) {
    for (int i = 0; i < ESCAPED_MAX && text[i]; i++) {
        const unsigned char byte = (unsigned char)text[i];
        if (byte >= ' ' && byte <= '~') {
            append(message, text[i]);
        } else {
            rp_say(message, "\\x");
            append(message, digits[byte >> 4]);
            append(message, digits[byte & 15]);
        }
        if (i == ESCAPED_MAX - 1 && text[i + 1]) rp_say(message, "...");
    }
}

static void say_hex(struct rp_message *message, unsigned number) {
    if (number > 15) say_hex(message, number >> 4);
    append(message, digits[number & 15]);
}

/* As RFC 5952 has it: the first of the longest runs of zeros becomes "::", unless it is a single
 * one. */
static void say_ipv6(struct rp_message *message, const unsigned char bytes[16]) {
    int gap = -1, zeros = 1;
    const unsigned char *at = bytes;
    for (int i = 0, run = 0; i < 8; i++, at += 2) {
        run = at[0] || at[1] ? 0 : run + 1;
        if (run <= zeros) continue;
        zeros = run;
        gap = i + 1 - run;
    }
    at = bytes;
    for (int i = 0; i < 8; i++, at += 2) {
        if (i == gap) rp_say(message, "::");
        if (gap >= 0 && i >= gap && i < gap + zeros) continue;
        if (i && i != gap + zeros) append(message, ':');
        say_hex(message, (unsigned)at[0] << 8 | at[1]);
    }
}

void rp_say_endpoint(struct rp_message *message, const struct rp_endpoint *where,
                     enum rp_proto proto) {
    const unsigned char *bytes = where->address.s6_addr;
    const bool ipv4 = rp_is_ipv4(&where->address);
    for (int i = 12; ipv4 && i < 16; i++) {
        rp_say_number(message, bytes[i]);
        append(message, i < 15 ? '.' : ':');
    }
    if (!ipv4) {
        append(message, '[');
        say_ipv6(message, bytes);
        rp_say(message, "]:");
    }
    rp_say_number(message, where->port);
    if (proto) rp_say(message, proto == RP_UDP ? "/udp" : "/tcp");
}

/* A pipe that polls as writable takes PIPE_BUF bytes without blocking (pipe(7)). */
bool rp_may_send(void) {
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    const long long at_once[2] = {0};
    unsigned char now[STAT_MAX] = {0}; /* the kernel leaves the padding of i386 as it is */
    if (!__atomic_load_n(&stderr_known, __ATOMIC_ACQUIRE) ||
        syscall(SYS_fstat64, STDERR_FILENO, now) ||
        memcmp(now, stderr_at_load, RP_FILE_ID_SIZE) != 0)
        return false;
    long ready = syscall(SYS_ppoll, &out, 1, at_once, NULL, 0);
#ifdef SYS_poll
    if (ready < 0) ready = syscall(SYS_poll, &out, 1, 10); /* tor's sandbox permits this alone */
#endif
    return ready == 1 && (out.revents & POLLOUT);
}

void rp_send(struct rp_message *message) {
    const int keep = errno;
    const unsigned long pipe_signal = 1UL << (SIGPIPE - 1);
    const struct signals broken_pipe = {{pipe_signal}};
    const long long at_once[2] = {0};
    struct signals pending = {{0}}, before, blocked;
    memcpy(message->text, "libreuseport: ", RP_PREFIX_SIZE);
    message->text[message->length] = '\n';
    /* By SIG_SETMASK, since sandboxes such as tor's forbid SIG_BLOCK. */
    if (!rp_may_send() || syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &before, RP_SIGSET_SIZE)) {
        errno = keep;
        return;
    }
    blocked = before;
    blocked.words[0] |= pipe_signal | 1UL << (SIGTTOU - 1); /* stty tostop */
    if (!syscall(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, NULL, RP_SIGSET_SIZE)) {
        syscall(SYS_rt_sigpending, &pending, RP_SIGSET_SIZE);
        if (syscall(SYS_write, STDERR_FILENO, message->text, message->length + 1) < 0 &&
            errno == EPIPE && !(pending.words[0] & pipe_signal))
            syscall(SYS_rt_sigtimedwait, &broken_pipe, NULL, at_once, RP_SIGSET_SIZE);
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, RP_SIGSET_SIZE);
    }
    errno = keep;
}
