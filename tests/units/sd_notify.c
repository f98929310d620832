/* SPDX-License-Identifier: MIT */
/* base/sd_notify: what reaches a service manager, beside a manager of our own. Its argument is a
 * path for a socket. Prints what is not as it should be, and how many checks were made. */
#include "base/sd_notify.h"
#include "base/clock.h"
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Stands in for descriptor 2. */
static int written;

/* Whether that is what has been written since; "" for nothing. */
static bool wrote(const char *text) {
    char line[256] = "";
    return read(written, line, sizeof(line) - 1) >= 0 ? !strcmp(line, text) : !*text;
}

static void interrupt(int number) {
    (void)number;
}

/* The manager's side. */
static int manager;
static char abstract[108];

static int listen_at(const struct sockaddr_un *address, size_t size) {
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    check(!bind(fd, (const struct sockaddr *)address, (socklen_t)size), "no manager");
    return fd;
}

static bool got(int fd, const char *text) {
    char message[256] = "";
    return recv(fd, message, sizeof(message) - 1, 0) >= 0 && !strcmp(message, text);
}

static void check_names(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[110];
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    const int fd = listen_at(&address, sizeof(address));
    check(rp_notify(path, "READY=1", 1) == 0 && got(fd, "READY=1"), "a path");
    close(fd);
    check(rp_notify(path, "READY=1", 1) == ECONNREFUSED, "a path that nobody listens at");
    unlink(path);
    check(rp_notify(path, "READY=1", 1) == ENOENT, "no such path");
    check(rp_notify_barrier(path, 1) == ENOENT, "no such path, for a barrier");
    check(rp_notify(abstract, "READY=1", 1) == 0 && got(manager, "READY=1"), "an abstract name");
    check(rp_notify("", "READY=1", 1) == EAFNOSUPPORT && rp_notify("@", "", 1) == EAFNOSUPPORT &&
              rp_notify("/", "", 1) == EAFNOSUPPORT && rp_notify("name", "", 1) == EAFNOSUPPORT &&
              rp_notify("vsock:2:1", "", 1) == EAFNOSUPPORT,
          "names of other forms");
    memset(name, '@', sizeof(name));
    name[108] = '\0';
    check(rp_notify(name, "READY=1", 1) == EAFNOSUPPORT, "a name that is too long");
    name[107] = '\0';
    check(rp_notify(name, "READY=1", 1) == ECONNREFUSED, "one that is as long as it may be");
    name[2] = '\0';
    check(rp_notify(name, "READY=1", 1) == ECONNREFUSED, "one that is as short");
}

static void check_telling(void) {
    bool told = false;
    check(rp_notify_now(abstract, "READY=1", &told) && !told && wrote("") &&
              got(manager, "READY=1"),
          "a message is sent, and nothing told");
    check(rp_notify_now("/", "READY=1", &told) && told &&
              wrote("reuseport: NOTIFY_SOCKET: /: Address family not supported by protocol\n"),
          "why it cannot be sent");
    check(rp_notify_now("/", "READY=1", &told) && told && wrote(""), "told once");
    errno = EINTR; /* as an earlier call may have left it */
    check(rp_notify(abstract, "", 1) == 0 && got(manager, ""), "an empty message");
    check(!got(manager, ""), "sent once");
    check(rp_notify_now(abstract, "STATUS=x", &told) && told && got(manager, "STATUS=x"),
          "sent all the same");
}

/* Without descriptor 0, and where there is room for so few more. */
static void check_descriptors(void) {
    struct rlimit limit, tight;
    const int zero = fcntl(0, F_DUPFD_CLOEXEC, 100);
    close(0);
    check(rp_notify(abstract, "READY=1", 1) == 0 && got(manager, "READY=1"), "by descriptor 0");
    check(rp_notify_barrier(abstract, 0) == ETIMEDOUT && got(manager, "BARRIER=1"),
          "a barrier by descriptor 0");
    dup2(zero, 0);
    close(zero);
    const int next = dup(0);
    close(next);
    getrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned room = 0; room < 3; room++) {
        tight = (struct rlimit){(rlim_t)next + room, limit.rlim_max};
        setrlimit(RLIMIT_NOFILE, &tight);
        check(rp_notify_barrier(abstract, 1) == EMFILE, "no descriptor for a barrier");
        check(rp_notify(abstract, "X=1", 1) == (room ? 0 : EMFILE), "no descriptor for a message");
        check(got(manager, "X=1") == (room > 0), "the message");
    }
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void interrupt_once(void) {
    const struct sigaction action = {.sa_handler = interrupt};
    const struct itimerval soon = {.it_value = {0, 50000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
}

static void check_full(void) {
    bool told = false;
    unsigned sent = 0;
    while (!rp_notify(abstract, "STATUS=much", 0)) sent++;
    check(sent > 0 && rp_notify(abstract, "READY=1", 0) == ETIMEDOUT, "the queue is full");
    check(!rp_notify_now(abstract, "READY=1", &told) && !told && wrote(""), "to be tried again");
    interrupt_once();
    const double begin = rp_now();
    check(rp_notify(abstract, "READY=1", 1) == ETIMEDOUT, "no room within a second");
    const double waited = rp_now() - begin;
    check(waited > 0.95 && waited < 10, "how long it waits for room");
    while (got(manager, "STATUS=much")) sent--;
    check(sent == 0 && got(manager, "") == false, "what was sent has arrived, and no more");
}

/* Reads a BARRIER=1, and closes what comes with it after a moment. Exits with 0 if that is one
 * descriptor, a pipe's writing end. */
static void keep_barrier(void) {
    union {
        char buffer[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    char text[32] = "";
    int fd;
    struct iovec data = {text, sizeof(text) - 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.buffer,
                             .msg_controllen = sizeof(control)};
    poll(&(struct pollfd){.fd = manager, .events = POLLIN}, 1, 5000);
    if (recvmsg(manager, &message, MSG_CMSG_CLOEXEC) < 0 || strcmp(text, "BARRIER=1") != 0)
        _exit(1);
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(fd)))
        _exit(2);
    memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    poll(NULL, 0, 200);
    _exit((fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY);
}

static void check_barrier(void) {
    int status;
    fflush(stdout);
    const pid_t reader = fork();
    if (!reader) keep_barrier();
    interrupt_once();
    const double begin = rp_now();
    check(rp_notify_barrier(abstract, 20) == 0, "a barrier");
    const double waited = rp_now() - begin;
    check(waited > 0.19 && waited < 10, "a barrier waits until its descriptor is closed");
    waitpid(reader, &status, 0);
    check(!status, "what comes with a barrier");
    check(rp_notify_barrier(abstract, 1) == ETIMEDOUT && rp_now() - begin - waited > 0.95,
          "a barrier that nobody reads");
    check(got(manager, "BARRIER=1"), "it had arrived");
}

int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(address);
    int pipe_ends[2];
    if (argc < 2 || pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK)) return 2;
    written = pipe_ends[0];
    dup2(pipe_ends[1], 2);
    /* A name of the kernel's choice (unix(7)). */
    manager = listen_at(&address, sizeof(sa_family_t));
    check(!getsockname(manager, (struct sockaddr *)&address, &size), "no name");
    abstract[0] = '@';
    memcpy(abstract + 1, address.sun_path + 1, size - offsetof(struct sockaddr_un, sun_path) - 1);
    const int before = count_descriptors();
    check_names(argv[1]);
    check_telling();
    check_descriptors();
    check_full();
    check_barrier();
    check(count_descriptors() == before, "no descriptor is left open");
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
