/* SPDX-License-Identifier: MIT */
/* Steering to the shortest queue alone would send it everything until the next look, so copies
 * whose queues are hardly longer are included. */
#include "service/balance.h"

#include "base/clock.h"
#include "inspect/holders.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In seconds: between looks while anything waits, while connections arrive, and otherwise; and
 * after how long without an accept a copy is passed over. */
static const double waiting_pause = 0.001, busy_pause = 0.005, idle_pause = 0.02, stall_time = 0.25;

/* Which processes are stopped is read in at most one part in so many of the time. */
enum { STATES_SHARE = 400 };

/* One counter of a protocol: `names` begins the line of names; the next line has the values, in the
 * same order. */
static unsigned long read_counter(const char *text, const char *names, const char *name) {
    const char *at = strstr(text, names);
    const char *wanted = at ? strstr(at, name) : NULL;
    const char *values = at ? strchr(at, '\n') : NULL;
    if (!wanted || !values || wanted > values) return 0;
    unsigned column = 0;
    for (; at < wanted; at++) column += *at == ' ';
    for (at = values + 1; *at && *at != '\n' && column; at++) column -= *at == ' ';
    return strtoul(at, NULL, 10);
}

unsigned long rp_arrivals(struct rp_service *service) {
    char text[4096];
    if (service->counters < 0)
        service->counters = open("/proc/self/net/snmp", O_RDONLY | O_CLOEXEC);
    const ssize_t got =
        service->counters < 0 ? -1 : pread(service->counters, text, sizeof(text) - 1, 0);
    if (got <= 0) return service->arrivals;
    text[got] = '\0';
    service->arrivals = read_counter(text, "Tcp: RtoAlgorithm", " PassiveOpens");
    return service->arrivals;
}

static bool is_ready(const struct rp_service *service, const struct rp_listener *listener) {
    return listener->copy >= 0 ? rp_may_receive(&service->list[listener->copy])
                               : listener->copy == RP_HIDDEN;
}

bool rp_is_stalled(const struct rp_listener *listener) {
    return listener->stopped ||
           (listener->stalled > 0 && rp_now() - listener->stalled > stall_time);
}

void rp_balance_group(const struct rp_service *service, struct rp_shared *shared, long arrived) {
    long least = -1, ready = 0;
    bool all_stalled = true;
    for (size_t i = 0; i < shared->count; i++) {
        const struct rp_listener *listener = &shared->list[i];
        if (is_ready(service, listener)) all_stalled = all_stalled && rp_is_stalled(listener);
    }
    for (size_t i = 0; i < shared->count; i++) {
        const struct rp_listener *listener = &shared->list[i];
        if (!is_ready(service, listener) || (rp_is_stalled(listener) && !all_stalled)) continue;
        if (least < 0 || listener->socket.queue < least) least = listener->socket.queue;
        ready++;
    }
    const long most = ready ? least + arrived / ready : 0;
    for (size_t i = 0; i < shared->count; i++) {
        struct rp_listener *listener = &shared->list[i];
        listener->passed_over = (listener->socket.queue > most && !shared->dealing.attached) ||
                                (rp_is_stalled(listener) && !all_stalled);
    }
}

/* A stopped process accepts nothing, which shows before anything waits for it. */
static void note_stopped(struct rp_service *service) {
    const double begin = rp_now();
    if (begin < service->next_states) return;
    for (size_t i = 0; i < service->listening.count; i++)
        for (size_t j = 0; j < service->listening.list[i].count; j++) {
            struct rp_listener *listener = &service->listening.list[i].list[j];
            listener->stopped = rp_socket_is_stopped(&listener->socket);
        }
    const double end = rp_now(), pause = STATES_SHARE * (end - begin);
    service->next_states = end + (pause > idle_pause ? pause : idle_pause);
}

void rp_balance(struct rp_service *service) {
    note_stopped(service);
    const unsigned long before = service->arrivals;
    service->arrived = rp_arrivals(service) - before;
    for (size_t i = 0; i < service->listening.count; i++) {
        struct rp_shared *shared = &service->listening.list[i];
        if (shared->like.proto == RP_TCP) rp_balance_group(service, shared, (long)service->arrived);
    }
}

double rp_balance_pause(const struct rp_service *service) {
    bool waiting = false;
    for (size_t i = 0; i < service->listening.count; i++)
        for (size_t j = 0; j < service->listening.list[i].count; j++)
            waiting = waiting || service->listening.list[i].list[j].socket.queue > 0;
    return waiting ? waiting_pause : service->arrived ? busy_pause : idle_pause;
}
