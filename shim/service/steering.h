/* SPDX-License-Identifier: MIT */
/* Steers new connections to some of the copies, by a BPF program on each group. None is attached as
 * long as no copy is excluded. None of these functions is async-signal-safe. */
#ifndef RP_STEERING_H
#define RP_STEERING_H

#include "service/service.h"

/* To be called before the first copy is started: has the copies' keepers detach the programs if
 * this process is killed. */
void rp_steering_prepare(struct rp_service *service);

/* Brings the programs in line with the copies' states and, with --balance, their queues. Leaves a
 * group to the kernel if no copy there is ready, if somebody else is in it, or if its members'
 * numbers are not known; touches none while another process replaces this service
 * (inspect/lock.h). */
void rp_steer(struct rp_service *service);

/* Whether a program of ours is attached anywhere. */
bool rp_is_steering(const struct rp_service *service);

/* Whether no connection comes to the copy, as far as its listeners are known. */
bool rp_is_excluded(const struct rp_service *service, const struct rp_copy *copy);

#endif
