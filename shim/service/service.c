/* SPDX-License-Identifier: MIT */
/* One loop: signals, what is due, and looks at the sockets while anything depends on them. */
#include "service/service.h"

#include "base/clock.h"
#include "base/die.h"
#include "launch/apart.h"
#include "launch/unbound.h"
#include "service/balance.h"
#include "service/copies.h"
#include "service/drain.h"
#include "service/hung.h"
#include "service/notes.h"
#include "service/orphans.h"
#include "service/ready.h"
#include "service/renewal.h"
#include "service/steering.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* In seconds: between looks while a copy starts, longer with its age, and while one drains or is
 * excluded; until the manager is tried again. SHARE: looks take at most one part in so many of the
 * time of a CPU. */
static const double starting_pause = 0.02, moving_pause = 0.02, slow_pause = 1, room_pause = 0.1;
enum { SHARE = 5 };

int rp_count(const struct rp_service *service, enum rp_state state) {
    int count = 0;
    for (int i = 0; i < service->slots; i++) count += service->list[i].state == state;
    return count;
}

int rp_count_live(const struct rp_service *service) {
    int count = 0;
    for (int i = 0; i < service->slots; i++)
        count += service->list[i].state != RP_ABSENT && !service->list[i].leaving;
    return count;
}

bool rp_may_receive(const struct rp_copy *copy) {
    return copy->state == RP_SERVING || (copy->state == RP_STARTING && !copy->gated);
}

static void add_copy(struct rp_service *service) {
    struct rp_copy *copy = rp_copy_free(service);
    if (service->target == service->most)
        rp_warn("TTIN: no more than %d copies; see --max", service->most);
    else if (!copy)
        rp_warn("TTIN: no number is free until a copy that drains has ended");
    if (service->target == service->most || !copy) return;
    const int error = rp_copy_start(service, copy);
    if (error)
        rp_warn("TTIN: copy %d cannot be started: %s", copy->number, strerror(error));
    else
        service->target++;
}

static void remove_copy(struct rp_service *service) {
    struct rp_copy *highest = rp_copy_last(service);
    if (!highest || rp_count_live(service) < 2 || service->target < 2) {
        rp_warn("TTOU: the last copy is not removed");
        return;
    }
    service->target--;
    rp_copy_leave(service, highest, 0);
}

static void pass_on(struct rp_service *service, int number, enum rp_origin from) {
    for (int i = 0; i < service->slots; i++)
        if (service->list[i].keeper) rp_signal_send(service->list[i].keeper, number, from);
}

/* Once, when it is time, or when a copy has failed and that tells why. */
static void tell_unbound(struct rp_service *service, bool failed) {
    if (service->unbound <= 0 || (!failed && rp_now() < service->unbound)) return;
    const bool told = !service->stopping && rp_tell_unbound(&service->copies, failed);
    if (told || !failed) service->unbound = 0;
}

static void reap(struct rp_service *service) {
    pid_t pid;
    int how;
    bool failed = false;
    while ((pid = rp_reap(&how)) > 0) {
        if (!rp_copy_ended(service, pid, how)) continue;
        service->next_look = 0;
        failed = failed || how != 0;
    }
    if (failed) tell_unbound(service, true);
    service->orphaned = service->bereaved && rp_orphans_kill(service);
}

static void handle(struct rp_service *service, int number, enum rp_origin from) {
    if (number == SIGCHLD)
        reap(service);
    else if (number == service->copies.rolling)
        rp_renewal_begin(service);
    else if (rp_signal_stops(number))
        rp_copies_stop(service, number, from);
    else if (rp_signal_is_passed_on(number))
        pass_on(service, number, from);
    else if (from == RP_FROM_PROCESS && !service->stopping)
        number == SIGTTIN ? add_copy(service) : remove_copy(service);
}

static double shorter(double one, double other) {
    return one < 0 || other < one ? other : one;
}

/* The longer a copy takes to start, the less it matters to notice late. */
static double starting_pause_of(const struct rp_copy *copy) {
    const double pause = (rp_now() - copy->started) / 20;
    return pause < starting_pause ? starting_pause : pause > slow_pause ? slow_pause : pause;
}

/* Seconds to the next look; negative: none is needed. */
static double look_pause(const struct rp_service *service) {
    double pause = -1;
    if (service->stopping) return -1;
    if (service->plan->balance) pause = rp_balance_pause(service);
    if (service->plan->hung) pause = shorter(pause, rp_hung_pause(service));
    if (rp_is_steering(service)) pause = shorter(pause, moving_pause);
    for (int i = 0; i < service->slots; i++) {
        const struct rp_copy *copy = &service->list[i];
        if (copy->state == RP_STARTING) pause = shorter(pause, starting_pause_of(copy));
        if (copy->state == RP_DRAINING || copy->question.pid) pause = shorter(pause, moving_pause);
    }
    return pause;
}

