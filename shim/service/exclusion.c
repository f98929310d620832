/* SPDX-License-Identifier: MIT */
/* A handshake that began before the exclusion ends after it, by a round trip or more: where time
 * was too short to tell, the next attempt has twice as much. */
#include "service/exclusion.h"

#include "base/clock.h"

/* In seconds, from exclusion to what counts as evidence: against numbers that were a guess, at
 * first and at most, and against known ones, for which it must be more, too. */
static const double guess_time = 0.02, guess_most = 2, known_time = 1;
enum { KNOWN_MARGIN = 3 };

void rp_exclusion_begin(struct rp_shared *shared, const bool *excluded) {
    for (size_t i = 0; i < shared->count; i++) {
        struct rp_listener *listener = &shared->list[i];
        if (!excluded || !excluded[i]) {
            listener->excluded = 0;
            if (excluded) listener->tries = 0;
        } else if (listener->excluded <= 0) {
            listener->excluded = rp_now();
            listener->least = -1;
        }
    }
}

/* Whether connections have come to the listener that should not. */
static bool is_evidence(const struct rp_shared *shared, struct rp_listener *listener) {
    const bool guessed = shared->members.unordered > 0;
    const double time = !guessed               ? known_time
                        : shared->patience > 0 ? shared->patience
                                               : guess_time;
    const long queue = listener->socket.queue;
    if (listener->excluded <= 0 || rp_now() - listener->excluded < time) return false;
    if (listener->least < 0 || queue < listener->least) listener->least = queue;
    return queue > listener->least + (guessed ? 0 : KNOWN_MARGIN);
}

/* Handshakes of before may have been taken for evidence, if all numbers have been tried. */
static void be_patient(struct rp_shared *shared, struct rp_listener *listener) {
    const double twice = 2 * (shared->patience > 0 ? shared->patience : guess_time);
    if (++listener->tries < shared->members.unordered) return;
    shared->patience = twice < guess_most ? twice : guess_most;
    listener->tries = 0;
}

bool rp_exclusion_fails(struct rp_shared *shared) {
    if (!shared->steered || shared->like.proto != RP_TCP ||
        shared->chosen_count != shared->members.count)
        return false;
    if (!shared->members.unordered) shared->patience = 0;
    for (size_t i = 0; i < shared->count; i++) {
        struct rp_listener *listener = &shared->list[i];
        if (!is_evidence(shared, listener)) continue;
        rp_members_doubt(&shared->members, listener->socket.inode, shared->chosen);
        be_patient(shared, listener);
        return true;
    }
    return false;
}

static bool may_all_receive(const struct rp_service *service) {
    for (int i = 0; i < service->slots; i++) {
        const struct rp_copy *copy = &service->list[i];
        if (copy->state != RP_ABSENT && copy->state != RP_WAITING && !rp_may_receive(copy))
            return false;
    }
    return true;
}

bool rp_may_guess(const struct rp_service *service, const struct rp_shared *shared) {
    return service->plan->balance && shared->like.proto == RP_TCP && may_all_receive(service);
}
