/* SPDX-License-Identifier: MIT */
/* Adopting the old server's sockets, and starting the new server. */
#include "handover/arrival.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/progress.h"
#include "inspect/option.h"
#include "inspect/rights.h"
#include "inspect/trial.h"
#include "look/coverage.h"
#include "look/traffic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double time_wait = 65; /* seconds, somewhat longer than the kernel's */

/* Seconds without a new socket, after which other addresses and fewer sockets are accepted, too. */
static const double grace = 1;

bool rp_shares_already(const struct rp_socket *socket) {
    struct rp_trial trial = rp_trial_like(socket);
    trial.reuseaddr = socket->proto == RP_TCP; /* connections in TIME_WAIT */
    return !rp_trial_bind(&trial);
}

void rp_refuse_socket(const struct rp_replacement *this, const struct rp_socket *socket,
                      int error) {
    char text[RP_SOCKET_TEXT];
    rp_die("replace: %s of pid %d: %s%s", rp_socket_text(socket, text), (int)this->pid,
           rp_option_reason(error),
           rp_is_privileged_port(socket->local.port)
               ? "; if it shares its port already, CAP_NET_BIND_SERVICE suffices, which this port "
                 "requires (net.ipv4.ip_unprivileged_port_start)"
               : "");
}

void rp_adopt_all(struct rp_replacement *this) {
    this->adopted = calloc(this->held.count, sizeof(*this->adopted));
    if (!this->adopted) rp_die("%s", strerror(errno));
    for (size_t i = 0; i < this->held.count; i++) {
        const struct rp_socket *socket = &this->held.list[i];
        const int error = rp_option_switch(socket, true, &this->adopted[i]);
        if (!error || rp_shares_already(socket)) continue;
        rp_give_back(this);
        rp_refuse_socket(this, socket, error);
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
            rp_step(again, "waiting for connections that block the new bind");
            again = true;
        }
        if (rp_is_interrupted()) return rp_undo(this, "interrupted");
    }
    return 0;
}

int rp_start_new(struct rp_replacement *this) {
    this->steward = rp_steward_start(&this->groups);
    if (!this->steward) return rp_undo(this, "fork: %s", strerror(errno));
    rp_replacement_look(this, 0);
    /* Where there is no group yet, the new server's first socket would start one without a program.
     * With --ready a socket of ours does so before (rp_group_visit). It may delay a SYN, which is
     * better than a connection to a server that is not ready. */
    rp_replacement_steer(this, RP_TO_OLD, this->plan->ready.by != RP_READY_LISTEN);
    if (!rp_server_plant(&this->servers.new, getpid()))
        return rp_undo(this, "/proc does not show this process");
    this->started = rp_now();
    const int error = rp_successor_start(&this->successor, &this->plan->copies);
    return error ? rp_undo(this, "fork: %s", strerror(error)) : 0;
}

/* Undoes, naming what the new server does not listen on. */
static int undo_missing(struct rp_replacement *this, unsigned copies) {
    const struct rp_plan *plan = this->plan;
    char missing[RP_ADDRESSES_TEXT];
    rp_missing(&this->groups, &this->look, copies, missing);
    return rp_undo(this, "%s%s on %s within %ld s (-p LIST names the ports to hand over)",
                   plan->copies.arguments[0],
                   copies > 1 ? " did not listen with every copy" : " did not listen", missing,
                   plan->start_timeout);
}

/* Undoes, unless that is allowed, if the new server receives less than the old one. */
static int check_coverage(struct rp_replacement *this) {
    char uncovered[RP_ADDRESSES_TEXT];
    if (this->plan->allow_uncovered || !*rp_uncovered(&this->groups, &this->look, uncovered))
        return 0;
    return rp_undo(this, "%s does not receive all traffic to %s (see --allow-uncovered)",
                   this->plan->copies.arguments[0], uncovered);
}

static size_t count_receivers(const struct rp_sockets *sockets) {
    size_t count = 0;
    for (size_t i = 0; i < sockets->count; i++) count += rp_is_receiver(&sockets->list[i]);
    return count;
}

int rp_wait_until_up(struct rp_replacement *this) {
    const struct rp_plan *plan = this->plan;
    const unsigned copies = plan->copies.count > 1 ? (unsigned)plan->copies.count : 1;
    const double begin = rp_now(), end = begin + (double)plan->start_timeout;
    double changed = begin; /* when it last opened or closed a socket */
    size_t count = 0;
    rp_step(false, "waiting until %s listens", plan->copies.arguments[0]);
    for (;; rp_replacement_tick(this)) {
        if (rp_is_interrupted()) return rp_undo(this, "interrupted");
        if (rp_successor_is_lost(&this->successor))
            return rp_undo_lost(this, " before it listened on all ports");
        rp_replacement_look(this, 0);
        if (rp_groups_are_up(&this->groups, copies)) return 0;
        const size_t now = count_receivers(&this->look.of[RP_NEW]);
        if (now != count) changed = rp_now();
        count = now;
        if (rp_now() <= end && rp_now() - changed <= grace) continue;
        if (rp_ports_are_up(&this->groups, &this->look, copies)) return check_coverage(this);
        if (rp_now() > end) return undo_missing(this, copies);
    }
}
