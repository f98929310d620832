/* SPDX-License-Identifier: MIT */
/* What this process may do to others, found by trying rather than by the kernel's version. */
#ifndef RP_RIGHTS_H
#define RP_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

/* Said where rp_is_filtered(). */
#define RP_FILTERED                                                                                \
    "blocked by a seccomp filter: add CAP_SYS_PTRACE (docker: --cap-add SYS_PTRACE; Kubernetes: "  \
    "securityContext.capabilities.add)"

/* linux/capability.h (capabilities(7)), which musl-gcc leaves out. */
enum { RP_NET_BIND_SERVICE = 10, RP_SYS_PTRACE = 19 };

/* The first number in a file, or fallback if there is none. */
long rp_setting(const char *path, long fallback);

/* Whether this process has the capability in its effective set; false without /proc. */
bool rp_has_capability(int number);

/* Whether this process may not bind a TCP or UDP socket to that port: it is below
 * net.ipv4.ip_unprivileged_port_start (1024 before Linux 4.11), and CAP_NET_BIND_SERVICE is not in
 * the effective set (ip(7)). */
bool rp_is_privileged_port(unsigned port);

/* kernel.yama.ptrace_scope; 0 also where there is no Yama. */
long rp_yama_scope(void);

/* Whether a seccomp filter kills callers of that system call, as systemd's SystemCallFilter= does:
 * a child tries it, with the arguments -1, -1 and 0, which must be to no effect. Not
 * async-signal-safe. */
bool rp_call_is_deadly(long number);

/* Whether pidfd_getfd(2) fails with EPERM even on this process itself, where no permission is
 * checked: a seccomp filter blocks it, as container runtimes' do without CAP_SYS_PTRACE. */
bool rp_is_filtered(void);

/* Tries pidfd_getfd(2) on a child made for it. Returns 0 or an errno: ENOSYS before Linux 5.6,
 * EPERM if a filter, Yama or a security module forbids it. Waits for the child. */
int rp_try_child(void);

/* Why rp_process_find() did not find the PID: there is no such process, or none that /proc shows
 * (kill(2); hidepid= of proc(5)). */
const char *rp_missing_reason(pid_t pid);

#endif
