/* SPDX-License-Identifier: MIT */
/* The guard starts a watcher anew whenever that dies or takes too long; a watcher that loses its
 * guard takes its place. The guard itself touches nothing of the program's. */
#include "seccomp/guard.h"

#include "base/title.h"
#include "seccomp/answer.h"
#include "seccomp/channel.h"
#include "seccomp/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the descriptors 0, 1 and 2 become /dev/null for. */
enum { SOCKET = 3, ERROR_OUTPUT, FIRST_FREE };

/* For the trial: bytes that the guard reads in the launcher. */
static const char mark[] = "reuseport tries whether it may read";

/* Fallback: close_range(2) may be missing or blocked; programs rarely have more descriptors than
 * this. */
static void close_from(int first) {
    enum { MANY = 65536 };
    if (!syscall(SYS_close_range, first, ~0U, 0)) return;
    for (int fd = first; fd < MANY; fd++) close(fd);
}

static void block_signals(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGCHLD, SIG_DFL); /* inherited as ignored, it would hide the watcher's end */
}

/* The limit is the program's; ours is what the kernel allows. */
static void raise_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files)) return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* Keeps the socket and, where nobody waits for its end, stderr. */
static void keep_descriptors(int socket, struct rp_watch *watch) {
    struct stat status;
    const bool keep = !fstat(STDERR_FILENO, &status) && S_ISREG(status.st_mode);
    const int error_output = keep ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, FIRST_FREE) : -1;
    const int high = fcntl(socket, F_DUPFD_CLOEXEC, FIRST_FREE);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    /* A chroot may have none. */
    const int filler = fcntl(null < 0 ? high : null, F_DUPFD_CLOEXEC, FIRST_FREE);
    if (high < 0 || filler < 0) _exit(1);
    for (int fd = 0; fd < SOCKET; fd++) dup2(filler, fd);
    dup3(high, SOCKET, O_CLOEXEC);
    watch->null = STDIN_FILENO;
    watch->stderr_fd = error_output < 0 ? -1 : dup3(error_output, ERROR_OUTPUT, O_CLOEXEC);
    close_from(watch->stderr_fd < 0 ? ERROR_OUTPUT : FIRST_FREE);
}

/* Waits for the end of the watcher, or gives it up. Continues it if it is stopped, which the user
 * that it becomes for a moment may do. Returns true when no process with the filter is left. */
static bool await(pid_t watcher, struct rp_patience *patience) {
    for (;;) {
        int how = 0;
        rp_patience_reap(patience);
        const pid_t pid = waitpid(watcher, &how, WUNTRACED | WNOHANG);
        if (pid < 0) return false;
        if (pid > 0 && !WIFSTOPPED(how)) return WIFEXITED(how) && WEXITSTATUS(how) == 0;
        if (pid > 0) kill(watcher, SIGCONT);
        if (rp_patience_left(patience) == 0) {
            rp_patience_give_up(patience, watcher);
            return false;
        }
        rp_patience_sleep(patience);
    }
}

static void keep_watching(struct rp_watch *watch) __attribute__((noreturn));

static void keep_watching(struct rp_watch *watch) {
    for (;;) {
        int alive[2];
        rp_patience_reap(&watch->memory->patience);
        rp_patience_end(&watch->memory->patience); /* the last watcher's */
        if (pipe2(alive, O_CLOEXEC)) _exit(rp_answer_all(watch, -1) ? 0 : 1);
        const pid_t watcher = fork();
        if (watcher < 0) _exit(rp_answer_all(watch, -1) ? 0 : 1);
        if (watcher == 0) {
            close(alive[1]);
            if (rp_answer_all(watch, alive[0])) _exit(0);
            close(alive[0]); /* the guard has gone: be the next one */
            continue;
        }
        close(alive[0]);
        const bool over = await(watcher, &watch->memory->patience);
        close(alive[1]);
        if (over) _exit(0);
    }
}

void rp_guard_run(const struct rp_config *config, int socket, pid_t launcher, int fd_there) {
    struct rp_watch watch = {.config = config, .listener = -1, .null = -1, .stderr_fd = -1};
    unsigned long flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
    block_signals();
    setsid();
    raise_limit();
    keep_descriptors(socket, &watch);
    if (chdir("/")) _exit(1);
    rp_title_set("reuseport-watch");
    watch.memory = mmap(NULL, sizeof(*watch.memory), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (watch.memory == MAP_FAILED || rp_channel_receive(SOCKET, NULL) < 0) _exit(1);
    const int error = rp_target_try(launcher, mark, sizeof(mark), fd_there);
    if (!rp_channel_send(SOCKET, (unsigned char)error, -1)) _exit(1);
    if (rp_channel_receive(SOCKET, &watch.listener) < 0 || watch.listener < 0) _exit(1);
    syscall(SYS_ioctl, watch.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags);
    if (!rp_channel_send(SOCKET, 0, -1)) _exit(1);
    close(SOCKET);
    keep_watching(&watch);
}
