/* SPDX-License-Identifier: MIT */
/* From the most certain to the least: master, init, systemd, and whoever else is the parent. */
#include "handover/origin.h"

#include "base/die.h"
#include "handover/doubts.h"
#include "inspect/holders.h"
#include "inspect/place.h"

#include <string.h>
#include <unistd.h>

static bool is_init(pid_t pid) {
    const pid_t inner = rp_process_inner_pid(pid);
    return inner ? inner == 1 : pid == 1;
}

/* The process's parent; false if it has none in this PID namespace. */
static bool find_parent(pid_t pid, struct rp_process *parent) {
    struct rp_process process;
    struct rp_status status;
    return rp_process_find(pid, &process, &status) && status.parent > 0 &&
           rp_process_find(status.parent, parent, NULL);
}

/* Whether the process has one of those sockets. */
static bool has_one_of(const struct rp_process *process, const struct rp_sockets *sockets) {
    struct rp_process member = *process;
    const struct rp_tree tree = {&member, 1};
    struct rp_sockets found = {NULL, 0, 0};
    bool any = false;
    for (size_t i = 0; i < sockets->count; i++) {
        struct rp_socket socket = sockets->list[i];
        socket.owners = NULL;
        socket.owner_count = 0;
        rp_sockets_add(&found, &socket);
    }
    rp_sockets_find_members(&found, &tree);
    for (size_t i = 0; i < found.count; i++) any = any || found.list[i].owner_count;
    rp_sockets_free(&found);
    return any;
}

/* Finds the topmost of the old server's ancestors that run its executable and have its sockets;
 * false if there is none. Ancestors of this command, which chose to run it, do not count. */
static bool find_master(pid_t pid, const struct rp_sockets *held, struct rp_process *master) {
    struct rp_process parent;
    bool found = false;
    while (find_parent(pid, &parent) && rp_process_is_same_program(pid, parent.pid) &&
           !rp_process_is_below(getpid(), parent.pid) && has_one_of(&parent, held)) {
        *master = parent;
        pid = parent.pid;
        found = true;
    }
    return found;
}

/* Whether an init, which it stores, ends when the process does. tini and dumb-init end with their
 * oldest child, and have adopted the others. A shell that waits for a command has it in its own
 * process group, be it the init or below it; but a shell that also runs this command goes on. */
static bool ends_init(pid_t pid, struct rp_process *init) {
    struct rp_process process;
    while (rp_process_find(pid, &process, NULL) && find_parent(pid, init)) {
        if (rp_unit_is_manager(init->pid)) return false;
        const bool is_awaited = rp_process_group(pid) == rp_process_group(init->pid);
        if (is_init(init->pid))
            return is_awaited || !rp_process_has_elder(&process, init->pid, NULL, NULL);
        if (!is_awaited || !rp_process_is_shell(init->pid) ||
            rp_process_is_below(getpid(), init->pid))
            return false;
        pid = init->pid;
    }
    return false;
}

static void refuse_init(const struct rp_replacement *this) {
    static const char ways[] = "use the platform's own rollout, or reuseport run -n as the "
                               "container's command (--force-init overrides)";
    struct rp_process init;
    char name[RP_NAME_SIZE];
    if (is_init(this->pid))
        rp_die("replace: pid %d is the init of its PID namespace, and everything there ends with "
               "it; %s",
               (int)this->pid, ways);
    if (ends_init(this->pid, &init))
        rp_die("replace: pid %d (%s), the init of its PID namespace, ends when pid %d does, and "
               "everything there with it; %s",
               (int)init.pid, rp_process_name(&init, name), (int)this->pid, ways);
}

/* Names a parent that is neither init nor systemd. */
static void doubt_parent(const struct rp_replacement *this) {
    struct rp_process parent;
    char name[RP_NAME_SIZE];
    if (!find_parent(this->pid, &parent) || is_init(parent.pid) || rp_unit_is_manager(parent.pid) ||
        rp_process_is_below(getpid(), parent.pid) || rp_process_is_job(parent.pid, this->pid))
        return;
    rp_doubt(this->plan, "pid %d (%s), the parent of pid %d, may start it again, or end with it",
             (int)parent.pid, rp_process_name(&parent, name), (int)this->pid);
}

/* Whether a new server that somebody else has started is in the old one's control group. */
static bool is_in_unit(pid_t new, pid_t old) {
    char unit[RP_CGROUP_SIZE], path[RP_CGROUP_SIZE];
    const size_t length = strlen(rp_process_cgroup(old, unit));
    return !strncmp(rp_process_cgroup(new, path), unit, length) &&
           (!path[length] || path[length] == '/');
}

/* A new server outside the old one's unit does not end with that: warns instead of refusing. */
static void let_unit_end(pid_t old, struct rp_unit *unit) {
    if (*unit->name)
        rp_warn("replace: pid %d is the main process of %s, which ends with it, or restarts it, "
                "depending on its Restart=",
                (int)old, unit->name);
    *unit = (struct rp_unit){.channel = -1};
}

void rp_origin_check(const struct rp_replacement *this, bool forced, struct rp_unit *unit) {
    struct rp_process master;
    char name[RP_NAME_SIZE];
    rp_unit_find(this->pid, unit);
    if (find_master(this->pid, &this->held, &master))
        rp_die("replace: pid %d is a worker of pid %d (%s); replace that one", (int)this->pid,
               (int)master.pid, rp_process_name(&master, name));
    const pid_t given = this->successor.given ? this->successor.child : 0;
    if (given && !is_in_unit(given, this->pid)) let_unit_end(this->pid, unit);
    if (!forced && !(given && rp_process_is_apart(given, this->pid))) refuse_init(this);
    if (!forced && *unit->name && !unit->is_ours)
        rp_die("replace: pid %d is the main process of %s, which ends with it; set "
               "NotifyAccess=exec there (NotifyAccess=all for a script), and run this command as "
               "its ExecReload=",
               (int)this->pid, unit->name);
    doubt_parent(this);
}
