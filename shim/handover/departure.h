/* The second half of a replacement: until the old server has ended. */
#ifndef RP_DEPARTURE_H
#define RP_DEPARTURE_H

#include "handover/replacement.h"

/* All but the last return 0, or 125 after rp_undo. */

/* Sends new connections to the new server alone, and says where that cannot be promised. */
int rp_send_to_new(struct rp_replacement *this);

/* Waits, a second longer than the plan's drain at most, until nothing is left for the old server to
 * accept: neither in its queues, nor in the midst of accept(2), nor in a handshake that began
 * before the change and reaches a queue a round trip later. */
int rp_wait_for_queues(struct rp_replacement *this);

/* Waits for the old server's connections to end, as long as the plan's drain at most. *left: how
 * many have not. */
int rp_wait_for_connections(struct rp_replacement *this, unsigned long *left);

/* The last look before the old server is signalled: makes sure that the new one still listens. */
int rp_check_new(struct rp_replacement *this);

/* Signals the old server and waits for the end of it and of its sockets, which a descendant may
 * keep; then leaves the new one to the kernel's own choice. Returns false if it has not ended in
 * time. */
bool rp_stop_old(struct rp_replacement *this);

#endif
