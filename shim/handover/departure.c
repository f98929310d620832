/* SPDX-License-Identifier: MIT */
/* Steering, draining, and ending the old server. */
#include "handover/departure.h"

#include "base/clock.h"
#include "base/progress.h"
#include "handover/settle.h"
#include "handover/steer.h"
#include "look/remains.h"
#include "look/traffic.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool migrates(void) {
    char value = '0';
    const int fd = open("/proc/sys/net/ipv4/tcp_migrate_req", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool read_it = read(fd, &value, 1) == 1;
    close(fd);
    return read_it && value == '1';
}

/* Warns of the group's weakness, or if the plan is strict undoes everything. */
static int tell_weakness(struct rp_replacement *this, const struct rp_group *group) {
    const char *why = rp_group_weakness(group, &this->look);
    char text[RP_SOCKET_TEXT];
    if (!why) return 0;
    rp_socket_text(&group->like, text);
    const bool safe = migrates() && group->news && group->like.proto == RP_TCP;
    if (this->plan->strict && !safe) return rp_undo(this, "--strict: %s: %s", text, why);
    rp_steps_warn("replace: %s: %s; %s", text, why,
                  safe ? "net.ipv4.tcp_migrate_req is 1, so none is lost"
                       : "what the old server has not accepted when it ends is lost "
                         "(net.ipv4.tcp_migrate_req is 0)");
    return 0;
}

int rp_send_to_new(struct rp_replacement *this) {
    rp_step(false, "sending new connections to the new server");
    rp_replacement_look(this, 0);
    for (size_t i = 0; i < this->groups.count; i++) {
        const int status = tell_weakness(this, &this->groups.list[i]);
        if (status) return status;
    }
    const int error = rp_replacement_steer(this, RP_TO_NEW, true);
    return error ? rp_undo(this, RP_NOT_STEERED, rp_steer_reason(&this->groups, error)) : 0;
}

static bool stops_waiting(struct rp_replacement *this) {
    return rp_is_interrupted() || rp_successor_is_lost(&this->successor) || rp_old_has_ended(this);
}

int rp_wait_for_queues(struct rp_replacement *this) {
    struct rp_unsettled_counts left = {0, 0};
    rp_step(false, "waiting for what the old server still has to accept");
    const bool quiet = rp_settle(this, RP_OLD, this->plan->drain, stops_waiting, &left);
    if (rp_is_interrupted()) return rp_undo(this, "interrupted");
    if (rp_successor_is_lost(&this->successor)) return rp_undo_lost(this, "");
    if (quiet || rp_old_has_ended(this)) return 0;
    if (this->plan->strict)
        return rp_undo(
            this, "--strict: connections still waiting for the old server: %lu, under way: %lu",
            left.waiting, left.under_way);
    rp_steps_warn(
        "replace: connections that will be reset: %lu still waiting for the old server, %lu "
        "under way",
        left.waiting, left.under_way);
    return 0;
}

int rp_wait_for_connections(struct rp_replacement *this, unsigned long *left) {
    const double begin = rp_now();
    rp_step(false, "waiting for the old server's connections");
    for (;; rp_tick()) {
        rp_replacement_look(this, RP_CONNECTED);
        *left = rp_connections(&this->look, RP_OLD);
        rp_step(true, "connections left: %lu, %.0f s", *left, rp_now() - begin);
        if (rp_is_interrupted()) return rp_undo(this, "interrupted");
        if (rp_successor_is_lost(&this->successor)) return rp_undo_lost(this, "");
        if (!*left || rp_old_has_ended(this) || rp_now() - begin >= (double)this->plan->drain)
            return 0;
    }
}

int rp_check_new(struct rp_replacement *this) {
    rp_replacement_look(this, 0);
    if (!rp_old_has_ended(this) && rp_successor_is_lost(&this->successor))
        return rp_undo_lost(this, "");
    if (rp_old_has_ended(this) || rp_ports_are_up(&this->groups, &this->look, 1)) return 0;
    return rp_undo(this, "%s no longer listens", this->plan->copies.arguments[0]);
}

/* Whether others keep the old server's sockets open, now that it has ended; names them. The steward
 * keeps what arrives away from those. *kept: whether that was so at the previous look, too: a
 * single look may fall between the end of a process and our hearing of it. */
static bool tell_keeper(struct rp_replacement *this, bool *kept) {
    struct rp_remains remains;
    char text[RP_REMAINS_TEXT];
    const bool again = *kept;
    *kept = rp_remains_find(&this->look, &this->servers, &this->held, &remains);
    if (!*kept || !again) return false;
    rp_steps_warn("replace: pid %d has ended, but %s keeps its socket open", (int)this->pid,
                  rp_remains_text(&remains, text));
    rp_replacement_steer(this, RP_TO_NEW, true);
    return true;
}

static bool wait_for_end(struct rp_replacement *this) {
    bool kept = false;
    for (double end = rp_now() + (double)this->plan->stop_timeout;; rp_tick()) {
        rp_replacement_look(this, 0);
        const bool holds = rp_still_exist(&this->look, &this->held);
        if (!holds) rp_replacement_steer(this, RP_BY_HASH, true);
        if (rp_old_has_ended(this) && (!holds || tell_keeper(this, &kept))) return true;
        if (rp_now() > end) return false;
    }
}

bool rp_stop_old(struct rp_replacement *this) {
    rp_step(false, "signalling pid %d", (int)this->pid);
    rp_replacement_steer(this, RP_TO_FIRST, true);
    rp_replacement_hide(this, RP_OLD);
    syscall(SYS_pidfd_send_signal, this->pidfd, this->plan->signal_number, NULL, 0);
    if (wait_for_end(this)) return true;
    if (this->plan->kill) {
        syscall(SYS_pidfd_send_signal, this->pidfd, SIGKILL, NULL, 0);
        if (wait_for_end(this)) return true;
    }
    /* It may still listen. */
    rp_replacement_steer(this, RP_TO_NEW, true);
    return false;
}
