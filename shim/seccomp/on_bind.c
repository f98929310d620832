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

/* An option's value; 0 if the socket has no such option. */
static int option_of(int fd, int level, int option) {
    int value = 0;
    return getsockopt(fd, level, option, &value, &(socklen_t){sizeof(value)}) ? 0 : value;
}

/* Whether bind(2) takes addresses that do not exist. */
static bool binds_anywhere(int fd, bool ipv6) {
    const int level = ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
    return option_of(fd, level, ipv6 ? IPV6_FREEBIND : IP_FREEBIND) ||
           option_of(fd, level, ipv6 ? IPV6_TRANSPARENT : IP_TRANSPARENT);
}

/* TCP, UDP and MPTCP, which is bound as TCP is: other protocols have ports of their own. */
static bool has_usual_ports(int fd) {
    const int protocol = option_of(fd, SOL_SOCKET, SO_PROTOCOL);
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == 262 /* MPTCP */;
}

/* The errno that the kernel is going to answer if the socket shares, tried beforehand: nobody is
 * notified afterwards. 0 also if that is unknown. */
static int foretell(const struct rp_notification *notification, const struct rp_endpoint *where,
                    int fd, const struct stat *status) {
    const bool ipv6 = domain_of(fd) == AF_INET6;
    const enum rp_proto proto = rp_ask_proto(fd);
    const bool adds_reuseaddr = proto == RP_TCP && notification->watch->config->reuseaddr;
    const struct rp_trial trial = {
        .proto = proto,
        .ipv6 = ipv6,
        .ipv6_only = option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0,
        .reuseaddr = adds_reuseaddr || option_of(fd, SOL_SOCKET, SO_REUSEADDR),
        .freebind = binds_anywhere(fd, ipv6),
        .where = *where,
        .interface = option_of(fd, SOL_SOCKET, SO_BINDTOIFINDEX),
        .user = status->st_uid,
        .group = status->st_gid,
    };
    if (!has_usual_ports(fd) || !rp_target_is_near(&notification->target) ||
        !rp_target_may_bind(&notification->target, where->port))
        return 0;
    const int error = rp_trial_bind(&trial);
    return error == EADDRINUSE || error == EADDRNOTAVAIL ? error : 0;
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

static bool may_see(const void *target, uint32_t pid) {
    return rp_target_may_see(target, (pid_t)pid);
}

static void explain(struct rp_notification *notification, const struct rp_endpoint *where, int fd) {
    struct rp_process process;
    if (notification->watch->config->log == RP_LOG_OFF) return;
    if (!rp_process_find(rp_process_leader(notification->target.pid), &process, NULL)) return;
    const struct rp_binder binder = {(uint32_t)process.pid, may_see, &notification->target};
    rp_stderr_borrow(notification);
    rp_explain_refusal(told_of_refusals(notification->watch->memory, &process), fd, &binder, where);
    rp_stderr_return(notification);
}

/* What the library says of a bind that is not refused. */
static void report(struct rp_notification *notification, const struct rp_endpoint *where, int fd,
                   enum rp_verdict verdict) {
    if (verdict == RP_SHARE && !rp_is_shared(fd))
        rp_notification_warn(notification,
                             ": SO_REUSEPORT could not be set: ", strerror(EOPNOTSUPP));
    if (notification->watch->config->log != RP_LOG_INFO) return;
    rp_stderr_borrow(notification);
    rp_tell(fd, where);
    rp_stderr_return(notification);
}

/* Asks first, and leaves a socket alone whose bind is going to fail: it cannot be restored
 * afterwards. */
static void prepare(struct rp_notification *notification, const struct rp_endpoint *where, int fd) {
    const struct rp_config *config = notification->watch->config;
    const enum rp_proto proto = rp_ask_proto(fd);
    const enum rp_verdict verdict = proto ? rp_ports_match(&config->ports, where, proto) : RP_LEAVE;
    struct stat status;
    if (verdict == RP_LEAVE || is_bound(fd) || fstat(fd, &status)) return;
    const int refusal = verdict == RP_SHARE ? foretell(notification, where, fd, &status) : 0;
    if (refusal == EADDRINUSE) explain(notification, where, fd);
    if (refusal) return;
    rp_apply(config, fd, where, true);
    report(notification, where, fd, verdict);
}

/* Returns 0 or an errno; EFAULT also for what cannot be an inet address. */
static int read_endpoint(const struct rp_notification *notification,
                         const struct arguments *arguments, struct rp_endpoint *where,
                         int *domain) {
    unsigned char bytes[RP_IPV6_SIZE];
    sa_family_t family;
    const unsigned size = rp_endpoint_size(arguments->length);
    if (!size) return EFAULT;
    const int error = rp_target_read(&notification->target, arguments->address, bytes, size);
    if (error) return error;
    memcpy(&family, bytes, sizeof(family));
    *domain = family == AF_INET6 ? AF_INET6 : AF_INET; /* or AF_UNSPEC, which is taken for it */
    return rp_endpoint_read(bytes, size, where) ? 0 : EFAULT;
}

void rp_on_bind(struct rp_notification *notification) {
    const struct rp_ports *ports = &notification->watch->config->ports;
    struct arguments arguments;
    struct rp_endpoint where;
    int domain, error = read_arguments(notification, &arguments);
    if (!error) error = read_endpoint(notification, &arguments, &where, &domain);
    if (error == EFAULT || error == ESRCH) return; /* the program's own affair */
    if (error) {
        rp_notification_warn(notification,
                             ": cannot read where it binds: ", rp_option_reason(error));
        return;
    }
    if (rp_ports_match(ports, &where, RP_TCP) == RP_LEAVE &&
        rp_ports_match(ports, &where, RP_UDP) == RP_LEAVE)
        return;
    const int fd = rp_target_take(&notification->target, arguments.fd);
    if (fd >= 0) {
        if (domain_of(fd) == domain) prepare(notification, &where, fd); /* else it will fail */
        close(fd);
    } else if (errno != EBADF && errno != ESRCH) {
        rp_notification_warn(notification, ": cannot take its socket: ", rp_option_reason(errno));
    }
}
