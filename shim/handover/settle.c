/* SPDX-License-Identifier: MIT */
/* Connections under way are listed once, right after the change: those that begin later go to the
 * other server. */
#include "handover/settle.h"

#include "base/clock.h"
#include "base/progress.h"
#include "look/traffic.h"

enum { QUIET = 100 /* milliseconds without anything left to accept */ };

bool rp_settle(struct rp_replacement *this, enum rp_side side, long patience,
               bool (*stop)(struct rp_replacement *), struct rp_unsettled_counts *left) {
    const double begin = rp_now();
    struct rp_sockets unsettled = {NULL, 0, 0};
    int quiet = 0;
    rp_replacement_look(this, RP_CONNECTED | RP_SYN_RECEIVED);
    rp_unsettled(&this->groups, &this->look, &unsettled);
    for (; quiet < QUIET / RP_TICK && !stop(this); rp_tick()) {
        rp_replacement_look(this, RP_CONNECTED | RP_SYN_RECEIVED);
        left->waiting = rp_waiting(&this->look, side);
        left->under_way = rp_still_unsettled(&this->look, &unsettled);
        quiet = left->waiting || left->under_way ? 0 : quiet + 1;
        rp_step(true, "connections that wait for the %s server: %lu, under way: %lu, %.0f s",
                side == RP_OLD ? "old" : "new", left->waiting, left->under_way, rp_now() - begin);
        if (rp_now() - begin > (double)patience + 1 && !quiet) break;
    }
    rp_sockets_free(&unsettled);
    return quiet > 0;
}
