/* What /proc tells of processes, and what people call them and their users. */
#ifndef RP_PROCESS_H
#define RP_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { RP_NAME_SIZE = 64 };

/* The user's name (getpwuid(3)), or the number. Returns text. */
const char *rp_user_name(uint32_t uid, char text[RP_NAME_SIZE]);

/* The process's name (proc(5), comm), with ? for what is not printable; "?" if it has gone. */
const char *rp_process_name(pid_t pid, char text[RP_NAME_SIZE]);

/* The one-letter state of a process (proc(5), stat): T for stopped; 0 if it has gone. */
char rp_process_state(pid_t pid);

/* The children of this process, which has one thread, most of them at the most. Returns how many, or -1
 * where the kernel does not tell (proc(5), /proc/PID/task/TID/children). */
int rp_process_children(pid_t *children, int most);

/* Whether the process is the other one, or a child of it, or of a child, and so on (proc(5), stat). */
bool rp_process_is_below(pid_t pid, pid_t ancestor);

/* Whether it is in this process's network namespace; true if that cannot be told. surely: then false. */
bool rp_process_is_near(pid_t pid);
bool rp_process_is_surely_near(pid_t pid);

/* The process that a thread belongs to (proc(5), status, Tgid); the thread's number if that cannot be told. */
pid_t rp_process_leader(pid_t thread);

/* The user that a thread acts as in the file system, whose its sockets are (setfsuid(2)); -1 if that cannot be
 * told. */
int rp_process_fsuid(pid_t thread);

/* Its real user and group (proc(5), status). */
bool rp_process_user(pid_t pid, uid_t *user, gid_t *group);

/* Where this process's arguments stand in its memory (proc(5), stat, arg_start and arg_end). */
bool rp_process_arguments(unsigned long *start, unsigned long *end);

#endif
