/* SPDX-License-Identifier: MIT */
/* --balance where bpf(2) is permitted: the group's program deals by itself between two looks
 * (group/dealer.h). None of these functions is async-signal-safe. */
#ifndef RP_DEALING_H
#define RP_DEALING_H

#include "service/service.h"

/* Whether the group's connections may be dealt: it is TCP's with two members or more, --balance
 * is given, bpf(2) permitted, and no member has been refused since the last one joined or left. */
bool rp_can_deal(const struct rp_service *service, struct rp_shared *shared);

/* Brings the dealer up to date. allowed: to whom to deal, at least one of them, in the order of
 * shared->list. Requires rp_can_deal(). Returns false if a member is refused. */
bool rp_deal(struct rp_shared *shared, const bool *allowed);

/* Whether the dealer's program has yet to be attached, or has to be again: for a second connections
 * have arrived, and it has dealt none. Requires rp_can_deal(). */
bool rp_deal_is_idle(const struct rp_service *service, struct rp_shared *shared);

/* Attaches the dealer's program. Returns whether that was possible. Requires rp_can_deal(). */
bool rp_deal_attach(const struct rp_service *service, struct rp_shared *shared);

#endif
