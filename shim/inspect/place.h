/* SPDX-License-Identifier: MIT */
/* A process's place among others: its PID namespace, control group, executable, process group and
 * terminal. None of these is async-signal-safe. */
#ifndef RP_PLACE_H
#define RP_PLACE_H

#include "inspect/process.h"

enum { RP_CGROUP_SIZE = 1024 };

/* Its PID in its own PID namespace (proc(5), NSpid of status, Linux 4.1): 1 for an init; 0 if
 * unknown. */
pid_t rp_process_inner_pid(pid_t pid);

/* The path of its control group, as systemd names it: in the unified hierarchy, or if that is not
 * in use in the one named systemd (cgroups(7)), seen from this process's cgroup namespace. Returns
 * path; "" if it is unknown or too long. */
const char *rp_process_cgroup(pid_t pid, char path[RP_CGROUP_SIZE]);

/* Whether both run the same file (proc(5), exe); false if unknown. Requires the rights of
 * PTRACE_MODE_READ (ptrace(2)). */
bool rp_process_is_same_program(pid_t one, pid_t other);

/* Whether it runs a shell, by the name of its file; false if unknown. Requires the same rights. */
bool rp_process_is_shell(pid_t pid);

enum { RP_VALUE_SIZE = 64 };

/* The value of a variable in the environment that it was started with (proc(5), environ), or false:
 * it has none, it is too long, or this process lacks the rights of PTRACE_MODE_READ. */
bool rp_process_variable(pid_t pid, const char *name, char value[RP_VALUE_SIZE]);

/* Whether the two are in different PID namespaces; false if unknown. Requires the same rights. */
bool rp_process_is_apart(pid_t one, pid_t other);

/* Its process group in the PID namespace of /proc; -1 if unknown. */
pid_t rp_process_group(pid_t pid);

/* Whether the child is a job of this shell: the shell has a terminal and has given the child a
 * process group of its own, as it does with job control. A shell is what rp_process_is_shell knows,
 * or what leads its session; below su, sudo or sh -c it does not lead. False if unknown. */
bool rp_process_is_job(pid_t shell, pid_t child);

/* Whether a sibling counts. */
typedef bool rp_sibling_test(const void *context, pid_t sibling);

/* Whether the parent has a child that is older than the process and counts: not a zombie, and if a
 * test is given, one that passes it. */
bool rp_process_has_elder(const struct rp_process *process, pid_t parent, rp_sibling_test *test,
                          const void *context);

#endif