/* Returns false if none is due. */
static bool look(struct rp_service *service) {
    const double begin = rp_now();
    if (look_pause(service) < 0 || begin < service->next_look) return false;
    rp_listening_look(service, rp_count(service, RP_STARTING) > 0);
    rp_ready_step(service);
    if (service->plan->balance) rp_balance(service);
    if (service->plan->hung && begin >= service->next_check) {
        rp_hung_step(service);
        service->next_check = begin + rp_hung_pause(service);
    }
    rp_drain_step(service);
    return true;
}

/* This process's, in seconds: waiting for a busy CPU is no reason to look less often. */
static double cpu_time(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* begin: of a look and what followed from it, by cpu_time(). */
static void plan_look(struct rp_service *service, double begin) {
    const double took = cpu_time() - begin, pause = look_pause(service);
    service->next_look = rp_now() + (pause > (SHARE - 1) * took ? pause : (SHARE - 1) * took);
}

/* Seconds until something is due; negative: only a signal or message can change that. */
static double time_left(const struct rp_service *service) {
    const double now = rp_now(), due = rp_copies_due(service);
    double next = -1;
    if (look_pause(service) >= 0) next = service->next_look;
    if (due > 0) next = shorter(next, due);
    if (service->unbound > 0) next = shorter(next, service->unbound);
    if (service->manager.waits) next = shorter(next, now + room_pause);
    return next < 0 ? -1 : next > now ? next - now : 0;
}

/* Waits for a signal, a message of a copy, or the time of what is to be done next. */
static void await(struct rp_service *service) {
    struct pollfd *turn = service->turn;
    const double left = time_left(service);
    const struct timespec limit = {.tv_sec = (time_t)left,
                                   .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
    nfds_t count = 1;
    turn[0] = (struct pollfd){.fd = service->signals, .events = POLLIN};
    for (int i = 0; service->notify && i < service->slots; i++)
        turn[count++] = (struct pollfd){.fd = service->notify[i].fd, .events = POLLIN};
    ppoll(turn, count, left < 0 ? NULL : &limit, NULL);
}

/* Returns whether anything is left. */
static bool take_turn(struct rp_service *service) {
    enum rp_origin from;
    int number;
    await(service);
    rp_ready_read(service);
    while ((number = rp_signals_read(service->signals, &from))) handle(service, number, from);
    rp_copies_wake(service);
    tell_unbound(service, false);
    const double begin = cpu_time();
    const bool looked = look(service);
    rp_renewal_step(service);
    rp_steer(service);
    if (looked) plan_look(service, begin);
    rp_manager_tell(service);
    return rp_count(service, RP_ABSENT) < service->slots || service->orphaned;
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) rp_die("%s", strerror(errno));
    return memory;
}

static void prepare(struct rp_service *service) {
    service->signals = rp_signals_open();
    if (service->signals < 0) rp_die("signalfd: %s", strerror(errno));
    service->list = allocate((size_t)service->slots, sizeof(*service->list));
    service->turn = allocate((size_t)service->slots + 1, sizeof(*service->turn));
    for (int i = 0; i < service->slots; i++) service->list[i].number = i;
    if (service->plan->ready.by != RP_READY_NOTIFY) return;
    service->notify = allocate((size_t)service->slots, sizeof(*service->notify));
    for (int i = 0; i < service->slots; i++) service->notify[i].fd = -1;
    service->copies.notify = service->notify;
}

int rp_serve(const struct rp_service_plan *plan) {
    const int most = plan->most > plan->copies.count ? plan->most : plan->copies.count;
    struct rp_service service = {.plan = plan,
                                 .copies = plan->copies,
                                 .target = plan->copies.count,
                                 .most = most,
                                 .slots = most + 1, /* one more in a renewal */
                                 .manager = {.socket = plan->manager, .relay = -1},
                                 .outer = getpid(),
                                 .counters = -1};
    int status;
    rp_signals_block(&service.mask);
    if (rp_has_strangers() && !rp_go_apart(plan->manager, &service.manager.relay, &status))
        return status;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prepare(&service);
    rp_notes_prepare(&service);
    rp_listening_look(&service, true);
    for (int i = 0; i < service.target; i++) {
        const int error = rp_copy_start(&service, &service.list[i]);
        if (error) rp_die("cannot start copy %d: %s", i, strerror(error)); /* the others see it */
    }
    if (service.copies.verbose || !service.copies.launch->quiet)
        service.unbound = rp_now() + RP_BIND_TIME;
    while (take_turn(&service)) {
    }
    rp_ready_end(&service);
    free(service.list);
    free(service.turn);
    free(service.notify);
    return service.status;
}
