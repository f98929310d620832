/* SPDX-License-Identifier: MIT */
/* The library's bind, on a duplicate of the program's socket. */
#include "seccomp/on_bind.h"

#include "core/explain.h"
#include "inspect/option.h"
#include "inspect/trial.h"
#include "seccomp/kernel.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The arguments of bind(2). */
struct arguments {
    int fd;
    uint64_t address;
    unsigned length;
};

/* socketcall(2) has its arguments in memory. Returns 0 or an errno. */
static int read_arguments(const struct rp_notification *notification, struct arguments *arguments) {
    const struct seccomp_data *data = &notification->call->data;
    uint32_t words[3];
    *arguments = (struct arguments){(int)data->args[0], data->args[1], (unsigned)data->args[2]};
    if (notification->narrow) arguments->address = (uint32_t)arguments->address;
    if (!notification->packed) return 0;
    const int error = rp_target_read(&notification->target, data->args[1], words, sizeof(words));
    if (!error) *arguments = (struct arguments){(int)words[0], words[1], words[2]};
    return error;
}

/* Forgets a socket. Returns what was changed on it earlier; all zero if nothing was. */
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

/* Returns AF_INET and so on; -1 if not a socket, of which any other question might block. */
static int domain_of(int fd) {
    int domain = -1;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &(socklen_t){sizeof(domain)}) ? -1
                                                                                        : domain;
}

static bool is_bound(int fd) {
    struct sockaddr_in6 name = {.sin6_port = 0}; /* IPv4 has its port in the same place */
    return !getsockname(fd, (struct sockaddr *)&name, &(socklen_t){sizeof(name)}) && name.sin6_port;
}

/* Whether the kernel is going to refuse the bind, tried beforehand, as nobody is notified
 * afterwards. For TCP only: another UDP socket on the port would be sent datagrams. */
static bool will_be_refused(const struct rp_notification *notification,
                            const struct rp_endpoint *where, int fd, uid_t user) {
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
    return rp_target_is_near(&notification->target) && rp_trial_in_use(&like, reuseaddr != 0);
}

/* The number of refused binds that the process has been told of. */
static unsigned *told_of_refusals(struct rp_memory *memory, const struct rp_process *process) {
    unsigned i = 0;
    while (i < RP_REMEMBERED && (memory->refused[i].process.pid != process->pid ||
                                 memory->refused[i].process.start != process->start))
        i++;
    if (i == RP_REMEMBERED) {
        i = memory->next_refused++ % RP_REMEMBERED;
        memory->refused[i].process = *process;
        memory->refused[i].told = 0;
    }
    return &memory->refused[i].told;
}

static void explain(const struct rp_notification *notification, const struct rp_endpoint *where,
                    int fd) {
    struct rp_process process;
    if (!rp_process_find(rp_process_leader(notification->target.pid), &process, NULL)) return;
    rp_explain_refusal(told_of_refusals(notification->watch->memory, &process), fd,
                       (uint32_t)process.pid, where);
}

/* What the library would log. */
static void report(struct rp_notification *notification, const struct rp_endpoint *where, int fd,
                   uid_t user, enum rp_verdict verdict) {
    if (notification->watch->config->log == RP_LOG_OFF) return;
    rp_stderr_borrow(notification);
    if (notification->watch->config->log == RP_LOG_INFO) rp_tell(fd, where);
    if (verdict == RP_SHARE && rp_ask_proto(fd) == RP_TCP &&
        will_be_refused(notification, where, fd, user))
        explain(notification, where, fd);
    rp_stderr_return(notification);
}

/* If the program bound the socket elsewhere before, in vain, undoes what was done for that. */
static void prepare(struct rp_notification *notification, const struct rp_endpoint *where, int fd) {
    struct rp_memory *memory = notification->watch->memory;
    const int domain = domain_of(fd);
    struct stat status;
    if ((domain != AF_INET && domain != AF_INET6) || fstat(fd, &status)) return;
    const struct rp_change earlier = recall(memory, status.st_ino);
    if (is_bound(fd)) return; /* the kernel will refuse, and all stays as it is */
    rp_unapply(fd, &earlier);
    const struct rp_change change = rp_apply(notification->watch->config, fd, where, false);
    remember(memory, status.st_ino, &change);
    if (change.verdict == RP_LEAVE) return;
    if (change.verdict == RP_SHARE && !rp_is_shared(fd))
        rp_notification_warn(notification,
                             ": SO_REUSEPORT could not be set: ", strerror(EOPNOTSUPP));
    report(notification, where, fd, status.st_uid, change.verdict);
}

/* Returns 0 or an errno; EFAULT also for what cannot be an inet address. */
static int read_endpoint(const struct rp_notification *notification,
                         const struct arguments *arguments, struct rp_endpoint *where) {
    unsigned char bytes[RP_IPV6_SIZE];
    const unsigned size = rp_endpoint_size(arguments->length);
    if (!size) return EFAULT;
    const int error = rp_target_read(&notification->target, arguments->address, bytes, size);
    if (error) return error;
    return rp_endpoint_read(bytes, size, where) ? 0 : EFAULT;
}

void rp_on_bind(struct rp_notification *notification) {
    const struct rp_ports *ports = &notification->watch->config->ports;
    struct arguments arguments;
    struct rp_endpoint where;
    int error = read_arguments(notification, &arguments);
    if (!error) error = read_endpoint(notification, &arguments, &where);
    if (error == EFAULT || error == ESRCH) return; /* the program's own affair */
    if (error) {
        rp_notification_warn(notification,
                             ": cannot read where it binds: ", rp_option_reason(error));
        return;
    }
    if (!remembers_any(notification->watch->memory) &&
        rp_ports_match(ports, &where, RP_TCP) == RP_LEAVE &&
        rp_ports_match(ports, &where, RP_UDP) == RP_LEAVE)
        return;
    const int fd = rp_target_take(&notification->target, arguments.fd);
    if (fd >= 0) {
        prepare(notification, &where, fd);
        close(fd);
    } else if (errno != EBADF && errno != ESRCH) {
        rp_notification_warn(notification, ": cannot take its socket: ", rp_option_reason(errno));
    }
}
