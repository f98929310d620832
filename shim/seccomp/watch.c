/* One question after the other: read the address, match it, take the socket, set the option, let the call go
 * on. Between taking the socket and setting the option it is made sure that the call still waits: the process
 * may have been killed, and its number be another's. */
#include "seccomp/watch.h"

#include "core/apply.h"
#include "core/explain.h"
#include "core/message.h"
#include "inspect/option.h"
#include "inspect/process.h"
#include "inspect/trial.h"
#include "seccomp/filter.h"
#include "seccomp/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { THREAD = O_EXCL /* PIDFD_THREAD, Linux 6.9 */, PATIENCE = 3 /* seconds */ };

_Static_assert(sizeof(struct seccomp_notif) <= RP_QUESTION_SIZE, "a question holds a notification");

/* A call under way. */
struct call {
    const struct rp_watch *watch;
    const struct seccomp_notif *notification;
    int process; /* pidfd, or -1 as long as it is not needed */
    int fd;      /* the socket's number there */
    uint64_t address;
    unsigned length;
};

/* ioctl(2), whose request is an int in one libc and an unsigned long in the other. */
static int ask(const struct rp_watch *watch, unsigned long request, void *argument) {
    return (int)syscall(SYS_ioctl, watch->listener, request, argument);
}

static bool still_waits(const struct call *call) {
    uint64_t id = call->notification->id;
    return !ask(call->watch, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
}

/* A pidfd of the thread, whose descriptors may be its own; on older kernels of its process. */
static int open_process(pid_t thread) {
    int fd = (int)syscall(SYS_pidfd_open, thread, THREAD);
    if (fd < 0 && errno == EINVAL) fd = (int)syscall(SYS_pidfd_open, rp_process_leader(thread), 0);
    return fd;
}

/* Becomes, as far as ptrace(2) asks, the user that the program is: it may have changed that, and executed
 * something, where this process is root without CAP_SYS_PTRACE, as in most containers. */
static void act_as(pid_t pid) {
    uid_t user;
    gid_t group;
    if (!rp_process_user(pid, &user, &group)) return;
    if (setresgid(group, (gid_t)-1, (gid_t)-1) || setresuid(user, (uid_t)-1, (uid_t)-1)) return;
}

static void act_as_oneself(void) {
    if (setresuid(geteuid(), (uid_t)-1, (uid_t)-1) || setresgid(getegid(), (gid_t)-1, (gid_t)-1))
        _exit(1); /* the guard starts another watcher */
}

/* Takes a descriptor of the program, whose pidfd is made if it is -1. Returns -1 and errno. */
static int take(pid_t pid, int *process, int fd) {
    if (*process < 0) *process = open_process(pid);
    int taken = *process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, *process, fd, 0);
    if (taken >= 0 || errno != EPERM) return taken;
    act_as(pid);
    taken = (int)syscall(SYS_pidfd_getfd, *process, fd, 0);
    const int error = errno;
    act_as_oneself();
    errno = error;
    return taken;
}

/* Reads memory of the program. Returns 0 or an errno. */
static int read_memory(pid_t pid, uint64_t address, void *to, size_t size) {
    const struct iovec here = {to, size}, there = {(void *)(uintptr_t)address, size};
    if (address > UINTPTR_MAX - size) return sizeof(void *) == 8 ? EFAULT : EOVERFLOW;
    ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
    if (got < 0 && errno == EPERM) {
        act_as(pid);
        got = process_vm_readv(pid, &here, 1, &there, 1, 0);
        const int error = errno;
        act_as_oneself();
        errno = error;
    }
    return got == (ssize_t)size ? 0 : got < 0 ? errno : EFAULT;
}

int rp_watch_try(pid_t pid, const void *bytes, size_t size, int fd) {
    char copy[64];
    int error = size > sizeof(copy) ? EINVAL : read_memory(pid, (uintptr_t)bytes, copy, size);
    int process = -1;
    if (error) return error;
    const int taken = take(pid, &process, fd);
    if (taken < 0) error = errno;
    if (taken >= 0) close(taken);
    if (process >= 0) close(process);
    return error ? error : memcmp(copy, bytes, size) ? EIO : 0;
}

/* Makes descriptor 2 the program's stderr, into which the library would write; with it closed again nothing
 * that waits for the end of a pipe waits for us. */
