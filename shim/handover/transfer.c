/* SPDX-License-Identifier: MIT */
/* Taking a server that runs already as the new one. */
#include "handover/transfer.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/progress.h"
#include "handover/arrival.h"
#include "handover/doubts.h"
#include "handover/evidence.h"
#include "handover/readiness.h"
#include "inspect/holders.h"
#include "inspect/lock.h"
#include "inspect/option.h"
#include "inspect/pidfd.h"
#include "inspect/rights.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *rp_transfer_name(pid_t pid) {
    static char name[24];
    snprintf(name, sizeof(name), "pid %d", (int)pid);
    return name;
}

/* Its PID was that of the pidfd's process if that has not ended since. */
static void open_new(struct rp_replacement *this, pid_t pid) {
    const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        rp_die("replace: --to: %d: %s", (int)pid,
               errno == ESRCH ? "there is no such process" : rp_option_reason(errno));
    if (!rp_process_is_near(pid))
        rp_die("replace: --to: pid %d is in another network namespace", (int)pid);
    const bool planted = rp_server_plant(&this->servers.new, pid);
    rp_successor_take(&this->successor, pid, pidfd);
    if (!planted || rp_successor_is_lost(&this->successor))
        rp_die("replace: --to: %d: %s", (int)pid, rp_missing_reason(pid));
}

static void refuse_other_user(const struct rp_server *new, pid_t pid) {
    const uid_t own = geteuid();
    char name[RP_NAME_SIZE];
    if (own && new->users[0] != own)
        rp_die("replace: --to: pid %d belongs to user %s; try as root", (int)pid,
               rp_user_name(new->users[0], name));
}

static void refuse_relatives(const struct rp_replacement *this, pid_t pid) {
    if (rp_process_is_below(pid, this->pid) || rp_process_is_below(this->pid, pid))
        rp_die("replace: --to: pid %d and pid %d are one server: one is the other or descends from "
               "it",
               (int)pid, (int)this->pid);
}

static void lock(const struct rp_replacement *this, pid_t pid) {
    const struct rp_process *new = &this->servers.new.tree.members[0];
    const int error = rp_lock(new);
    if (error == EWOULDBLOCK) rp_yield(new);
    if (error && error != EXDEV)
        rp_doubt(this->plan, "cannot tell whether another command is replacing pid %d: %s",
                 (int)pid, strerror(error));
}

/* A socket that both have inherited is one member of the group: steering cannot separate them. */
static void refuse_common(struct rp_replacement *this, pid_t pid) {
    struct rp_sockets theirs = {NULL, 0, 0};
    char text[RP_SOCKET_TEXT];
    rp_server_find(&this->servers.new, &(struct rp_ports){.count = 0}, &theirs);
    rp_sockets_index(&theirs);
    for (size_t i = 0; i < this->held.count; i++)
        if (rp_sockets_get(&theirs, this->held.list[i].inode))
            rp_die("replace: --to: pid %d and pid %d have the same socket on %s", (int)pid,
                   (int)this->pid, rp_socket_text(&this->held.list[i], text));
    rp_sockets_free(&theirs);
}

void rp_transfer_open(struct rp_replacement *this, pid_t pid) {
    rp_question_note_environment();
    open_new(this, pid);
    refuse_other_user(&this->servers.new, pid);
    refuse_relatives(this, pid);
    refuse_common(this, pid);
    lock(this, pid);
}

/* Takes the order of joining for the numbers where it tells the servers apart. */
static void guess(struct rp_group *group, const struct rp_look *look) {
    struct rp_members *members = &group->members;
    bool chosen[2] = {false, false};
    unsigned changes = 0;
    enum rp_side last = RP_SIDES;
    if (!members->unordered || group->others || !group->olds || !group->news) return;
    for (size_t i = 0; i < members->count; i++) {
        const bool old = rp_sockets_get(&look->of[RP_OLD], members->inodes[i]);
        const enum rp_side side = old ? RP_OLD : RP_NEW;
        changes += i && side != last;
        last = side;
        chosen[old] = chosen[old] || i < members->unordered;
    }
    /* There is something to guess only if members of both are among those in unknown order. */
    if (changes > 1 || !chosen[0] || !chosen[1]) return;
    members->unordered = 0;
    group->guessed = true;
}

