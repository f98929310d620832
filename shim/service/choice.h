/* SPDX-License-Identifier: MIT */
/* Which members of a group get new connections, by the copies' states and queues. None of these
 * functions is async-signal-safe. */
#ifndef RP_CHOICE_H
#define RP_CHOICE_H

#include "service/service.h"

/* What is to be attached to a group. */
enum rp_target {
    RP_BY_KERNEL, /* nothing */
    RP_TO_ALL,    /* nobody is excluded */
    RP_TO_SOME,
    RP_AS_BEFORE, /* what is attached stays */
};

/* Stores in chosen, which has room for all members, whether each number receives. Leaves to the
 * kernel a group with a stranger, one in which no copy may receive, and one whose numbers are not
 * known, unless members with known numbers can stand in for the others while a copy drains, or
 * rp_may_guess(). Exits with 125 if memory runs out. */
enum rp_target rp_choose(const struct rp_service *service, const struct rp_shared *shared,
                         bool *chosen);

/* Whether a copy that is to get no connections yet may join at any time. */
bool rp_is_gated(const struct rp_service *service);

/* Whether the listener may receive, by the states of the copies that may have it. */
bool rp_is_allowed(const struct rp_service *service, const struct rp_shared *shared,
                   const struct rp_listener *listener);

#endif
