/* Answering the kernel's questions about a program that is to bind: the library's work, done from outside. */
#ifndef RP_WATCH_H
#define RP_WATCH_H

#include "config.h"

#include <sys/types.h>

enum { RP_QUESTION_SIZE = 1024 };

/* What a watcher is busy with, in memory that outlives it. */
struct rp_question {
    _Alignas(8) unsigned char notification[RP_QUESTION_SIZE]; /* struct seccomp_notif; id 0: none */
    unsigned tries;
};

struct rp_watch {
    const struct rp_config *config;
    int listener;        /* of rp_filter_install */
    int null, stderr_fd; /* /dev/null; the program's stderr if it may be kept open, else -1 */
    struct rp_question *question;
};

/* Answers until no process with the filter is left: true; or until guard, a descriptor, is at its end: false.
 * What the program calls it always makes itself, in the end; whatever fails here lets it go on. First comes
 * what question still holds. */
bool rp_watch_serve(const struct rp_watch *watch, int guard);

/* What the watching process itself may do to another: 0, or an errno, of reading size bytes there, at the
 * same address as here, and of taking one of its descriptors (process_vm_readv(2), pidfd_getfd(2)). */
int rp_watch_try(pid_t pid, const void *bytes, size_t size, int fd);

#endif
