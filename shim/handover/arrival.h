/* SPDX-License-Identifier: MIT */
/* The first half of a replacement: until the new server listens beside the old one. None of these
 * functions is async-signal-safe. */
#ifndef RP_ARRIVAL_H
#define RP_ARRIVAL_H

#include "handover/replacement.h"

/* Whether another socket of the same user could share the socket's port now, by a trial bind
 * (rp_trial_bind). If so, SO_REUSEPORT need not be switched on, which requires permission to trace
 * the process and which MPTCP sockets may refuse (EOPNOTSUPP). */
bool rp_shares_already(const struct rp_socket *socket);

/* Exits with 125: the option cannot be switched on in that socket of the old server, for that errno
 * of rp_option_switch or rp_option_read, and rp_shares_already is false, which is not known of a
 * port that this process may not bind. */
void rp_refuse_socket(const struct rp_replacement *this, const struct rp_socket *socket, int error)
    __attribute__((noreturn));

/* Switches SO_REUSEPORT on in the old server's receivers (rp_option_switch). If it cannot, and
 * rp_shares_already is false, puts everything back and exits with 125. */
void rp_adopt_all(struct rp_replacement *this);

/* Each of the other steps returns 0, or 125 after rp_undo. */

/* Waits at most 65 seconds until COMMAND can bind, which connections accepted before the adoption
 * prevent. Switches the option on in those that the old server has; waits until it has accepted
 * those in its queues, and until the kernel has forgotten those that it closed. COMMAND itself
 * reports anything else that prevents it. */
int rp_clear_way(struct rp_replacement *this);

/* Starts the steward, sends new connections to the old server where there is a group already, and
 * starts COMMAND. */
int rp_start_new(struct rp_replacement *this);

/* Waits until all copies listen where the old server does, with as many sockets as it has in each
 * group; or, once they have opened none for a second, until they listen on its ports, with fewer or
 * at other addresses. Undoes if these receive less than the old server's, unless the plan allows
 * that. */
int rp_wait_until_up(struct rp_replacement *this);

#endif