static void borrow_stderr(struct call *call) {
    const int fd = call->watch->stderr_fd >= 0
                       ? dup(call->watch->stderr_fd)
                       : take((pid_t)call->notification->pid, &call->process, STDERR_FILENO);
    if (fd < 0) return;
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static void return_stderr(const struct call *call) {
    dup2(call->watch->null, STDERR_FILENO);
}

/* The program's call goes on without us; why, in words, once: who may not look into a program cannot tell which
 * of its binds matter. */
static void warn(struct call *call, const char *what, const char *why) {
    struct rp_message message = RP_MESSAGE;
    if (call->watch->config->log == RP_LOG_OFF || call->watch->memory->warned) return;
    call->watch->memory->warned = true;
    rp_say(&message, "pid ");
    rp_say_number(&message, call->notification->pid);
    rp_say(&message, what);
    rp_say(&message, why);
    borrow_stderr(call);
    rp_send(&message);
    return_stderr(call);
}

/* Where the arguments are: socketcall(2) has them in memory. Returns 0 or an errno. */
static int read_arguments(struct call *call, bool packed) {
    const struct seccomp_data *data = &call->notification->data;
    uint32_t words[3];
    call->fd = (int)data->args[0];
    call->address = data->args[1];
    call->length = (unsigned)data->args[2];
    if (!packed) return 0;
    const int error =
        read_memory((pid_t)call->notification->pid, data->args[1], words, sizeof(words));
    if (error) return error;
    call->fd = (int)words[0];
    call->address = words[1];
    call->length = words[2];
    return 0;
}

/* What was done to the socket earlier; all zero if nothing was. */
static struct rp_change recall(struct rp_memory *memory, ino_t inode) {
    struct rp_change change = {RP_LEAVE, false, false};
    for (unsigned i = 0; i < RP_REMEMBERED; i++) {
        if (memory->changed[i].inode != inode) continue;
        change = memory->changed[i].change;
        memory->changed[i].inode = 0;
    }
    return change;
}

static void remember(struct rp_memory *memory, ino_t inode, const struct rp_change *change) {
    if (!change->reuseport && !change->reuseaddr) return;
    memory->changed[memory->next].inode = inode;
    memory->changed[memory->next].change = *change;
    memory->next = (memory->next + 1) % RP_REMEMBERED;
}

static bool remembers_any(const struct rp_memory *memory) {
    for (unsigned i = 0; i < RP_REMEMBERED; i++)
        if (memory->changed[i].inode) return true;
    return false;
}

/* AF_INET, AF_INET6 and so on; -1 for what is no socket, of which nothing else is asked: it might block. */
static int domain_of(int fd) {
    int domain = -1;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &(socklen_t){sizeof(domain)}) ? -1
                                                                                        : domain;
}

static bool is_bound(int fd) {
    struct sockaddr_in6 name = {.sin6_port = 0}; /* the port stands in the same place for IPv4 */
    return !getsockname(fd, (struct sockaddr *)&name, &(socklen_t){sizeof(name)}) && name.sin6_port;
}

/* Whether the program's bind is going to be refused, tried beforehand: afterwards nobody asks us. TCP alone, as
 * another UDP socket on the port would be sent datagrams. */
static bool will_be_refused(const struct call *call, const struct rp_endpoint *where, int fd,
                            uid_t user) {
    int reuseaddr = 0, v6only = 0, interface = 0;
    getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuseaddr, &(socklen_t){sizeof(reuseaddr)});
    getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &(socklen_t){sizeof(v6only)});
    getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &interface, &(socklen_t){sizeof(interface)});
    const struct rp_socket like = {.proto = RP_TCP,
                                   .ipv6 = domain_of(fd) == AF_INET6,
                                   .ipv6_only = v6only != 0,
                                   .local = *where,
                                   .interface = (uint32_t)interface,
                                   .uid = user};
    return rp_process_is_surely_near((pid_t)call->notification->pid) &&
           rp_trial_in_use(&like, reuseaddr != 0);
}

/* The library's bind, on a duplicate of the socket. */
static void prepare(struct call *call, const struct rp_endpoint *where, int fd) {
    const struct rp_config *config = call->watch->config;
    const int domain = domain_of(fd);
    struct stat status;
    if ((domain != AF_INET && domain != AF_INET6) || fstat(fd, &status)) return;
    const struct rp_change earlier = recall(call->watch->memory, status.st_ino);
    if (is_bound(fd)) return; /* the kernel will refuse, and all stays as it is */
    rp_unapply(fd, &earlier);
    const struct rp_change change = rp_apply(config, fd, where, false);
    remember(call->watch->memory, status.st_ino, &change);
    if (change.verdict == RP_LEAVE) return;
    if (change.verdict == RP_SHARE && !rp_is_shared(fd))
        warn(call, ": SO_REUSEPORT could not be set: ", strerror(EOPNOTSUPP));
    if (config->log == RP_LOG_OFF) return;
    borrow_stderr(call);
    if (config->log == RP_LOG_INFO) rp_tell(fd, where);
    if (change.verdict == RP_SHARE && rp_ask_proto(fd) == RP_TCP &&
        will_be_refused(call, where, fd, status.st_uid))
        rp_explain_refusal(fd, where, RP_TCP, rp_is_shared(fd));
    return_stderr(call);
}

