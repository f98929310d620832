/* SPDX-License-Identifier: MIT */
/* No step is stored: the next one follows from the copies' states. */
#include "service/renewal.h"

#include "base/die.h"
#include "service/copies.h"
#include "service/manager.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Whether a step is under way. */
static bool is_moving(const struct rp_service *service) {
    for (int i = 0; i < service->slots; i++) {
        const struct rp_copy *copy = &service->list[i];
        if (copy->fresh || copy->state == RP_DRAINING ||
            (copy->state == RP_ENDING && copy->leaving))
            return true;
    }
    return false;
}

/* The next of the copies that were started before the renewal, or NULL: first those that do not
 * serve, as they are not missed. */
static struct rp_copy *find_old(struct rp_service *service) {
    struct rp_copy *old = NULL;
    for (int i = 0; i < service->slots; i++) {
        struct rp_copy *copy = &service->list[i];
        if (copy->state == RP_ABSENT || copy->generation == service->generation) continue;
        if (copy->state != RP_SERVING) return copy;
        if (!old) old = copy;
    }
    return old;
}

static void end(struct rp_service *service, bool failed) {
    service->renewing = service->again = false;
    rp_manager_reloaded(service, failed);
}

void rp_renewal_begin(struct rp_service *service) {
    if (service->stopping) return;
    rp_manager_reloading(service);
    if (service->renewing) {
        service->again = true;
        return;
    }
    if (service->plan->in_place && service->target < 2) {
        rp_warn("renewal: --in-place requires at least two copies");
        rp_manager_reloaded(service, true);
        return;
    }
    service->renewing = true;
    service->generation++;
}

void rp_renewal_fail(struct rp_service *service, const char *format, ...) {
    const int live = rp_count_live(service);
    char why[160], rest[64] = "the old copies stay";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    if (live < service->target)
        snprintf(rest, sizeof(rest), "%d of %d copies are left", live, service->target);
    rp_warn("renewal %s: %s; %s", service->again ? "begins again" : "ended", why, rest);
    if (!service->again) end(service, true);
}

static void finish(struct rp_service *service) {
    if (service->copies.verbose) rp_warn("renewal ended: all copies are new");
    end(service, false);
}

static void start_new(struct rp_service *service) {
    struct rp_copy *copy = rp_copy_free(service);
    if (!copy) return; /* one is still ending */
    copy->fresh = true;
    rp_manager_extend(service);
    const int error = rp_copy_start(service, copy);
    if (!error) return;
    copy->fresh = false;
    rp_renewal_fail(service, "copy %d cannot be started: %s", copy->number, strerror(error));
}

static void take_away(struct rp_service *service, struct rp_copy *old) {
    rp_manager_extend(service);
    rp_copy_leave(service, old, RP_LEAVE_TIME);
}

/* Old copies that ended by themselves were started again, beside the new one. */
static void take_surplus(struct rp_service *service) {
    struct rp_copy *last = rp_copy_last(service);
    const int others = rp_count(service, RP_SERVING) - (last->state == RP_SERVING);
    if (others >= service->target) take_away(service, last);
}

void rp_renewal_step(struct rp_service *service) {
    const int spare = service->plan->in_place ? 0 : 1;
    if (!service->renewing || service->stopping || is_moving(service)) return;
    if (service->again) service->generation++;
    service->again = false;
    struct rp_copy *old = find_old(service);
    const int live = rp_count_live(service);
    if (live < service->target || (old && live < service->target + spare))
        start_new(service);
    else if (old && (old->state != RP_SERVING || rp_count(service, RP_SERVING) > 1))
        take_away(service, old);
    else if (old)
        return; /* until another one serves */
    else if (live > service->target)
        take_surplus(service);
    else
        finish(service);
}