static void guess_all(struct rp_replacement *this) {
    for (size_t i = 0; i < this->groups.count && !this->groups.left_alone; i++)
        guess(&this->groups.list[i], &this->look);
}

int rp_transfer_begin(struct rp_replacement *this) {
    this->adopted = calloc(this->held.count, sizeof(*this->adopted));
    if (!this->adopted) rp_die("%s", strerror(errno));
    this->steward = rp_steward_start(&this->groups);
    if (!this->steward) return rp_undo(this, "fork: %s", strerror(errno));
    this->started = rp_now();
    rp_replacement_look(this, 0);
    /* Fails where both are in the group already. */
    rp_replacement_steer(this, RP_TO_OLD, false);
    int status = rp_wait_until_up(this);
    if (!status) status = rp_wait_until_ready(this);
    this->way = RP_BY_HASH; /* no group that could not be steered to the old one is from now on */
    if (!status) guess_all(this);
    return status;
}

/* Marks the group's numbers as unknown. */
static void forget(struct rp_group *group) {
    group->members.unordered = group->members.count;
    group->guessed = false;
}

static int refute(struct rp_replacement *this, struct rp_group *group) {
    static const char why[] =
        "the order of joining does not tell the two servers' sockets apart, as "
        "members have left";
    char text[RP_SOCKET_TEXT];
    rp_socket_text(&group->like, text);
    forget(group);
    rp_replacement_steer(this, RP_TO_NEW, true);
    if (this->plan->strict) return rp_undo(this, "--strict: %s: %s", text, why);
    rp_steps_warn("replace: %s: %s; what pid %d has not accepted when it is signalled is lost",
                  text, why, (int)this->pid);
    return 0;
}

/* Swaps the numbers of two members: if they are wrong, that is the only other order. */
static bool turn(struct rp_replacement *this, struct rp_group *group) {
    uint32_t *inodes = group->members.inodes, first = inodes[0];
    if (group->members.count != 2) return false;
    inodes[0] = inodes[1];
    inodes[1] = first;
    return !rp_replacement_steer(this, RP_TO_NEW, true);
}

static int verify(struct rp_replacement *this, struct rp_group *group) {
    char text[RP_SOCKET_TEXT];
    enum rp_evidence evidence = rp_evidence_gather(this, group);
    if (evidence == RP_AGAINST && turn(this, group)) evidence = rp_evidence_gather(this, group);
    if (rp_is_interrupted()) return rp_undo(this, "interrupted");
    if (rp_successor_is_lost(&this->successor)) return rp_undo_lost(this, "");
    if (rp_old_has_ended(this) || !group->guessed) return 0;
    if (evidence == RP_AGAINST || group->members.unordered) return refute(this, group);
    group->guessed = evidence != RP_FOR;
    if (!group->guessed) return 0;
    rp_steps_warn(
        "replace: %s: the two servers' sockets are told apart by their order of joining, and no "
        "new connection has confirmed that",
        rp_socket_text(&group->like, text));
    return 0;
}

int rp_transfer_verify(struct rp_replacement *this) {
    int status = 0;
    for (size_t i = 0; i < this->groups.count && !status; i++) {
        struct rp_group *group = &this->groups.list[i];
        if (!group->guessed) continue;
        rp_step(false, "watching where new connections arrive");
        status = verify(this, group);
    }
    return status;
}

void rp_transfer_rehearse(struct rp_replacement *this) {
    char text[RP_SOCKET_TEXT];
    rp_replacement_look(this, 0);
    guess_all(this);
    for (size_t i = 0; i < this->groups.count && !this->groups.left_alone; i++) {
        const struct rp_group *group = &this->groups.list[i];
        const char *why = rp_group_weakness(group, &this->look);
        if (why) rp_doubt(this->plan, "%s: %s", rp_socket_text(&group->like, text), why);
    }
}
