/* The guard and how it comes to its listener. The guard is made before the filter, which it must not have
 * itself; it tries what it will have to do; then it is sent the listener. */
#include "seccomp/guard.h"

#include "core/message.h"
#include "inspect/option.h"
#include "inspect/process.h"
#include "seccomp/filter.h"
#include "seccomp/kernel.h"
#include "seccomp/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SYNC_WAKE_UP = 1 };

/* For the trial: bytes that the guard reads in the other process. */
static const char mark[] = "reuseport tries whether it may read";

/* Sends one byte, and with it a descriptor unless that is negative. */
static bool send_byte(int socket, unsigned char byte, int fd) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.space;
        message.msg_controllen = sizeof(control.space);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

/* Receives one byte, or -1 if the other side has ended; with it a descriptor, if fd is not NULL. */
static int receive_byte(int socket, int *fd) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    unsigned char byte;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = fd ? control.space : NULL,
                             .msg_controllen = fd ? sizeof(control.space) : 0};
    ssize_t got;
    do {
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got != 1) return -1;
    const struct cmsghdr *header = fd ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_type == SCM_RIGHTS) memcpy(fd, CMSG_DATA(header), sizeof(*fd));
    return byte;
}

/* Where close_range(2) is not to be had, what a sandbox may be the reason for, as far as programs go. */
static void close_from(int first) {
    enum { MANY = 65536 };
    if (!syscall(SYS_close_range, first, ~0U, 0)) return;
    for (int fd = first; fd < MANY; fd++) close(fd);
}

/* A name of its own in ps(1), whose arguments would otherwise be the command line of the program. */
static void take_title(void) {
    unsigned long start = 0, end = 0;
    prctl(PR_SET_NAME, RP_GUARD_NAME);
    if (!rp_process_arguments(&start, &end) || end <= start + sizeof(RP_GUARD_NAME)) return;
    memset((void *)start, 0, end - start);
    memcpy((void *)start, RP_GUARD_NAME, sizeof(RP_GUARD_NAME));
}

/* Lets go of everything: of the session, the directory, signals but SIGALRM, and descriptors, but for 3, and 4
 * where stderr is a file of which nobody waits for the end. */
static void detach(int *socket, struct rp_watch *watch) {
    struct stat status;
    struct rlimit files;
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGALRM); /* the watcher's patience */
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGALRM, SIG_DFL);
    signal(SIGCHLD, SIG_DFL); /* inherited as ignored, it would keep the watcher's end from us */
    setsid();
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    const bool keep = !fstat(STDERR_FILENO, &status) && S_ISREG(status.st_mode);
    const int error_output = keep ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 5) : -1;
    const int high = fcntl(*socket, F_DUPFD_CLOEXEC, 5);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int filler =
        fcntl(null < 0 ? high : null, F_DUPFD_CLOEXEC, 5); /* a chroot may have none */
    if (high < 0 || filler < 0 || chdir("/")) _exit(1);
    for (int fd = 0; fd < 3; fd++) dup2(filler, fd);
    *socket = dup3(high, 3, O_CLOEXEC);
    watch->null = STDIN_FILENO;
    watch->stderr_fd = error_output < 0 ? -1 : dup3(error_output, 4, O_CLOEXEC);
    close_from(watch->stderr_fd < 0 ? 4 : 5);
    take_title();
}

/* Waits for the end of a child, and has it go on should it be stopped: a watcher, by the user that it was for a
 * moment. Returns how it ended (wait(2)). */
static int await(pid_t child) {
    int status = 0;
    for (;;) {
        const pid_t pid = waitpid(child, &status, WUNTRACED);
        if (pid < 0 && errno != EINTR) return status;
        if (pid > 0 && !WIFSTOPPED(status)) return status;
        if (pid > 0) kill(child, SIGCONT);
    }
}

/* Keeps a watcher alive. One that finds its guard gone takes its place, and starts another. */
static void keep_watching(struct rp_watch *watch) __attribute__((noreturn));

static void keep_watching(struct rp_watch *watch) {
    for (;;) {
        int alive[2];
        if (pipe2(alive, O_CLOEXEC)) _exit(rp_watch_serve(watch, -1) ? 0 : 1);
        const pid_t watcher = fork();
        if (watcher < 0) _exit(rp_watch_serve(watch, -1) ? 0 : 1);
        if (watcher == 0) {
            close(alive[1]);
            if (rp_watch_serve(watch, alive[0])) _exit(0);
            close(alive[0]);
            continue;
        }
        close(alive[0]);
        const int status = await(watcher);
        close(alive[1]);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) _exit(0);
    }
}

static void be_guard(const struct rp_config *config, int socket, pid_t program, int fd_there)
    __attribute__((noreturn));

