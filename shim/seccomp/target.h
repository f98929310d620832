/* SPDX-License-Identifier: MIT */
/* The target of a notification (seccomp_unotify(2)): a thread whose call waits for an answer, and
 * its memory and descriptors. */
#ifndef RP_TARGET_H
#define RP_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The target may be killed, and its PID reused, at any moment; while its call waits, neither has
 * happened. So each function makes sure of that after it has looked at the target, and before the
 * result is used. */
struct rp_target {
    int listener; /* -1: no notification; the process is known to live */
    uint64_t id;  /* of the notification */
    pid_t pid;    /* of the thread */
    int process;  /* a pidfd, -1 until it is needed */
};

/* Whether the call still waits for its answer. */
bool rp_target_waits(const struct rp_target *target);

/* Reads memory of the target. Returns 0 or an errno: EFAULT for a bad address, ESRCH if the call no
 * longer waits, EPERM, ENOSYS (process_vm_readv(2)); EOVERFLOW for an address beyond this process's
 * word size. */
int rp_target_read(const struct rp_target *target, uint64_t address, void *to, size_t size);

/* Takes a duplicate of a descriptor of the target, close-on-exec. Returns -1 and errno: EBADF,
 * ESRCH if the call no longer waits, EPERM, ENOSYS before Linux 5.6 (pidfd_getfd(2)). */
int rp_target_take(struct rp_target *target, int fd);

/* The user and group that own the sockets that the target creates; false if unknown. */
bool rp_target_creator(const struct rp_target *target, uid_t *user, gid_t *group);

/* Why a socket that this process creates for the target would not be like its own, whatever user
 * and group create it; static. NULL if it would be: both are in the same network and user namespace
 * and cgroup, and have the same security label (proc(5), attr/current). */
const char *rp_target_difference(const struct rp_target *target);

/* Whether the target is known to be in this process's network namespace. */
bool rp_target_is_near(const struct rp_target *target);

/* Whether the target may bind to the port as far as privileges go: from ip_unprivileged_port_start
 * of this network namespace on (ip(7)), or with CAP_NET_BIND_SERVICE in this user namespace. False
 * if unknown. */
bool rp_target_may_bind(const struct rp_target *target, uint16_t port);

/* Whether the target itself could find out that the process has a socket: it may look into it
 * (ptrace(2), PTRACE_MODE_READ_FSCREDS), and this process's PIDs are its own. False if unknown. */
bool rp_target_may_see(const struct rp_target *target, pid_t pid);

/* Closes the pidfd. */
void rp_target_close(struct rp_target *target);

/* Whether reading memory and taking descriptors of a process works: 0 or an errno, of reading size
 * bytes there, at the same address as here, and of taking that descriptor. */
int rp_target_try(pid_t pid, const void *bytes, size_t size, int fd);

#endif
