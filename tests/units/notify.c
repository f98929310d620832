/* SPDX-License-Identifier: MIT */
/* launch/notify: which texts of which processes say that a new server is ready, and what is told of
 * others. Prints what is not as it should be, and how many checks were made. */
#include "launch/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG = 5000 };

static unsigned checks, failures;
static int told; /* stands for stderr */

static void check(bool good, const char *what, const char *text) {
    checks++;
    failures += !good;
    if (!good) printf("wrong: %s of \"%.40s\"\n", what, text);
}

static bool says(const char *name, const char *text, size_t length) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const size_t size = strlen(name);
    memcpy(to.sun_path + 1, name + 1, size - 1);
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool sent =
        sendto(fd, text, length, 0, (struct sockaddr *)&to,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) == (ssize_t)length;
    close(fd);
    return sent;
}

/* A child that says it and waits, or ends. Returns its PID once it has. */
static pid_t sayer(const char *name, const char *text, size_t length, bool waits) {
    int ends[2];
    bool good = false;
    if (pipe2(ends, O_CLOEXEC)) exit(2);
    const pid_t child = fork();
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        good = says(name, text, length);
        if (write(ends[1], &good, 1) != 1 || !waits) _exit(0);
        for (;;) pause();
    }
    check(read(ends[0], &good, 1) == 1 && good, "sending", text);
    close(ends[0]);
    close(ends[1]);
    if (!waits) waitpid(child, NULL, 0);
    return child;
}

static const char *what_was_told(void) {
    static char text[256];
    const ssize_t got = pread(told, text, sizeof(text) - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    if (ftruncate(told, 0)) exit(2);
    return text;
}

/* Whether that text makes a server ready; what is read of it then. */
static bool is_ready(const char *text, size_t length) {
    struct rp_notify notify;
    struct rp_tree tree = {NULL, 0};
    check(!rp_notify_open(&notify) && notify.fd >= 0, "a socket", text);
    check(rp_tree_plant(&tree, getpid()), "a tree", text);
    check(!rp_notify_read(&notify, &tree), "something to read before it", text);
    const pid_t child = sayer(notify.name, text, length, true);
    check(rp_notify_read(&notify, &tree), "nothing to read", text);
    check(!rp_notify_read(&notify, &tree), "something to read after it", text);
    const bool ready = notify.ready;
    rp_notify_close(&notify);
    rp_tree_free(&tree);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return ready;
}

static void check_texts(void) {
    static const struct {
        const char *text;
        bool ready;
    } rows[] = {
        {"READY=1", true},      {"READY=1\n", true},   {"STATUS=x\nREADY=1", true},
        {"READY=1\nA=b", true}, {"\n\nREADY=1", true}, {"", false},
        {"READY=0", false},     {"READY=10", false},   {"READY=", false},
        {"XREADY=1", false},    {" READY=1", false},   {"READY=1 ", false},
        {"A=READY=1", false},   {"STATUS=x", false},   {"ready=1", false},
    };
    static const char ready[] = "READY=1\n";
    static char text[LONG];
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check(is_ready(rows[i].text, strlen(rows[i].text)) == rows[i].ready, "an answer",
              rows[i].text);
    memset(text, 'x', sizeof(text));
    memcpy(text, ready, sizeof(ready) - 1);
    check(is_ready(text, 4000), "an answer", "a long text");
    check(!is_ready(text, sizeof(text)), "an answer", "a text that is too long");
    check(!*what_was_told(), "a word", "texts of the server");
}

/* Of those who are none of the server's, the first is told of. */
static void check_senders(void) {
    static const char text[] = "READY=1";
    struct rp_notify notify;
    struct rp_tree tree = {NULL, 0};
    int status;
    rp_notify_open(&notify);
    rp_tree_plant(&tree, getpid());
    check(says(notify.name, text, strlen(text)), "sending", text);
    check(rp_notify_read(&notify, &tree) && !notify.ready, "the root's", text);
    check(strstr(what_was_told(), "is none of the new server's processes") != NULL, "the root's",
          text);
    sayer(notify.name, text, strlen(text), false);
    check(rp_notify_read(&notify, &tree) && !notify.ready, "an ended process'", text);
    check(!*what_was_told(), "a second line", text);
    const pid_t child = sayer(notify.name, text, strlen(text), true);
    check(says(notify.name, text, strlen(text)), "sending", text);
    check(rp_notify_read(&notify, &tree) && notify.ready, "a child's", text);
    check(says(notify.name, text, strlen(text)), "sending", text);
    check(rp_notify_read(&notify, &tree) && notify.ready, "what is said later", text);
    check(!*what_was_told(), "a third line", text);
    rp_notify_close(&notify);
    rp_tree_free(&tree);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
}

int main(void) {
    told = memfd_create("told", MFD_CLOEXEC);
    if (told < 0 || fcntl(told, F_SETFL, O_APPEND) || dup2(told, STDERR_FILENO) < 0) return 2;
    check_texts();
    check_senders();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
