/* SPDX-License-Identifier: MIT */
/* Each doubt is a warning, or with --strict ends this process. */
#include "handover/doubts.h"

#include "base/die.h"
#include "inspect/lock.h"
#include "inspect/programs.h"
#include "inspect/rights.h"

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

void rp_yield(const struct rp_process *process) {
    struct rp_process holder;
    char name[RP_NAME_SIZE], by[RP_NAME_SIZE + 32] = "";
    /* Its user may have the lock as well: the name tells. */
    if (rp_process_find(rp_lock_holder(process), &holder, NULL))
        snprintf(by, sizeof(by), ", by pid %d (%s)", (int)holder.pid,
                 rp_process_name(&holder, name));
    rp_die("replace: pid %d is part of a replacement under way%s", (int)process->pid, by);
}

void rp_doubt_alone(const struct rp_replacement *this) {
    struct rp_process old;
    const int error = rp_process_find(this->pid, &old, NULL) ? rp_lock(&old) : ESRCH;
    /* The PID was that of the pidfd's process if that has not ended since. */
    if (error == ESRCH || rp_old_has_ended(this))
        rp_die("replace: %d: %s", (int)this->pid, rp_missing_reason(this->pid));
    if (error == EWOULDBLOCK) rp_yield(&old);
    if (error)
        rp_doubt(this->plan, "cannot tell whether another command is replacing pid %d: %s",
                 (int)this->pid,
                 error == EXDEV ? "/proc is not that of this PID namespace" : strerror(error));
}

static bool has_udp(const struct rp_groups *groups) {
    for (size_t i = 0; i < groups->count; i++)
        if (groups->list[i].like.proto == RP_UDP) return true;
    return false;
}

/* Says what --no-steer costs. */
static void doubt_hash(const struct rp_replacement *this) {
    const bool migrates = rp_setting("/proc/sys/net/ipv4/tcp_migrate_req", 0) == 1;
    static const char share[] = "gets its share of new connections until it ends, and what it has "
                                "not accepted by then";
    if (migrates && !has_udp(&this->groups))
        rp_warn("replace: --no-steer: pid %d %s goes to the new server "
                "(net.ipv4.tcp_migrate_req is 1)",
                (int)this->pid, share);
    else
        rp_doubt(this->plan, "--no-steer: pid %d %s is lost%s", (int)this->pid, share,
                 migrates ? " for UDP" : " (net.ipv4.tcp_migrate_req is 0)");
}

/* Returns whether a process of the server holds a program. */
static bool doubt_programs(const struct rp_replacement *this, const struct rp_tree *tree) {
    for (size_t i = 0; i < tree->count; i++) {
        const struct rp_process *process = &tree->members[i];
        const char *type = rp_process_program(process);
        char name[RP_NAME_SIZE];
        if (!type) continue;
        rp_doubt(this->plan,
                 "pid %d (%s) holds a BPF program (%s); if it is attached to these ports, "
                 "steering replaces it (see --no-steer)",
                 (int)process->pid, rp_process_name(process, name), type);
        return true;
    }
    return false;
}

void rp_doubt_steering(const struct rp_replacement *this) {
    if (this->plan->no_steer)
        doubt_hash(this);
    else if (!doubt_programs(this, &this->servers.old.tree))
        doubt_programs(this, &this->servers.new.tree);
}
