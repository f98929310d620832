/* SPDX-License-Identifier: MIT */
/* The guard starts before the filter, which it must not have itself. It tries what it will have to
 * do, which decides what the filter reports, and is then sent the listener. */
#include "seccomp/enter.h"

#include "core/message.h"
#include "inspect/option.h"
#include "seccomp/channel.h"
#include "seccomp/filter.h"
#include "seccomp/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* Descriptors that the guard has at most, and some more for what it inherits. */
enum { GUARD_FILES = 16 };

/* Says an errno in words. */
static const char *failed(int error) {
    static char text[128];
    struct rlimit files;
    if (error == EMFILE && !getrlimit(RLIMIT_NOFILE, &files))
        snprintf(text, sizeof(text),
                 "cannot be done: the limit of open files, %llu, is too low (ulimit -n)",
                 (unsigned long long)files.rlim_cur);
    else
        snprintf(text, sizeof(text), "cannot be done: %s", strerror(error));
    return text;
}

/* The guard has ended before its time: a low limit is the cause that is known. */
static const char *no_guard(void) {
    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_max < GUARD_FILES) return failed(EMFILE);
    return "cannot be done: the process that was to watch has ended";
}

/* The kernel tells of the end of the last process with the filter since 5.9 (poll(2), POLLHUP). */
static bool is_too_old(void) {
    struct utsname name;
    int major = 0, minor = 0;
    return !uname(&name) && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major < 5 || (major == 5 && minor < 9));
}

/* Whether a socket can be given the option before its port is known. */
static bool fits_sockets(const struct rp_ports *ports) {
    for (unsigned i = 0; i < ports->count; i++)
        if (ports->entries[i].deny) return false;
    return ports->all_tcp;
}

/* Returns the calls to be notified of, given the errno of the guard's trial; 0 and *why if there
 * are none that it could handle. */
static unsigned choose(const struct rp_config *config, int error, const char **why) {
    static char text[512];
    if (!error) return RP_BINDS | (config->at_socket ? RP_SOCKETS : 0U);
    if (fits_sockets(&config->ports)) return RP_SOCKETS;
    snprintf(text, sizeof(text),
             "cannot be done: %s; without that, only a list with all or all/tcp, and without "
             "\"!\", can be served",
             rp_option_reason(error));
    *why = text;
    return 0;
}

/* A process has one listener at most. Where that is another reuseport's with the same settings, all
 * is well. */
static const char *is_busy(const char *settings) {
    const char *outer = getenv("REUSEPORT_SECCOMP");
    if (!outer)
        return "cannot be done: another program, perhaps a container's runtime, watches the "
               "system calls here already";
    if (!strcmp(outer, settings)) return NULL;
    return "cannot be done: reuseport run -m seccomp started this with another list or other "
           "settings, which hold for all that it starts";
}

/* Installs the filter and hands the listener to the guard. *watched: the guard has it. */
static const char *enter(const struct rp_config *config, int socket, const char *settings,
                         bool *watched) {
    const char *why = NULL;
    const int error = rp_channel_send(socket, 0, -1) ? rp_channel_receive(socket, NULL) : -1;
    if (error < 0) return no_guard();
    const unsigned calls = choose(config, error, &why);
    if (!calls) return why;
    const int listener = rp_filter_install(calls);
    if (listener < 0) {
        if (errno == EBUSY) return is_busy(settings);
        return errno == ENOSYS || errno == EINVAL
                   ? "cannot be done: this kernel has no seccomp for it"
                   : failed(errno);
    }
    *watched = rp_channel_send(socket, 0, listener) && rp_channel_receive(socket, NULL) == 0;
    close(listener);
    return *watched ? NULL : no_guard();
}

bool rp_seccomp_adopts(void) {
    int adopts = 0;
    return getpid() == 1 || (!prctl(PR_GET_CHILD_SUBREAPER, &adopts, 0L, 0L, 0L) && adopts);
}

static void start_guard(const struct rp_config *config, const int pair[2], pid_t launcher,
                        bool direct) __attribute__((noreturn));

/* In the launcher's child: starts the guard and stays its parent, or becomes it if direct. Sends
 * its PID, or a negative errno. */
static void start_guard(const struct rp_config *config, const int pair[2], pid_t launcher,
                        bool direct) {
    const pid_t guard = direct ? 0 : fork();
    const pid_t message = guard < 0 ? -errno : getpid();
    if (guard <= 0 && write(pair[1], &message, sizeof(message)) != sizeof(message)) _exit(1);
    if (guard == 0) rp_guard_run(config, pair[1], launcher, pair[0]);
    close(pair[0]);
    waitpid(guard, NULL, 0);
    _exit(0);
}

/* Receives the guard's PID, and permits it to look in here, for Yama's ptrace_scope 1. */
static const char *meet_guard(int socket) {
    pid_t guard;
    if (read(socket, &guard, sizeof(guard)) != sizeof(guard)) return no_guard();
    if (guard < 0) return failed(-guard);
    prctl(PR_SET_PTRACER, (long)guard, 0L, 0L, 0L);
    return NULL;
}

/* Orphans the guard if it watches, so that it is not COMMAND's child; if not, waits for its end. */
static void part(pid_t child, bool direct, bool watched) {
    if (watched && (direct || kill(child, SIGKILL))) return;
    waitpid(child, NULL, (int)__WCLONE);
}

static const char *enter_with_guard(const struct rp_config *config, const char *settings) {
    const pid_t self = getpid();
    const bool direct = rp_seccomp_adopts();
    bool watched = false;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) return failed(errno);
    const pid_t child = (pid_t)syscall(SYS_clone, 0UL, NULL, NULL, NULL, NULL);
    if (child == 0) start_guard(config, pair, self, direct);
    const int error = errno;
    close(pair[1]);
    const char *why = child < 0 ? failed(error) : meet_guard(pair[0]);
    if (!why) why = enter(config, pair[0], settings, &watched);
    close(pair[0]);
    if (child > 0) part(child, direct, watched);
    return why;
}

const char *rp_seccomp_enter(const struct rp_config *config, const char *list) {
    static char settings[1 << 17];
    if (!rp_filter_supported()) return "is not available on this CPU";
    if (is_too_old()) return "needs Linux 5.9";
    snprintf(settings, sizeof(settings), "%d:%d:%s", config->at_socket, config->reuseaddr, list);
    rp_message_init();
    const char *why = enter_with_guard(config, settings);
    if (!why && setenv("REUSEPORT_SECCOMP", settings, 1)) why = failed(errno);
    return why;
}

const char *rp_seccomp_try(const struct rp_config *config, const char *list) {
    static char text[512];
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return failed(errno);
    const pid_t child = fork();
    if (child < 0) return failed(errno);
    if (child == 0) {
        const char *why = rp_seccomp_enter(config, list);
        _exit(why && write(ends[1], why, strlen(why)) < 0);
    }
    close(ends[1]);
    const ssize_t length = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    waitpid(child, NULL, 0);
    text[length > 0 ? length : 0] = '\0';
    return length ? text : NULL;
}
