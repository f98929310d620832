/* SPDX-License-Identifier: MIT */
/* Starting copies, ending them, and what follows when one has ended. None of these functions is
 * async-signal-safe. */
#ifndef RP_COPIES_H
#define RP_COPIES_H

#include "launch/signals.h"
#include "service/service.h"

/* Moves the copy to the state that the event leads to, and says so if -v was given. */
void rp_copy_change(struct rp_service *service, struct rp_copy *copy, enum rp_event event);

/* Forks a keeper for a copy that is absent or waits, and gives it a socket of its own for READY=1
 * if that is wanted. Returns 0 or an errno: the copy then stays as it was. */
int rp_copy_start(struct rp_service *service, struct rp_copy *copy);

/* Sends the copy a signal that ends servers. After --stop-timeout, or else after `patience`
 * seconds unless that is 0, it is killed. */
void rp_copy_end(struct rp_service *service, struct rp_copy *copy, int number, enum rp_origin from,
                 double patience);

/* Has a copy leave, not to be started again: drained first if it is ready. After its end is asked
 * for, it has so many seconds before it is killed, unless that is 0. */
void rp_copy_leave(struct rp_service *service, struct rp_copy *copy, double patience);

/* Notes that a child has ended, *how as in wait(2). Returns the copy whose keeper it was, or
 * NULL. */
struct rp_copy *rp_copy_ended(struct rp_service *service, pid_t pid, int how);

/* Sends all copies a signal that ends servers; none is started again. */
void rp_copies_stop(struct rp_service *service, int number, enum rp_origin from);

/* Starts those whose time has come, and kills those that have not ended in time. */
void rp_copies_wake(struct rp_service *service);

/* When rp_copies_wake() has something to do next, by rp_now(); 0: never. */
double rp_copies_due(const struct rp_service *service);

/* The absent copy with the lowest number, or NULL. */
struct rp_copy *rp_copy_free(struct rp_service *service);

#endif
