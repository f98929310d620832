/* SPDX-License-Identifier: MIT */
/* Who a process is, by /proc/PID. Its name is whatever its user chose, raw in stat and comm,
 * escaped in status (proc(5)). */
#ifndef RP_PROCESS_H
#define RP_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { RP_NAME_SIZE = 64 };

/* Identifies a process: its PID alone may belong to another one later. */
struct rp_process {
    pid_t pid;
    unsigned long long start; /* clock ticks from boot (proc(5), stat, starttime) */
};

struct rp_status {
    char state; /* T: stopped; Z: zombie */
    pid_t leader, parent;
    uid_t users[4]; /* real, effective, saved, file system */
    gid_t groups[4];
};

/* The user's name (getpwuid(3)), or the number. Returns text. */
const char *rp_user_name(uint32_t uid, char text[RP_NAME_SIZE]);

/* Finds the process that has the PID now, and unless it is NULL its status, both of one process.
 * Returns false if there is none, or /proc hides it. */
bool rp_process_find(pid_t pid, struct rp_process *process, struct rp_status *status);

/* Whether the process still exists, if only as a zombie. */
bool rp_process_exists(const struct rp_process *process);

/* The process's name (proc(5), comm), with ? for anything but printable ASCII; "?" if it has ended.
 * Returns text. */
const char *rp_process_name(const struct rp_process *process, char text[RP_NAME_SIZE]);

/* Its state as in struct rp_status; 0 if it has ended. */
char rp_process_state(const struct rp_process *process);

/* Opens /proc/PID (open(2), O_PATH). Whatever is opened below it belongs to that process, even if
 * the PID is reused. Returns -1 and errno if there is none. */
int rp_process_open(pid_t pid);

/* Reads the start time of the process with that directory; false if it has ended. */
bool rp_process_start(int directory, unsigned long long *start);

/* Whether /proc shows this process's PID namespace (pid_namespaces(7)); if not, the PIDs there are
 * other processes'. */
bool rp_proc_is_own(void);

/* Called for each child. */
typedef void rp_child_visit(void *context, pid_t child);

/* Visits the children of a process's threads: by /proc/PID/task/TID/children or, on kernels without
 * CONFIG_PROC_CHILDREN, by asking each process for its parent. May miss a child while others end
 * (proc(5)); a child may have ended when it is visited. */
void rp_process_visit_children(pid_t pid, rp_child_visit *visit, void *context);

/* Stores at most `most` children of this process. Returns how many; -1 unless rp_proc_is_own(). */
int rp_process_children(pid_t *children, int most);

/* Whether the process is the other one or descends from it, as far as that can be followed now. */
bool rp_process_is_below(pid_t pid, pid_t ancestor);

/* Whether it is in this process's network namespace. If that is unknown the first returns true, the
 * second false. */
bool rp_process_is_near(pid_t pid);
bool rp_process_is_surely_near(pid_t pid);

/* The process that a thread belongs to; the thread's own number if that is unknown. */
pid_t rp_process_leader(pid_t thread);

/* The user and group that own what a thread creates (setfsuid(2)); false if unknown. */
bool rp_process_creator(pid_t thread, uid_t *user, gid_t *group);

/* Its real user and group; false if unknown. */
bool rp_process_user(pid_t pid, uid_t *user, gid_t *group);

/* Whether the process has a handler for the signal (SigCgt of status); false if unknown. */
bool rp_process_catches(pid_t pid, int number);

/* Whether the process was sent KILL but sleeps uninterruptibly (state D, SigPnd or ShdPnd
 * of status); false if unknown. */
bool rp_process_is_stuck(const struct rp_process *process);

/* Whether a thread has the capability in its effective set (CapEff of status, capabilities(7)), in
 * whatever user namespace it is; false if unknown. */
bool rp_process_has_capability(pid_t thread, int number);

/* The number of the process's seccomp filters (Seccomp_filters of status, Linux 5.9); -1 if
 * unknown. */
int rp_process_filters(pid_t pid);

#endif
