/* SPDX-License-Identifier: MIT */
/* Waiting until one of the two servers has nothing left to accept, after the groups have been
 * steered to the other. */
#ifndef RP_SETTLE_H
#define RP_SETTLE_H

#include "handover/replacement.h"

struct rp_unsettled_counts {
    unsigned long waiting, under_way; /* in its queues; handshakes and what is being accepted */
};

/* Waits until the side has nothing left to accept: in its queues, inside accept(2), or in a
 * handshake that began before the change and reaches a queue a round trip later. Gives up if stop
 * returns true, or after patience seconds and one more. *left: what was left at the last look.
 * Returns whether that was nothing. Not async-signal-safe. */
bool rp_settle(struct rp_replacement *this, enum rp_side side, long patience,
               bool (*stop)(struct rp_replacement *), struct rp_unsettled_counts *left);

#endif
