/* SPDX-License-Identifier: MIT */
/* A group without the right to bpf(2), or with a member that cannot be duplicated, is left to a
 * classic program. */
#include "service/dealing.h"

#include "base/clock.h"
#include "base/die.h"
#include "group/dealer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const double check_time = 1; /* seconds without a connection dealt, while some arrive */

/* Opens the group's dealer, unless an earlier try failed. */
static bool open_dealer(const struct rp_service *service, struct rp_dealing *dealing) {
    static bool failed;
    if (dealing->dealer || failed) return dealing->dealer;
    dealing->dealer = rp_dealer_open();
    failed = !dealing->dealer;
    if (failed && service->copies.verbose)
        rp_warn("--balance chooses among free copies at random, as eBPF is not available: %s",
                strerror(errno));
    return !failed;
}

bool rp_can_deal(const struct rp_service *service, struct rp_shared *shared) {
    return service->plan->balance && shared->like.proto == RP_TCP && shared->count > 1 &&
           shared->count <= RP_DEALER_SEATS && !shared->dealing.refused &&
           open_dealer(service, &shared->dealing);
}

bool rp_deal(struct rp_shared *shared, const bool *allowed) {
    struct rp_dealing *dealing = &shared->dealing;
    struct rp_player players[RP_DEALER_SEATS];
    struct rp_sockets sockets = rp_shared_sockets(shared);
    size_t count = 0;
    dealing->refused = rp_dealer_seat(dealing->dealer, &sockets);
    free(sockets.list);
    if (dealing->refused) return false;
    for (size_t i = 0; i < shared->count; i++)
        if (allowed[i])
            players[count++] =
                (struct rp_player){shared->list[i].socket.inode, shared->list[i].socket.queue};
    rp_dealer_choose(dealing->dealer, players, count);
    rp_dealer_renew(dealing->dealer);
    return true;
}

static void note(const struct rp_service *service, struct rp_dealing *dealing) {
    dealing->checked = rp_now();
    dealing->dealt = rp_dealer_dealt(dealing->dealer);
    dealing->arrivals = service->arrivals;
}

bool rp_deal_is_idle(const struct rp_service *service, struct rp_shared *shared) {
    struct rp_dealing *dealing = &shared->dealing;
    if (!shared->steered || !dealing->attached) return true;
    if (rp_now() - dealing->checked < check_time) return false;
    const bool idle = service->arrivals != dealing->arrivals &&
                      rp_dealer_dealt(dealing->dealer) == dealing->dealt;
    note(service, dealing);
    return idle;
}

bool rp_deal_attach(const struct rp_service *service, struct rp_shared *shared) {
    struct rp_dealing *dealing = &shared->dealing;
    struct rp_sockets sockets = rp_shared_sockets(shared);
    dealing->refused = rp_dealer_attach(dealing->dealer, &shared->like, &sockets);
    dealing->attached = !dealing->refused;
    note(service, dealing);
    free(sockets.list);
    return dealing->attached;
}