static void handle_bind(struct call *call, bool packed, bool narrow) {
    const struct rp_config *config = call->watch->config;
    unsigned char bytes[RP_IPV6_SIZE];
    struct rp_endpoint where;
    int error = read_arguments(call, packed);
    if (narrow) call->address = (uint32_t)call->address;
    const unsigned size = error ? 0 : rp_endpoint_size(call->length);
    if (!error && size)
        error = read_memory((pid_t)call->notification->pid, call->address, bytes, size);
    if (error == EFAULT || error == ESRCH || (!error && !size))
        return; /* the program's own affair */
    if (error) {
        warn(call, ": cannot tell where it binds: ", rp_option_reason(error));
        return;
    }
    if (!rp_endpoint_read(bytes, size, &where)) return;
    if (!remembers_any(call->watch->memory) &&
        rp_ports_match(&config->ports, &where, RP_TCP) == RP_LEAVE &&
        rp_ports_match(&config->ports, &where, RP_UDP) == RP_LEAVE)
        return;
    const int fd = take((pid_t)call->notification->pid, &call->process, call->fd);
    if (fd < 0) {
        if (errno != EBADF && errno != ESRCH)
            warn(call, ": cannot take its socket: ", rp_option_reason(errno));
        return;
    }
    if (still_waits(call)) prepare(call, &where, fd);
    close(fd);
}

/* A TCP socket with the option, made as the program's user. Returns -1 and errno if it cannot be. */
static int make_socket(const struct seccomp_notif *notification) {
    const struct seccomp_data *data = &notification->data;
    const int user = rp_process_fsuid((pid_t)notification->pid);
    if (user < 0 || !rp_process_is_surely_near((pid_t)notification->pid)) {
        errno = EXDEV;
        return -1;
    }
    const int fd =
        rp_socket_of_user((uid_t)user, (int)data->args[0], (int)data->args[1], (int)data->args[2]);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    return fd;
}

/* Puts the socket into the program as the result of its call. Returns false if the call is still to be made. */
static bool hand_over(const struct call *call, int fd) {
    struct seccomp_notif_addfd addition = {
        .id = call->notification->id,
        .flags = SECCOMP_ADDFD_FLAG_SEND,
        .srcfd = (uint32_t)fd,
        .newfd_flags = (call->notification->data.args[1] & (unsigned)SOCK_CLOEXEC) ? O_CLOEXEC : 0,
    };
    if (ask(call->watch, SECCOMP_IOCTL_NOTIF_ADDFD, &addition) >= 0) return true;
    if (errno != EINVAL) return false;
    addition.flags = 0;
    const int theirs = ask(call->watch, SECCOMP_IOCTL_NOTIF_ADDFD, &addition);
    struct seccomp_notif_resp response = {.id = addition.id, .val = theirs};
    return theirs >= 0 && !ask(call->watch, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static bool handle_socket(struct call *call) {
    const int fd = make_socket(call->notification);
    if (fd < 0) {
        /* What the kernel refuses us it will refuse the program. */
        if (errno == EXDEV)
            warn(call, ": its socket is not shared: ",
                 "it is in another network namespace, or cannot be looked into");
        if (errno == EPERM) warn(call, ": its socket is not shared: ", strerror(EPERM));
        return false;
    }
    const bool done = hand_over(call, fd);
    if (done && call->watch->config->log == RP_LOG_INFO) {
        borrow_stderr(call);
        rp_tell(fd, NULL);
        return_stderr(call);
    }
    close(fd);
    return done;
}

/* Lets the call go on, if it is not answered yet. */
static void let_go_on(const struct rp_watch *watch, uint64_t id) {
    struct seccomp_notif_resp response = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ask(watch, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

/* One that a watcher died of twice is not tried again. */
static void answer(const struct rp_watch *watch) {
    struct rp_memory *memory = watch->memory;
    const struct seccomp_notif *notification = (const void *)memory->question;
    struct call call = {.watch = watch, .notification = notification, .process = -1};
    bool packed = false, narrow = false, answered = false;
    const unsigned what =
        rp_filter_call(notification->data.arch, notification->data.nr, &packed, &narrow);
    alarm(PATIENCE);
    if (memory->tries++ < 2) {
        if (what == RP_BINDS) handle_bind(&call, packed, narrow);
        if (what == RP_SOCKETS) answered = handle_socket(&call);
        if (call.process >= 0) close(call.process);
    }
    if (!answered) let_go_on(watch, notification->id);
    alarm(0);
    memset(memory->question, 0, sizeof(memory->question));
    memory->tries = 0;
}

bool rp_watch_serve(const struct rp_watch *watch, int guard) {
    struct seccomp_notif *notification = (void *)watch->memory->question;
    struct pollfd ends[] = {{.fd = watch->listener, .events = POLLIN}, {.fd = guard, .events = 0}};
    if (notification->id) answer(watch);
    for (;;) {
        if (poll(ends, 2, -1) < 0) continue;
        if (ends[1].revents) return false;
        if (ends[0].revents & POLLIN) {
            memset(notification, 0, RP_QUESTION_SIZE); /* the kernel insists */
            if (!ask(watch, SECCOMP_IOCTL_NOTIF_RECV, notification)) answer(watch);
        } else if (ends[0].revents) {
            return true;
        }
    }
}
