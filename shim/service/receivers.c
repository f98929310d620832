/* SPDX-License-Identifier: MIT */
/* A queue that is long for a moment is not worth a line. */
#include "service/receivers.h"

#include "base/clock.h"
#include "base/die.h"
#include "service/balance.h"

#include <stdio.h>
#include <string.h>

static const double say_time = 1; /* seconds from one line to the next */

/* Whether the copy gets connections, but for the moments in which its queue is long. */
static bool is_named(const struct rp_service *service, const struct rp_shared *shared,
                     const struct rp_listener *listener) {
    return rp_is_allowed(service, shared, listener) &&
           !(listener->passed_over && rp_is_stalled(listener));
}

/* The copies of the group that get connections: " copies 0 2", " 3 of 4 copies", " every copy". */
static void list_receivers(const struct rp_service *service, const struct rp_shared *shared,
                           char *text, size_t size) {
    size_t named = 0, hidden = 0, length;
    for (size_t i = 0; i < shared->count; i++) {
        named += is_named(service, shared, &shared->list[i]);
        hidden += shared->list[i].copy == RP_HIDDEN;
    }
    length = (size_t)snprintf(text, size, " copies");
    if (!named || named == shared->count)
        snprintf(text, size, " every copy");
    else if (hidden)
        snprintf(text, size, " %zu of %zu copies", named, shared->count);
    for (int copy = 0; copy < service->slots && !hidden && named < shared->count; copy++)
        for (size_t i = 0; i < shared->count && length + 16 < size; i++)
            if (shared->list[i].copy == copy && is_named(service, shared, &shared->list[i]))
                length += (size_t)snprintf(text + length, size - length, " %d", copy);
}

void rp_say_receivers(const struct rp_service *service, struct rp_shared *shared,
                      enum rp_target target) {
    char text[sizeof(shared->receivers)] = " every copy", name[RP_SOCKET_TEXT];
    if (!service->copies.verbose || rp_now() - shared->said < say_time) return;
    if (target == RP_TO_SOME) list_receivers(service, shared, text, sizeof(text));
    if (!strcmp(text, *shared->receivers ? shared->receivers : " every copy")) return;
    memcpy(shared->receivers, text, sizeof(text));
    shared->said = rp_now();
    rp_warn("%s: new connections go to%s", rp_socket_text(&shared->like, name), text);
}
