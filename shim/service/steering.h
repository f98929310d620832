/* SPDX-License-Identifier: MIT */
/* Steers new connections to some of the copies, by a BPF program on each group: the dealer's
 * (service/dealing.h), or a classic one, which is attached only while a copy is excluded. None of
 * these functions is async-signal-safe. */
#ifndef RP_STEERING_H
#define RP_STEERING_H

#include "service/service.h"

/* Brings the programs in line with the copies' states and, with --balance, their queues. Leaves a
 * group to the kernel if no copy there is ready, if somebody else is in it, or if a classic program
 * would go by members' numbers that are not known, unless it may guess (service/exclusion.h);
 * touches none while another process replaces this service (inspect/lock.h). */
void rp_steer(struct rp_service *service);

/* Does the same, and attaches anew what should be attached: somebody else may have detached it, as
 * adopt --unsteer does, or a replacement that was undone. */
void rp_steer_anew(struct rp_service *service);

/* Whether a program of ours is attached anywhere. */
bool rp_is_steering(const struct rp_service *service);

/* Whether no connection comes to the copy, as far as its listeners are known. */
bool rp_is_excluded(const struct rp_service *service, const struct rp_copy *copy);

#endif
