/* Messages: a program may have closed descriptor 2, filled it, or put its data file there, and must
 * not notice that this library exists. */
#include "core/message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_fstat64
#define SYS_fstat64 SYS_fstat
#endif

/* What the kernel's fstat reports of a file begins, on every CPU that we build for, with 16 bytes for
 * its device and inode. libc's fstat has another name before glibc 2.33. */
enum { IDENTITY_SIZE = 16, STAT_MAX = 256 };

static unsigned char stderr_at_load[STAT_MAX];
static bool stderr_known;

void rp_message_init(void) {
    stderr_known = !syscall(SYS_fstat64, STDERR_FILENO, stderr_at_load);
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
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 48 && text[i]; i++) {
        const unsigned char byte = (unsigned char)text[i];
        const char escaped[] = {'\\', 'x', digits[byte >> 4], digits[byte & 15], '\0'};
        if (byte >= ' ' && byte <= '~')
            append(message, text[i]);
        else
            rp_say(message, escaped);
    }
    rp_say(message, strnlen(text, 49) > 48 ? "..." : "");
}

/* inet_ntop(3) neither allocates nor locks in either libc. */
void rp_say_endpoint(struct rp_message *message, const struct rp_endpoint *where,
                     enum rp_proto proto) {
    char text[INET6_ADDRSTRLEN] = "?";
    const bool ipv4 = IN6_IS_ADDR_V4MAPPED(&where->address);
    inet_ntop(ipv4 ? AF_INET : AF_INET6, where->address.s6_addr + (ipv4 ? 12 : 0), text,
              sizeof(text));
    rp_say(message, ipv4 ? "" : "[");
    rp_say(message, text);
    rp_say(message, ipv4 ? ":" : "]:");
    rp_say_number(message, where->port);
    rp_say(message, proto == RP_UDP ? "/udp" : "/tcp");
}

/* A pipe that polls as writable takes PIPE_BUF bytes without blocking (pipe(7)). */
bool rp_may_send(void) {
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    const long long at_once[2] = {0};
    unsigned char now[STAT_MAX];
    return stderr_known && !syscall(SYS_fstat64, STDERR_FILENO, now) &&
           !memcmp(now, stderr_at_load, IDENTITY_SIZE) &&
           syscall(SYS_ppoll, &out, 1, at_once, NULL, 0) == 1 && (out.revents & POLLOUT);
}

void rp_send(struct rp_message *message) {
    const int keep = errno;
    const uint64_t pipe_signal = UINT64_C(1) << (SIGPIPE - 1);
    const uint64_t both = pipe_signal | UINT64_C(1) << (SIGTTOU - 1); /* of stty tostop */
    const long long at_once[2] = {0};
    uint64_t pending = 0, before;
    message->text[message->length] = '\n';
    if (rp_may_send() && !syscall(SYS_rt_sigprocmask, SIG_BLOCK, &both, &before, 8)) {
        syscall(SYS_rt_sigpending, &pending, 8);
        if (syscall(SYS_write, STDERR_FILENO, message->text, message->length + 1) < 0 &&
            errno == EPIPE && !(pending & pipe_signal))
            syscall(SYS_rt_sigtimedwait, &pipe_signal, NULL, at_once, 8);
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, 8);
    }
    errno = keep;
}
