/* SPDX-License-Identifier: MIT */
/* Keeping connections from a copy that is about to end matters more than how the others share the
 * load. */
#include "service/choice.h"

#include "base/clock.h"
#include "base/die.h"
#include "service/exclusion.h"
#include "service/ownership.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In seconds: for how long a new listener may be a copy's, of which a process was missed at first
 * (service/ownership); after it began to listen, a copy may open more of them for so long. */
static const double search_time = 0.5, settle_time = 1;

bool rp_is_gated(const struct rp_service *service) {
    for (int i = 0; i < service->slots; i++)
        if (service->list[i].gated) return true;
    return false;
}

bool rp_is_allowed(const struct rp_service *service, const struct rp_shared *shared,
                   const struct rp_listener *listener) {
    if (listener->copy >= 0) return rp_may_receive(&service->list[listener->copy]);
    if (listener->copy != RP_HIDDEN) return false;
    for (int i = 0; i < service->slots; i++)
        if (!rp_may_receive(&service->list[i]) && rp_may_have(shared, listener, &service->list[i]))
            return false;
    return true;
}

/* Whether a listener that no copy is known to have may be that of one that starts. */
static bool may_be_found(const struct rp_service *service, const struct rp_listener *listener) {
    const double now = rp_now();
    for (int i = 0; i < service->slots && now - listener->since < search_time; i++) {
        const struct rp_copy *copy = &service->list[i];
        if ((copy->state == RP_STARTING || copy->state == RP_SERVING) &&
            copy->started <= listener->since &&
            (copy->listened <= 0 || now - copy->listened < settle_time))
            return true;
    }
    return false;
}

/* Whether somebody else is in the group; moving: for certain. */
static bool has_stranger(const struct rp_service *service, const struct rp_shared *shared,
                         bool moving) {
    for (size_t i = 0; i < shared->count; i++) {
        const struct rp_listener *listener = &shared->list[i];
        if (listener->copy == RP_EVERYBODY ||
            (listener->copy == RP_STRANGER && !(moving && may_be_found(service, listener))))
            return true;
    }
    return false;
}

/* The members that are about to leave, as their copies have been told to end. */
static size_t count_leaving(const struct rp_service *service, const struct rp_shared *shared) {
    size_t count = 0;
    for (size_t i = 0; i < shared->count; i++)
        count +=
            shared->list[i].copy >= 0 && service->list[shared->list[i].copy].state == RP_ENDING;
    return count;
}

/* Drops the chosen whose numbers are below `first` or above `last`, unless nothing is left then.
 * Returns how many are chosen. */
static size_t narrow(const struct rp_members *members, size_t first, size_t last, bool *chosen) {
    size_t all = 0, left = 0;
    for (size_t i = 0; i < members->count; i++) {
        all += chosen[i];
        left += chosen[i] && i >= first && i <= last;
    }
    for (size_t i = 0; left && i < members->count; i++)
        chosen[i] = chosen[i] && i >= first && i <= last;
    return left ? left : all;
}

/* Chooses by states, and if balanced by queues. Returns how many; *sure as of rp_members_choose. */
static size_t choose(const struct rp_service *service, const struct rp_shared *shared,
                     bool balanced, bool *chosen, bool *sure) {
    size_t allowed = 0;
    uint32_t *inodes = calloc(shared->count + 1, sizeof(*inodes));
    if (!inodes) rp_die("%s", strerror(errno));
    for (size_t i = 0; i < shared->count; i++)
        if (rp_is_allowed(service, shared, &shared->list[i]) &&
            !(balanced && shared->list[i].passed_over))
            inodes[allowed++] = shared->list[i].socket.inode;
    rp_members_choose(&shared->members, inodes, allowed, chosen, sure);
    free(inodes);
    return allowed;
}

/* Whether only members with known numbers are chosen, once the others are dropped. */
static bool keep_known(const struct rp_members *members, bool *chosen, size_t *allowed) {
    *allowed = narrow(members, members->unordered, members->count, chosen);
    for (size_t i = 0; i < members->unordered; i++)
        if (chosen[i]) return false;
    return true;
}

/* When a member leaves, the last takes its number. While several leave, in whatever order, those
 * keep theirs whose numbers are not above what is left, or lose them with the last that leaves. */
enum rp_target rp_choose(const struct rp_service *service, const struct rp_shared *shared,
                         bool *chosen) {
    const struct rp_members *members = &shared->members;
    const size_t leaving = count_leaving(service, shared);
    const bool gated = rp_is_gated(service);
    const bool moving = gated || leaving || rp_count(service, RP_DRAINING);
    bool sure;
    if (service->stopping) return RP_BY_KERNEL;
    if (has_stranger(service, shared, moving))
        return leaving && shared->steered ? RP_AS_BEFORE : RP_BY_KERNEL;
    const bool balanced = !moving || (leaving < 2 && !members->unordered);
    size_t allowed = choose(service, shared, balanced, chosen, &sure);
    if (!sure && moving)
        sure = keep_known(members, chosen, &allowed);
    else if (!sure)
        sure = rp_may_guess(service, shared);
    if (!allowed || !sure) return leaving ? RP_AS_BEFORE : RP_BY_KERNEL;
    if (leaving > 1) allowed = narrow(members, 0, members->count - leaving, chosen);
    return allowed == shared->count && !gated ? RP_TO_ALL : RP_TO_SOME;
}
