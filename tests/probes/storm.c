/* SPDX-License-Identifier: MIT */
/* Until TERM, opens connections in 32 threads as fast as it can, sends a request on each and reads
 * the answer; then prints how many were answered, how many were not, and why.
 *
 *     storm ADDRESS PORT REQUEST [ANSWER [THREADS]]
 *
 * REQUEST with \r\n as in printf(1); the answer ends at end of file, or when ANSWER, unless that is
 * empty, is in it. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { THREADS = 32 /* at most */ };

static struct sockaddr_storage address;
static socklen_t address_size;
static char request[512];
static const char *wanted;
static volatile sig_atomic_t ended;

struct count {
    long answered, failed;
    char why[64];
};

static void end(int number) {
    (void)number;
    ended = 1;
}

static const char *ask(void) {
    const struct linger at_once = {1, 0}; /* no TIME_WAIT, so that ports do not run out */
    const struct timeval patience = {30, 0};
    char answer[8192];
    size_t length = 0;
    const char *why = NULL;
    const int fd = socket(address.ss_family, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, address_size)) {
        why = "connect";
    } else if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
        why = "send";
    } else {
        for (;;) {
            const ssize_t got = recv(fd, answer + length, sizeof(answer) - 1 - length, 0);
            if (got < 0) why = "recv";
            if (got <= 0) break;
            length += (size_t)got;
            answer[length] = '\0';
            if ((wanted && strstr(answer, wanted)) || length == sizeof(answer) - 1) break;
        }
        if (!why && !length) {
            errno = EPROTO;
            why = "empty answer";
        }
    }
    const int keep = errno;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
    errno = keep;
    return why;
}

static void *storm(void *argument) {
    struct count *count = argument;
    while (!ended) {
        const char *why = ask();
        count->answered += !why;
        count->failed += !!why;
        if (why) snprintf(count->why, sizeof(count->why), "%s: %s", why, strerror(errno));
    }
    return NULL;
}

static void unescape(const char *text) {
    char *to = request;
    for (; *text && to < request + sizeof(request) - 1; text++) {
        if (*text == '\\' && (text[1] == 'r' || text[1] == 'n'))
            *to++ = *++text == 'r' ? '\r' : '\n';
        else
            *to++ = *text;
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&address;
    static struct count counts[THREADS];
    pthread_t threads[THREADS];
    struct count all = {0, 0, ""};
    if (argc < 4) return 2;
    ipv4->sin_family = inet_pton(AF_INET, argv[1], &ipv4->sin_addr) == 1 ? AF_INET : AF_INET6;
    address_size = sizeof(*ipv4);
    if (ipv4->sin_family == AF_INET6) {
        if (inet_pton(AF_INET6, argv[1], &ipv6->sin6_addr) != 1) return 2;
        address_size = sizeof(*ipv6);
    }
    ipv4->sin_port = htons((in_port_t)atoi(argv[2]));
    unescape(argv[3]);
    wanted = argc > 4 && *argv[4] ? argv[4] : NULL;
    const int threads_wanted = argc > 5 ? atoi(argv[5]) : THREADS;
    if (threads_wanted < 1 || threads_wanted > THREADS) return 2;
    signal(SIGTERM, end);
    for (int i = 0; i < threads_wanted; i++) pthread_create(&threads[i], NULL, storm, &counts[i]);
    for (int i = 0; i < threads_wanted; i++) {
        pthread_join(threads[i], NULL);
        all.answered += counts[i].answered;
        all.failed += counts[i].failed;
        if (counts[i].failed) snprintf(all.why, sizeof(all.why), " (%.60s)", counts[i].why);
    }
    printf("%ld answered, %ld failed%s\n", all.answered, all.failed, all.why);
    return 0;
}
