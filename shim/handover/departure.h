/* SPDX-License-Identifier: MIT */
/* The second half of a replacement: until the old server has ended. None of these functions is
 * async-signal-safe. */
#ifndef RP_DEPARTURE_H
#define RP_DEPARTURE_H

#include "handover/replacement.h"

/* All but the last return 0, or 125 after rp_undo. */

/* Sends new connections to the new server alone, and says where some could be lost. */
int rp_send_to_new(struct rp_replacement *this);

/* Waits until the old server has nothing left to accept: in its queues, inside accept(2), or in a
 * handshake that began before the change and reaches a queue a round trip later. Gives up a second
 * after the plan's drain. */
int rp_wait_for_queues(struct rp_replacement *this);

/* Waits for the old server's connections to end, at most for the plan's drain. *left: how many have
 * not. */
int rp_wait_for_connections(struct rp_replacement *this, unsigned long *left);

/* Makes sure that the new server still listens, before the old one is signalled. */
int rp_check_new(struct rp_replacement *this);

/* Signals the old server, waits for its end and that of its sockets, which a descendant may keep,
 * and ends steering. Returns false if it does not end in time. */
bool rp_stop_old(struct rp_replacement *this);

#endif
