/* SPDX-License-Identifier: MIT */
/* Which members of a group are to get new connections, by the copies' states and queues. Nothing
 * here is async-signal-safe. */
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

/* Stores in chosen, which has room for all members, whether each number receives. To the kernel are
 * left: a group with a stranger, one in which no copy may receive, and one of which the numbers are
 * not known, unless copies that are known can stand in for the others while one drains. Exits with
 * 125 if memory runs out. */
enum rp_target rp_choose(const struct rp_service *service, const struct rp_shared *shared,
                         bool *chosen);

/* Whether a copy is about to join that is not to get connections yet. */
bool rp_is_gated(const struct rp_service *service);

/* Whether the listener is chosen by its copy's state alone. */
bool rp_is_allowed(const struct rp_service *service, const struct rp_shared *shared,
                   const struct rp_listener *listener);

#endif
