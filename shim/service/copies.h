/* SPDX-License-Identifier: MIT */
/* Starts copies, ends them, and acts when one has ended. None of these functions is
 * async-signal-safe. */
#ifndef RP_COPIES_H
#define RP_COPIES_H

#include "launch/signals.h"
#include "service/service.h"

/* Moves the copy to the state that follows the event, and reports that with -v. */
void rp_copy_change(struct rp_service *service, struct rp_copy *copy, enum rp_event event);

/* Forks a keeper for a copy that is absent or waiting, with a socket of its own if --ready=notify
 * requires one. Returns 0, or an errno: the copy then stays as it was. */
int rp_copy_start(struct rp_service *service, struct rp_copy *copy);

/* Sends the copy a signal that ends servers, and plans KILL: after --stop-timeout if that is given,
 * else after `patience` seconds, or never if that is 0. */
void rp_copy_end(struct rp_service *service, struct rp_copy *copy, int number, enum rp_origin from,
                 double patience);

/* Removes a copy: drains it first if it runs, then ends it by TERM, with that patience, as
 * rp_copy_end() does. */
void rp_copy_leave(struct rp_service *service, struct rp_copy *copy, double patience);

/* To be called when a child has ended, `how` as in wait(2). Returns the copy whose keeper it was,
 * or NULL. */
struct rp_copy *rp_copy_ended(struct rp_service *service, pid_t pid, int how);

/* Sends all copies a signal that ends servers; none is restarted. */
void rp_copies_stop(struct rp_service *service, int number, enum rp_origin from);

/* Starts and kills the copies for which that is due. */
void rp_copies_wake(struct rp_service *service);

/* When rp_copies_wake() is due next, by rp_now(); 0: never. */
double rp_copies_due(const struct rp_service *service);

/* The absent copy with the lowest number, or NULL. */
struct rp_copy *rp_copy_free(struct rp_service *service);

/* The copy with the highest number of those that neither are leaving nor wait to take another's
 * place, or NULL. */
struct rp_copy *rp_copy_last(struct rp_service *service);

#endif
