/* SPDX-License-Identifier: MIT */
/* What a copy says is read at every look; questions are asked here alone. */
#include "handover/readiness.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/progress.h"
#include "handover/guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double pause_time = 0.2; /* seconds from one question to the next */
static const double hang_time = 1;    /* after which a question is said to hang */

const struct rp_notify *rp_open_notify(struct rp_replacement *this) {
    struct rp_readiness *readiness = &this->readiness;
    readiness->copies = this->plan->copies.count > 1 ? (unsigned)this->plan->copies.count : 1;
    if (this->plan->ready.by != RP_READY_NOTIFY) return NULL;
    readiness->notify = calloc(readiness->copies, sizeof(*readiness->notify));
    readiness->sockets = calloc(readiness->copies, sizeof(*readiness->sockets));
    if (!readiness->notify || !readiness->sockets) rp_die("%s", strerror(errno));
    for (unsigned i = 0; i < readiness->copies; i++) {
        const int error = rp_notify_open(&readiness->notify[i]);
        if (error) rp_die("--ready=notify: cannot open a socket: %s", strerror(error));
        readiness->sockets[i] = (struct pollfd){readiness->notify[i].fd, POLLIN, 0};
    }
    return readiness->notify;
}

void rp_close_notify(struct rp_replacement *this) {
    for (unsigned i = 0; this->readiness.notify && i < this->readiness.copies; i++)
        rp_notify_close(&this->readiness.notify[i]);
    free(this->readiness.notify);
    free(this->readiness.sockets);
    this->readiness.notify = NULL;
}

/* Asks the next question if the last has ended. Returns 0 or an errno; *ready: no copy is left to
 * ask. */
static int ask(struct rp_replacement *this, bool *ready) {
    struct rp_readiness *readiness = &this->readiness;
    struct rp_question *question = &readiness->question;
    if (rp_question_runs(question)) return 0;
    if (readiness->last > 0 && question->status == 0) {
        readiness->asked++;
        readiness->last = 0;
    }
    *ready = readiness->asked == readiness->copies;
    if (*ready || rp_now() - readiness->last < pause_time) return 0;
    char from[INET_ADDRSTRLEN];
    struct rp_asked asked = {
        .line = this->plan->ready.line,
        .server = rp_successor_copy(&this->successor, &this->plan->copies, readiness->asked),
    };
    if (!asked.server) return 0;
    asked.from = rp_guest_admit(this, asked.server, from);
    if (readiness->last == 0) question->status = -1;
    readiness->last = rp_now();
    return rp_question_ask(question, &asked);
}

static bool have_all_said_so(const struct rp_readiness *readiness) {
    for (unsigned i = 0; i < readiness->copies; i++)
        if (!readiness->notify[i].ready) return false;
    return true;
}

/* Whether it still listens: one that only tried its ports at first may do so again. */
static bool is_up(const struct rp_replacement *this) {
    return rp_ports_are_up(&this->groups, &this->look, 1);
}

/* Says what is missing. */
static int give_up(struct rp_replacement *this) {
    struct rp_readiness *readiness = &this->readiness;
    const struct rp_ready *wanted = &this->plan->ready;
    const int status = readiness->question.status;
    const bool hangs = rp_question_runs(&readiness->question) &&
                       (status < 0 || rp_now() - readiness->last > hang_time);
    unsigned copy = readiness->asked;
    char who[32] = "", what[160];
    if (!is_up(this))
        return rp_undo(this, "%s no longer listens on all ports after %ld seconds",
                       this->plan->copies.arguments[0], this->plan->start_timeout);
    for (; readiness->notify && readiness->notify[copy].ready; copy++) {
    }
    if (readiness->copies > 1) snprintf(who, sizeof(who), "copy %u of ", copy);
    if (readiness->notify)
        snprintf(what, sizeof(what), "has not said READY=1");
    else if (hangs || status < 0)
        snprintf(what, sizeof(what), "\"%.80s\" has not ended", wanted->line);
    else
        snprintf(what, sizeof(what), "\"%.80s\" still ends with status %d", wanted->line, status);
    return rp_undo(this, "%s%s listens, but %s after %ld seconds", who,
                   this->plan->copies.arguments[0], what, this->plan->start_timeout);
}

/* Returns 0, an exit status after rp_undo, or -1: not yet. */
static int look_for_ready(struct rp_replacement *this) {
    bool ready = false;
    if (rp_is_interrupted()) return rp_undo(this, "interrupted");
    if (rp_successor_is_lost(&this->successor)) return rp_undo_lost(this, " before it was ready");
    rp_replacement_look(this, 0);
    if (!is_up(this)) return -1;
    if (this->readiness.notify)
        ready = have_all_said_so(&this->readiness);
    else {
        const int error = ask(this, &ready);
        if (error) return rp_undo(this, "fork: %s", strerror(error));
    }
    return ready ? 0 : -1;
}

/* Says where connections could not be kept from COMMAND; if the plan is strict, undoes. */
static int tell_early(struct rp_replacement *this) {
    static const char why[] =
        "connections cannot be kept from the new server until it is ready, as "
        "somebody else has sockets there";
    char text[RP_SOCKET_TEXT];
    for (size_t i = 0; i < this->groups.count && !this->groups.left_alone; i++) {
        const struct rp_group *group = &this->groups.list[i];
        if (group->way == RP_TO_OLD || !group->others) continue;
        rp_socket_text(&group->like, text);
        if (this->plan->strict) return rp_undo(this, "--strict: %s: %s", text, why);
        rp_steps_warn("replace: %s: %s", text, why);
    }
    return 0;
}

int rp_wait_until_ready(struct rp_replacement *this) {
    const double end = this->started + (double)this->plan->start_timeout;
    if (this->plan->ready.by == RP_READY_LISTEN) return 0;
    const int told = tell_early(this);
    if (told) return told;
    rp_step(false, "waiting until %s is ready", this->plan->copies.arguments[0]);
    for (;; rp_replacement_tick(this)) {
        const int status = look_for_ready(this);
        if (status >= 0) {
            rp_guest_dismiss(this);
            return status;
        }
        if (rp_now() > end) return give_up(this);
    }
}
