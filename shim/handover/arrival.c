/* SPDX-License-Identifier: MIT */
/* Adopting the old server's sockets, and starting the new server. */
#include "handover/arrival.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/progress.h"
#include "handover/traffic.h"
#include "inspect/option.h"
#include "inspect/trial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double time_wait = 65;     /* seconds, somewhat longer than the kernel's */
static const double elsewhere_time = 1; /* seconds after which other addresses will do, too */

/* Whether a newcomer of the same user can join as it is: then nothing need be switched on, which
 * would require a right over the process, and where MPTCP is used may not be possible at all. */
static bool shares_already(const struct rp_socket *socket) {
    struct rp_trial trial = rp_trial_like(socket);
    trial.reuseaddr = socket->proto == RP_TCP; /* connections in TIME_WAIT */
    return !rp_trial_bind(&trial);
}

void rp_adopt_all(struct rp_replacement *this) {
    this->adopted = calloc(this->held.count, sizeof(*this->adopted));
    if (!this->adopted) rp_die("%s", strerror(errno));
    for (size_t i = 0; i < this->held.count; i++) {
        const struct rp_socket *socket = &this->held.list[i];
        char text[RP_SOCKET_TEXT];
        const int error = rp_option_switch(socket, true, &this->adopted[i]);
        if (!error || shares_already(socket)) continue;
        rp_give_back(this);
        rp_die("replace: %s of pid %d: %s", rp_socket_text(socket, text), (int)this->pid,
               rp_option_reason(error));
    }
}

/* Whether a bind by the old server's user would fail with EADDRINUSE now. */
static bool is_blocked(const struct rp_groups *groups) {
    for (size_t i = 0; i < groups->count; i++) {
        const struct rp_socket *like = &groups->list[i].like;
        if (like->proto == RP_TCP && rp_trial_in_use(like, true)) return true;
    }
    return false;
}

int rp_clear_way(struct rp_replacement *this) {
    const double begin = rp_now();
    bool again = false;
    /* Two quiet looks, as one may miss a connection that is just being accepted. */
    for (int quiet = 0; quiet < 2 && rp_now() - begin < time_wait; rp_tick()) {
        const bool changed = rp_share_connections(this, true) > 0;
        if (!is_blocked(&this->groups)) return 0;
        rp_replacement_look(this, RP_HOLDING);
        quiet = changed || rp_passing(&this->look) ? 0 : quiet + 1;
        if (!quiet) {
            rp_step(again, "waiting for connections from before to get out of the way");
            again = true;
        }
        if (rp_is_interrupted()) return rp_undo(this, "interrupted");
    }
    return 0;
}

int rp_start_new(struct rp_replacement *this) {
    this->steward = rp_steward_start(&this->groups, &this->held);
    rp_replacement_look(this, 0);
    /* Fails where there is no group yet; the first of the new server's sockets makes one. */
    rp_replacement_steer(this, RP_TO_OLD, false);
    if (!rp_server_plant(&this->servers.new, getpid()))
        return rp_undo(this, "/proc does not show this process");
    const int error = rp_successor_start(&this->successor, &this->plan->copies);
    return error ? rp_undo(this, "fork: %s", strerror(error)) : 0;
}

int rp_wait_until_up(struct rp_replacement *this) {
    const struct rp_plan *plan = this->plan;
    const char *command = plan->copies.arguments[0];
    const unsigned copies = plan->copies.count > 1 ? (unsigned)plan->copies.count : 1;
    const double begin = rp_now();
    double elsewhere = 0; /* since when it has listened on the ports */
    rp_step(false, "waiting until %s listens", command);
    for (;; rp_tick()) {
        if (rp_is_interrupted()) return rp_undo(this, "interrupted");
        if (rp_successor_is_lost(&this->successor))
            return rp_undo_lost(this, " before it listened on all ports");
        rp_replacement_look(this, 0);
        if (rp_groups_are_up(&this->groups, copies)) return 0;
        if (!rp_ports_are_up(&this->groups, &this->look, copies))
            elsewhere = 0;
        else if (elsewhere == 0)
            elsewhere = rp_now();
        else if (rp_now() - elsewhere > elsewhere_time)
            return 0;
        if (rp_now() - begin > (double)plan->start_timeout)
            return rp_undo(this, "%s does not listen on all ports after %ld seconds", command,
                           plan->start_timeout);
    }
}
