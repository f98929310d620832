/* SPDX-License-Identifier: MIT */
/* A program replaces another at once; only attaching the first and detaching the last may delay a
 * connection, where that requires a visit to the group (group/steer.h). */
#include "service/steering.h"

#include "base/clock.h"
#include "base/die.h"
#include "group/dealer.h"
#include "group/program.h"
#include "group/steer.h"
#include "inspect/lock.h"
#include "inspect/rights.h"
#include "service/balance.h"
#include "service/choice.h"
#include "service/dealing.h"
#include "service/exclusion.h"
#include "service/notes.h"
#include "service/ownership.h"
#include "service/receivers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In seconds: how long nobody is excluded before detaching, without arrivals if that takes a visit,
 * or with them; from one look for a replacement to the next; and from a failure to the next
 * attempt. */
static const double open_time = 1, visit_time = 10, lock_pause = 1, retry_pause = 1;

static bool is_locked(pid_t pid) {
    struct rp_process process;
    return rp_process_find(pid, &process, NULL) && rp_lock_holder(&process);
}

/* Whether another process replaces this service: then it may have attached something else. */
static bool is_replaced(struct rp_service *service) {
    const pid_t self = getpid();
    service->next_lock = rp_now() + lock_pause;
    if (!is_locked(self) && (service->outer == self || !is_locked(service->outer))) return false;
    for (size_t i = 0; i < service->listening.count; i++) {
        service->listening.list[i].chosen_count = 0;
        service->listening.list[i].dealing.attached = false;
    }
    return true;
}

/* Reports once why a group cannot be steered. */
static void tell(struct rp_shared *shared, int error) {
    const unsigned port = shared->like.local.port;
    char text[RP_SOCKET_TEXT];
    if (shared->told) return;
    shared->told = true;
    rp_warn("%s: cannot choose who gets connections: %s", rp_socket_text(&shared->like, text),
            error == EACCES && rp_is_privileged_port(port)
                ? "joining that port requires CAP_NET_BIND_SERVICE"
                : strerror(error));
}

/* With -v, once. */
static void tell_udp(const struct rp_service *service, struct rp_shared *shared) {
    char text[RP_SOCKET_TEXT];
    if (shared->told || shared->like.proto != RP_UDP || !service->plan->balance) return;
    shared->told = true;
    if (service->copies.verbose)
        rp_warn("%s: --balance leaves datagrams to the kernel",
                rp_socket_text(&shared->like, text));
}

/* Attaches, or with NULL detaches; a visit only if that is allowed. Returns 0 or an errno. */
static int set_program(struct rp_shared *shared, const struct sock_fprog *program, bool visit) {
    struct rp_sockets sockets = rp_shared_sockets(shared);
    int error = rp_group_steer(&shared->like, &sockets, program);
    if (error && visit && shared->like.proto == RP_TCP) {
        error = rp_group_visit(&shared->like, program);
        shared->visited = true;
    }
    free(sockets.list);
    return error;
}

static void detach(struct rp_service *service, struct rp_shared *shared, bool visit) {
    if (is_replaced(service)) return;
    if (set_program(shared, NULL, visit) && !visit) return;
    shared->steered = shared->dealing.attached = false;
    rp_note(&shared->like, false);
    rp_exclusion_begin(shared, NULL);
}

static bool is_chosen(const struct rp_shared *shared, uint32_t inode) {
    const struct rp_members *members = &shared->members;
    for (size_t i = 0; i < members->count && i < shared->chosen_count; i++)
        if (members->inodes[i] == inode) return shared->chosen[i];
    return false;
}

static void remember(struct rp_shared *shared, const bool *chosen) {
    const size_t count = shared->members.count;
    bool *excluded = calloc(shared->count + 1, sizeof(*excluded));
    shared->chosen = realloc(shared->chosen, (count + 1) * sizeof(*chosen));
    if (!excluded || !shared->chosen) rp_die("%s", strerror(errno));
    memcpy(shared->chosen, chosen, count * sizeof(*chosen));
    shared->chosen_count = count;
    shared->steered = true;
    shared->dealing.attached = false;
    for (size_t i = 0; i < shared->count; i++)
        excluded[i] = !is_chosen(shared, shared->list[i].socket.inode);
    rp_exclusion_begin(shared, excluded);
    free(excluded);
}

static void attach(struct rp_service *service, struct rp_shared *shared, const bool *chosen) {
    const size_t count = shared->members.count;
    const struct rp_choice choice = {shared->like.proto, chosen, count, NULL, 0};
    struct sock_fprog program;
    if (shared->steered && !shared->dealing.attached && count == shared->chosen_count &&
        !memcmp(chosen, shared->chosen, count * sizeof(*chosen)))
        return;
    if (rp_now() < shared->retry || is_replaced(service) || !rp_program_make(&choice, &program))
        return;
    /* Before: this process may be killed right after. */
    const int error = rp_note(&shared->like, true) ? set_program(shared, &program, true) : ENOSPC;
    free(program.filter);
    if (!error) {
        remember(shared, chosen);
        return;
    }
    rp_note(&shared->like, shared->steered);
    shared->retry = rp_now() + retry_pause;
    tell(shared, error);
}

/* No copy is excluded: keeps the program for a while, as one may be soon, and detaches it when that
 * does no harm. */
static void open_up(struct rp_service *service, struct rp_shared *shared) {
    const double now = rp_now();
    if (!service->plan->balance) rp_arrivals(service); /* else the look has */
    if (shared->open <= 0) shared->open = shared->quiet = now;
    if (service->arrivals != shared->arrivals) shared->quiet = now;
    shared->arrivals = service->arrivals;
    if (now - shared->open < open_time) return;
    detach(service, shared,
           now - shared->quiet >= open_time ||
               (!service->plan->balance && now - shared->open >= visit_time));
}

