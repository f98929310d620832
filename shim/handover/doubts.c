/* SPDX-License-Identifier: MIT */
/* Each doubt is a line, or with --strict the end. */
#include "handover/doubts.h"

#include "base/die.h"
#include "handover/lock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void rp_doubt(const struct rp_plan *plan, const char *format, ...) {
    char why[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    if (plan->strict) rp_die("replace: --strict: %s", why);
    rp_warn("replace: %s", why);
}

/* Refuses in favour of whoever has the lock. */
static void yield_to(const struct rp_process *old, pid_t holder) {
    if (holder) rp_die("replace: pid %d is being replaced by pid %d", (int)old->pid, (int)holder);
    rp_die("replace: pid %d is being replaced by another process", (int)old->pid);
}

void rp_doubt_alone(const struct rp_replacement *this) {
    struct rp_process old;
    const int error = rp_process_find(this->pid, &old, NULL) ? rp_lock(&old) : ESRCH;
    /* The PID was that of the pidfd's process if that has not ended since. */
    if (error == ESRCH || rp_old_has_ended(this))
        rp_die("replace: %d: there is no such process", (int)this->pid);
    if (error == EWOULDBLOCK) yield_to(&old, rp_lock_holder(&old));
    if (error)
        rp_doubt(this->plan, "cannot tell whether another command replaces pid %d: %s",
                 (int)this->pid,
                 error == EXDEV ? "/proc is not that of this PID namespace" : strerror(error));
}
