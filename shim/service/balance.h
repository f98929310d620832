/* SPDX-License-Identifier: MIT */
/* --balance: finds the copies whose queues are short. */
#ifndef RP_BALANCE_H
#define RP_BALANCE_H

#include "service/service.h"

/* Marks the group's listeners that new connections are to pass over: those whose queue is longer
 * than the shortest plus each one's part of what one look brings, and those that are
 * stalled, unless all are. arrived: connections since the last look. Async-signal-safe. */
void rp_balance_group(const struct rp_service *service, struct rp_shared *shared, long arrived);

/* Does so for all TCP groups. Reads the counter of connections that arrived in this network
 * namespace (PassiveOpens of /proc/net/snmp, proc(5)): neighbours' count, too, and make the choice
 * less strict. Reads now and then which copies' processes are stopped. Not
 * async-signal-safe. */
void rp_balance(struct rp_service *service);

/* Whether its processes are stopped, or it has had connections to accept for a quarter of a second,
 * and has accepted none. Not async-signal-safe. */
bool rp_is_stalled(const struct rp_listener *listener);

/* Seconds until the next look: short while anything waits or arrives. */
double rp_balance_pause(const struct rp_service *service);

/* The connections that have arrived in this network namespace, at the last rp_balance() or call of
 * this. Not async-signal-safe. */
unsigned long rp_arrivals(struct rp_service *service);

#endif
