/* Answering the kernel's questions about a program that is to bind: the library's work, done from outside. */
#ifndef RP_WATCH_H
#define RP_WATCH_H

#include "core/apply.h"

#include <sys/types.h>

enum { RP_QUESTION_SIZE = 1024, RP_REMEMBERED = 64 };

/* What one watcher leaves to the next, in memory that outlives it. */
struct rp_memory {
    _Alignas(8) unsigned char question[RP_QUESTION_SIZE]; /* struct seccomp_notif; id 0: none */
    unsigned tries;                                       /* that were made at answering it */
    bool warned;
    /* Sockets whose options were changed for a bind that may have failed: should the program bind one elsewhere,
     * they are put back first. By inode, of which the kernel gives out four thousand million before one comes
     * again. */
    struct {
        ino_t inode; /* 0: none */
        struct rp_change change;
    } changed[RP_REMEMBERED];
    unsigned next;
};

struct rp_watch {
    const struct rp_config *config;
    int listener;        /* of rp_filter_install */
    int null, stderr_fd; /* /dev/null; the program's stderr if it may be kept open, else -1 */
    struct rp_memory *memory;
};

/* Answers until no process with the filter is left: true; or until guard, a descriptor, is at its end: false.
 * What the program calls it always makes itself, in the end; whatever fails here lets it go on. First comes
 * the question that the memory still holds. A question that takes longer than 3 seconds ends this process, by
 * SIGALRM (alarm(2)): descriptors and memory of a program can be made to block whoever touches them. */
bool rp_watch_serve(const struct rp_watch *watch, int guard);

/* What the watching process itself may do to another: 0, or an errno, of reading size bytes there, at the
 * same address as here, and of taking one of its descriptors (process_vm_readv(2), pidfd_getfd(2)). */
int rp_watch_try(pid_t pid, const void *bytes, size_t size, int fd);

#endif