static void be_guard(const struct rp_config *config, int socket, pid_t program, int fd_there) {
    struct rp_watch watch = {.config = config, .listener = -1, .null = -1, .stderr_fd = -1};
    detach(&socket, &watch);
    watch.memory = mmap(NULL, sizeof(*watch.memory), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (watch.memory == MAP_FAILED || receive_byte(socket, NULL) < 0) _exit(1);
    const int error = rp_watch_try(program, mark, sizeof(mark), fd_there);
    if (!send_byte(socket, (unsigned char)error, -1)) _exit(1);
    if (receive_byte(socket, &watch.listener) < 0 || watch.listener < 0) _exit(1);
    syscall(SYS_ioctl, watch.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, (unsigned long)SYNC_WAKE_UP);
    if (!send_byte(socket, 0, -1)) _exit(1);
    close(socket);
    keep_watching(&watch);
}

/* Whether the list is one that a socket can be given the option for before its port is known. */
static bool fits_sockets(const struct rp_ports *ports) {
    for (unsigned i = 0; i < ports->count; i++)
        if (ports->entries[i].deny) return false;
    return ports->all_tcp;
}

/* What the kernel is to ask about; 0 and *why if the guard can do nothing of use. */
static unsigned choose(const struct rp_config *config, int error, const char **why) {
    static char text[512];
    if (!error) return RP_BINDS | (config->at_socket ? RP_SOCKETS : 0U);
    if (fits_sockets(&config->ports)) return RP_SOCKETS;
    snprintf(text, sizeof(text),
             "cannot be done: %s; without that only a list with all or all/tcp, and without "
             "\"!\", can be served",
             rp_option_reason(error));
    *why = text;
    return 0;
}

/* The settings in one word, for those that are started under this one. */
static void describe(const struct rp_config *config, char *text, size_t size) {
    const char *list = getenv("REUSEPORT_PORTS");
    snprintf(text, size, "%d:%d:%s", config->at_socket, config->reuseaddr, list ? list : "");
}

static const char *is_busy(const char *settings) {
    const char *outer = getenv("REUSEPORT_SECCOMP");
    if (!outer)
        return "cannot be done: another program watches the system calls here already (a "
               "container's "
               "runtime?)";
    return strcmp(outer, settings) != 0 ? "cannot be done: this was started by reuseport run -m "
                                          "seccomp with another list or other "
                                          "settings, which hold for all that it starts"
                                        : NULL;
}

/* An error of the kernel's, in words that can be said of seccomp. */
static const char *failed(int error) {
    static char text[128];
    snprintf(text, sizeof(text), "cannot be done: %s", strerror(error));
    return text;
}

static const char no_guard[] = "cannot be done: the process that was to watch has ended";

/* Has the guard watch, over a socket. *watched: whether it does; not where somebody else does already. */
static const char *enter(const struct rp_config *config, int socket, const char *settings,
                         bool *watched) {
    const char *why = NULL;
    const int error = send_byte(socket, 0, -1) ? receive_byte(socket, NULL) : -1;
    if (error < 0) return no_guard;
    const unsigned what = choose(config, error, &why);
    if (!what) return why;
    const int listener = rp_filter_install(what);
    if (listener < 0) {
        if (errno == EBUSY) return is_busy(settings);
        return errno == ENOSYS || errno == EINVAL
                   ? "cannot be done: this kernel has no seccomp for it"
                   : failed(errno);
    }
    *watched = send_byte(socket, 0, listener) && receive_byte(socket, NULL) == 0;
    close(listener);
    return *watched ? NULL : no_guard;
}

/* The kernel tells of the end of the last process since 5.9 (poll(2), POLLHUP). */
static bool is_too_old(void) {
    struct utsname name;
    int major = 0, minor = 0;
    return !uname(&name) && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major < 5 || (major == 5 && minor < 9));
}

const char *rp_guard_enter(const struct rp_config *config) {
    static char settings[1 << 17];
    const pid_t self = getpid();
    bool watched = false;
    int pair[2];
    if (!rp_filter_supported()) return "is not available on this CPU";
    if (is_too_old()) return "needs Linux 5.9";
    describe(config, settings, sizeof(settings));
    rp_message_init();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) return failed(errno);
    const pid_t guard = (pid_t)syscall(SYS_clone, 0UL, NULL, NULL, NULL, NULL);
    if (guard == 0) be_guard(config, pair[1], self, pair[0]);
    const int error = errno;
    close(pair[1]);
    if (guard > 0) prctl(PR_SET_PTRACER, (long)guard, 0L, 0L, 0L); /* for Yama's ptrace_scope 1 */
    const char *why = guard < 0 ? failed(error) : enter(config, pair[0], settings, &watched);
    close(pair[0]);
    if (guard > 0 && !watched) waitpid(guard, NULL, (int)__WCLONE); /* it ends with the socket */
    if (!why && setenv("REUSEPORT_SECCOMP", settings, 1)) why = failed(errno);
    return why;
}

const char *rp_guard_try(const struct rp_config *config) {
    static char text[512];
    int ends[2];
    ssize_t length = 0;
    if (pipe2(ends, O_CLOEXEC)) return failed(errno);
    const pid_t child = fork();
    if (child < 0) return failed(errno);
    if (child == 0) {
        const char *why = rp_guard_enter(config);
        _exit(why && write(ends[1], why, strlen(why)) < 0);
    }
    close(ends[1]);
    length = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    await(child);
    text[length > 0 ? length : 0] = '\0';
    return length ? text : NULL;
}