/* Detaches what a killed process has left: that would exclude copies, or favour some. */
static void clean(struct rp_service *service, struct rp_shared *shared) {
    if (shared->cleaned || !service->plan->balance || is_replaced(service)) return;
    struct rp_sockets sockets = rp_shared_sockets(shared);
    rp_group_unsteer(&shared->like, &sockets);
    shared->cleaned = true;
    free(sockets.list);
}

/* Stores for each listener whether it receives. Returns how many do. */
static size_t find_allowed(const struct rp_service *service, const struct rp_shared *shared,
                           bool *allowed) {
    size_t count = 0;
    for (size_t i = 0; i < shared->count && !service->stopping; i++) {
        const struct rp_listener *listener = &shared->list[i];
        if (listener->copy == RP_STRANGER || listener->copy == RP_EVERYBODY) return 0;
        allowed[i] = !listener->passed_over && rp_is_allowed(service, shared, listener);
        count += allowed[i];
    }
    return count;
}

/* Has the dealer choose. Returns false if it cannot. */
static bool deal(struct rp_service *service, struct rp_shared *shared) {
    bool allowed[RP_DEALER_SEATS];
    if (!rp_can_deal(service, shared)) return false;
    const size_t count = find_allowed(service, shared, allowed);
    if (!count || !rp_deal(shared, allowed)) return false;
    rp_say_receivers(service, shared, count == shared->count ? RP_TO_ALL : RP_TO_SOME);
    shared->open = 0;
    if (!rp_deal_is_idle(service, shared) || is_replaced(service)) return true;
    const bool attached = rp_note(&shared->like, true) && rp_deal_attach(service, shared);
    shared->steered = shared->steered || attached;
    rp_note(&shared->like, shared->steered);
    if (attached) rp_exclusion_begin(shared, NULL); /* it does not go by numbers */
    return attached;
}

static void steer(struct rp_service *service, struct rp_shared *shared) {
    if (deal(service, shared)) return;
    bool *chosen = calloc(shared->members.count + 1, sizeof(*chosen));
    if (!chosen) rp_die("%s", strerror(errno));
    if (rp_exclusion_fails(shared)) {
        shared->chosen_count = 0;
        rp_exclusion_begin(shared, NULL);
    }
    const enum rp_target target = rp_choose(service, shared, chosen);
    if (target != RP_TO_ALL) shared->open = 0;
    if (target == RP_TO_SOME || (target == RP_TO_ALL && shared->steered))
        attach(service, shared, chosen);
    if (target == RP_TO_ALL && shared->steered) open_up(service, shared);
    if (target == RP_BY_KERNEL && shared->steered) detach(service, shared, true);
    if (target != RP_AS_BEFORE)
        rp_say_receivers(service, shared, shared->steered ? target : RP_BY_KERNEL);
    free(chosen);
}

/* Whether a copy of ours is in the group. */
static bool is_ours(const struct rp_shared *shared) {
    for (size_t i = 0; i < shared->count; i++)
        if (shared->list[i].copy != RP_STRANGER) return true;
    return false;
}

/* Whether rp_steer() may have something to do. */
static bool is_needed(const struct rp_service *service) {
    bool moving = service->plan->balance || rp_is_steering(service) || rp_is_gated(service);
    for (int i = 0; i < service->slots; i++)
        moving = moving || service->list[i].state == RP_DRAINING ||
                 (service->list[i].state == RP_ENDING && !service->stopping);
    return moving;
}

void rp_steer(struct rp_service *service) {
    if (!is_needed(service)) return;
    rp_notes_keep(&service->listening);
    for (size_t i = 0; i < service->listening.count; i++) {
        struct rp_shared *shared = &service->listening.list[i];
        if (!is_ours(shared)) {
            if (shared->steered) detach(service, shared, true);
            continue;
        }
        clean(service, shared);
        tell_udp(service, shared);
        steer(service, shared);
    }
    if (rp_now() >= service->next_lock) is_replaced(service);
}

void rp_steer_anew(struct rp_service *service) {
    for (size_t i = 0; i < service->listening.count; i++)
        service->listening.list[i].chosen_count = 0;
    rp_steer(service);
}

bool rp_is_steering(const struct rp_service *service) {
    for (size_t i = 0; i < service->listening.count; i++)
        if (service->listening.list[i].steered) return true;
    return false;
}

/* Whether the program that is attached sends the listener nothing. */
static bool is_left_out(const struct rp_service *service, const struct rp_shared *shared,
                        const struct rp_listener *listener) {
    const struct rp_members *members = &shared->members;
    if (shared->dealing.attached) return !rp_is_allowed(service, shared, listener);
    if (!shared->steered || !shared->chosen_count) return false;
    for (size_t i = members->unordered; i < members->count && i < shared->chosen_count; i++)
        if (members->inodes[i] == listener->socket.inode) return !shared->chosen[i];
    for (size_t i = 0; i < members->unordered && i < shared->chosen_count; i++)
        if (shared->chosen[i]) return false;
    return true;
}

bool rp_is_excluded(const struct rp_service *service, const struct rp_copy *copy) {
    bool any = false;
    for (size_t i = 0; i < service->listening.count; i++) {
        const struct rp_shared *shared = &service->listening.list[i];
        for (size_t j = 0; j < shared->count; j++) {
            if (!rp_may_have(shared, &shared->list[j], copy)) continue;
            if (!is_left_out(service, shared, &shared->list[j])) return false;
            any = true;
        }
    }
    return any || !rp_is_hidden(copy);
}
