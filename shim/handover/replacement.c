/* SPDX-License-Identifier: MIT */
/* Looks, interrupts, and undoing. */
#include "handover/replacement.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/progress.h"
#include "handover/settle.h"
#include "handover/steer.h"
#include "inspect/holders.h"
#include "inspect/option.h"
#include "look/traffic.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

static volatile sig_atomic_t interrupts;

static void interrupt(int signal_number) {
    (void)signal_number;
    interrupts++;
}

void rp_watch_interrupts(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = interrupt};
    signal(SIGCHLD, SIG_DFL); /* inherited as ignored, it would hide how COMMAND ended */
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        struct sigaction before;
        sigaction(signals[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) sigaction(signals[i], &action, NULL);
    }
}

bool rp_is_interrupted(void) {
    return interrupts > 0;
}

static void read_notifications(struct rp_replacement *this) {
    struct rp_readiness *readiness = &this->readiness;
    readiness->busy = false;
    for (unsigned i = 0; readiness->notify && i < readiness->copies; i++)
        if (rp_notify_read(&readiness->notify[i], &this->servers.new.tree)) readiness->busy = true;
}

/* After a look that read something, sleeps a whole tick: a flood of messages does not make looks
 * more frequent. */
void rp_replacement_tick(const struct rp_replacement *this) {
    const struct rp_readiness *readiness = &this->readiness;
    if (readiness->notify && !readiness->busy)
        poll(readiness->sockets, readiness->copies, RP_TICK);
    else
        rp_tick();
}

void rp_replacement_look(struct rp_replacement *this, unsigned states) {
    read_notifications(this);
    rp_look_again(&this->look, &this->servers, &this->held, states);
    rp_groups_count(&this->groups, &this->look);
    rp_steward_note(this->steward, &this->groups);
    if (this->way == RP_TO_OLD || this->way == RP_TO_NEW)
        rp_groups_renew(&this->groups, &this->look, this->way);
}

int rp_replacement_steer(struct rp_replacement *this, enum rp_way way, bool visit) {
    this->way = way;
    return rp_groups_steer(&this->groups, &this->look, way, visit);
}

static bool is_steered(const struct rp_groups *groups) {
    for (size_t i = 0; i < groups->count; i++)
        if (groups->list[i].way != RP_BY_HASH) return true;
    return false;
}

void rp_replacement_hide(struct rp_replacement *this, enum rp_side side) {
    struct rp_sockets *leaving = &this->look.of[side];
    rp_replacement_look(this, 0);
    if (!is_steered(&this->groups)) return;
    rp_sockets_find_owners(leaving); /* all there are, among all processes */
    if (rp_steward_expect_end(this->steward, leaving))
        rp_groups_hide(&this->groups, leaving,
                       side == RP_OLD ? &this->servers.old.tree : &this->servers.new.tree);
}

bool rp_old_has_ended(const struct rp_replacement *this) {
    struct pollfd end = {.fd = this->pidfd, .events = POLLIN};
    return poll(&end, 1, 0) == 1;
}

unsigned long rp_share_connections(struct rp_replacement *this, bool wanted) {
    const struct rp_sockets *olds = &this->look.of[RP_OLD];
    unsigned long changes = 0;
    rp_replacement_look(this, RP_CONNECTED);
    for (size_t i = 0; i < olds->count; i++) {
        bool changed = false;
        if (!rp_is_receiver(&olds->list[i])) rp_option_switch(&olds->list[i], wanted, &changed);
        changes += changed;
    }
    return changes;
}

void rp_give_back(struct rp_replacement *this) {
    bool changed, any = false;
    for (size_t i = 0; i < this->held.count; i++) any = any || this->adopted[i];
    if (!any) return;
    rp_share_connections(this, false);
    for (size_t i = 0; i < this->held.count; i++) {
        const uint32_t inode = this->held.list[i].inode;
        const struct rp_socket *now = rp_sockets_get(&this->look.of[RP_OLD], inode);
        if (this->adopted[i] && now) rp_option_switch(now, false, &changed);
    }
}

static bool stops_answering(struct rp_replacement *this) {
    return interrupts > 1 || rp_successor_is_lost(&this->successor) || rp_old_has_ended(this);
}

/* Sends connections back to the old server, and gives COMMAND time to accept and answer those it
 * has. */
static void send_to_old(struct rp_replacement *this) {
    struct rp_unsettled_counts left;
    rp_step(false, "sending connections back to the old server");
    rp_replacement_look(this, 0);
    rp_replacement_steer(this, RP_TO_OLD, false);
    rp_settle(this, RP_NEW, this->plan->drain, stops_answering, &left);
    for (double end = rp_now() + (double)this->plan->drain;
         rp_now() < end && !stops_answering(this); rp_tick()) {
        rp_replacement_look(this, RP_CONNECTED);
        if (!rp_connections(&this->look, RP_NEW)) break;
    }
}

static void release(struct rp_replacement *this) {
    rp_replacement_look(this, 0);
    rp_replacement_steer(this, RP_BY_HASH, true);
}

static int put_back(struct rp_replacement *this, const char *why) {
    const int pid = (int)this->pid;
    const bool given = this->successor.given;
    char beside[32] = "";
    rp_question_end(&this->readiness.question);
    if (this->successor.child && !given && !rp_old_has_ended(this)) send_to_old(this);
    if (rp_old_has_ended(this) && !rp_successor_is_lost(&this->successor)) {
        release(this);
        rp_steps_warn(
            "replace: %s; pid %d has ended meanwhile, by itself, so pid %d is left running", why,
            pid, (int)rp_successor_pid(&this->successor));
        return RP_FAILED;
    }
    if (this->successor.child && !given) rp_replacement_hide(this, RP_NEW);
    const bool ended = rp_successor_end(&this->successor);
    if (ended) release(this); /* else the steward keeps connections away from what is invisible */
    rp_give_back(this);
    if (given && !rp_successor_is_lost(&this->successor))
        snprintf(beside, sizeof(beside), " beside pid %d", (int)this->successor.child);
    rp_steps_warn("replace: %s; pid %d %s%s%s", why, pid,
                  rp_old_has_ended(this) ? "has ended meanwhile, by itself" : "serves as before",
                  beside, ended ? "" : ", but some processes of COMMAND could not be ended");
    return RP_FAILED;
}

int rp_undo(struct rp_replacement *this, const char *format, ...) {
    char why[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    return put_back(this, why);
}

int rp_undo_lost(struct rp_replacement *this, const char *when) {
    const int status = this->successor.status;
    if (this->successor.given)
        return rp_undo(this, "%s has ended%s", this->plan->copies.arguments[0], when);
    return rp_undo(this, "%s ended with status %d%s", this->plan->copies.arguments[0],
                   status < 0 ? 0 : status, when);
}
