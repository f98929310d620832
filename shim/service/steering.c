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
#include "service/balance.h"
#include "service/choice.h"
#include "service/dealing.h"
#include "service/notes.h"
#include "service/ownership.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In seconds: how long nobody is excluded before detaching, without arrivals if that takes a visit,
 * or with them; and from one line about receivers to the next. */
static const double open_time = 1, visit_time = 10, say_time = 1;

/* The group's sockets; their owners remain the listeners'. free(3) the list. */
static struct rp_sockets borrow(const struct rp_shared *shared) {
    struct rp_sockets sockets = {NULL, 0, 0};
    for (size_t i = 0; i < shared->count; i++) rp_sockets_add(&sockets, &shared->list[i].socket);
    return sockets;
}

/* Whether another process replaces this service. */
static bool is_replaced(const struct rp_service *service) {
    const pid_t pids[] = {getpid(), service->outer};
    for (size_t i = 0; i < 2; i++) {
        struct rp_process process;
        if (rp_process_find(pids[i], &process, NULL) && rp_lock_holder(&process)) return true;
    }
    return false;
}

/* Reports once why a group cannot be steered. */
static void tell(struct rp_shared *shared, int error) {
    char text[RP_SOCKET_TEXT];
    if (shared->told) return;
    shared->told = true;
    rp_warn("%s: cannot choose who gets connections: %s", rp_socket_text(&shared->like, text),
            strerror(error));
}

/* Attaches, or with NULL detaches; a visit only if that is allowed. Returns 0 or an errno. */
static int set_program(const struct rp_shared *shared, const struct sock_fprog *program,
                       bool visit) {
    struct rp_sockets sockets = borrow(shared);
    int error = rp_group_steer(&shared->like, &sockets, program);
    if (error && visit && shared->like.proto == RP_TCP)
        error = rp_group_visit(&shared->like, program);
    free(sockets.list);
    return error;
}

static void detach(const struct rp_service *service, struct rp_shared *shared, bool visit) {
    if (is_replaced(service)) return;
    if (set_program(shared, NULL, visit) && !visit) return;
    shared->steered = shared->dealing.attached = false;
    rp_note(&shared->like, false);
}

static void attach(const struct rp_service *service, struct rp_shared *shared, const bool *chosen) {
    const size_t count = shared->members.count;
    const struct rp_choice choice = {shared->like.proto, chosen, count, NULL, 0};
    struct sock_fprog program;
    if (shared->steered && !shared->dealing.attached && count == shared->chosen_count &&
        !memcmp(chosen, shared->chosen, count * sizeof(*chosen)))
        return;
    if (is_replaced(service) || !rp_program_make(&choice, &program)) return;
    const bool noted = rp_note(&shared->like, true); /* before: we may be killed right after */
    const int error = noted ? set_program(shared, &program, true) : ENOSPC;
    free(program.filter);
    if (error) {
        rp_note(&shared->like, shared->steered);
        tell(shared, error);
        return;
    }
    shared->steered = true;
    shared->dealing.attached = false;
    shared->chosen = realloc(shared->chosen, (count + 1) * sizeof(*chosen));
    if (!shared->chosen) rp_die("%s", strerror(errno));
    memcpy(shared->chosen, chosen, count * sizeof(*chosen));
    shared->chosen_count = count;
}

/* No copy is excluded: keeps the program for a while, as one may be soon, and detaches it when that
 * does no harm. */
static void open_up(struct rp_service *service, struct rp_shared *shared) {
    const double now = rp_now();
    if (shared->open <= 0) {
        shared->open = shared->quiet = now;
        shared->arrivals = rp_arrivals(service);
    }
    if (now - shared->open < open_time) return;
    if (rp_arrivals(service) != shared->arrivals) shared->quiet = now;
    shared->arrivals = service->arrivals;
    detach(service, shared, now - shared->quiet >= open_time || now - shared->open >= visit_time);
}

/* Detaches what a killed process has left: that would exclude copies, or favour some. */
static void clean(struct rp_service *service, struct rp_shared *shared) {
    struct rp_sockets sockets = borrow(shared);
    if (service->plan->balance && !shared->cleaned) rp_group_unsteer(&shared->like, &sockets);
    shared->cleaned = true;
    free(sockets.list);
}

static bool receives(const struct rp_service *service, const struct rp_shared *shared, int copy) {
    for (size_t i = 0; i < shared->count; i++)
        if (shared->list[i].copy == copy && !shared->list[i].passed_over &&
            rp_is_allowed(service, shared, &shared->list[i]))
            return true;
    return false;
}

/* With -v, reports which copies get new connections. */
static void say(const struct rp_service *service, struct rp_shared *shared, enum rp_target target) {
    char text[sizeof(shared->receivers)] = " every copy", name[RP_SOCKET_TEXT];
    size_t length = 0;
    if (!service->copies.verbose || rp_now() - shared->said < say_time) return;
    for (int i = 0; target == RP_TO_SOME && i < service->slots; i++)
        if (length < sizeof(text) - 16 && receives(service, shared, i))
            length += (size_t)snprintf(text + length, sizeof(text) - length, " %d", i);
    if (!strcmp(text, *shared->receivers ? shared->receivers : " every copy")) return;
    memcpy(shared->receivers, text, sizeof(text));
    shared->said = rp_now();
    rp_warn("%s: new connections go to%s%s", rp_socket_text(&shared->like, name),
            target == RP_TO_SOME ? " copies" : "", text);
}

/* Stores for each listener whether it receives. Returns how many do. */
static size_t find_allowed(const struct rp_service *service, const struct rp_shared *shared,
                           bool *allowed) {
    size_t count = 0;
    for (size_t i = 0; i < shared->count && !service->stopping; i++) {
        const struct rp_listener *listener = &shared->list[i];
        if (listener->copy == RP_STRANGER || listener->copy == RP_EVERYBODY) return 0;
        allowed[i] = rp_is_allowed(service, shared, listener);
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
    say(service, shared, count == shared->count ? RP_TO_ALL : RP_TO_SOME);
    shared->open = 0;
    if (!rp_deal_is_idle(service, shared) || is_replaced(service)) return true;
    const bool attached = rp_note(&shared->like, true) && rp_deal_attach(service, shared);
    shared->steered = shared->steered || attached;
    rp_note(&shared->like, shared->steered);
    return attached;
}

static void steer(struct rp_service *service, struct rp_shared *shared) {
    if (deal(service, shared)) return;
    bool *chosen = calloc(shared->members.count + 1, sizeof(*chosen));
    if (!chosen) rp_die("%s", strerror(errno));
    const enum rp_target target = rp_choose(service, shared, chosen);
    if (target != RP_TO_ALL) shared->open = 0;
    if (target == RP_TO_SOME || (target == RP_TO_ALL && shared->steered))
        attach(service, shared, chosen);
    if (target == RP_TO_ALL && shared->steered) open_up(service, shared);
    if (target == RP_BY_KERNEL && shared->steered) detach(service, shared, true);
    if (target != RP_AS_BEFORE) say(service, shared, shared->steered ? target : RP_BY_KERNEL);
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
        if (!is_ours(shared)) continue;
        clean(service, shared);
        steer(service, shared);
    }
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
static bool is_left_out(const struct rp_shared *shared, const struct rp_listener *listener) {
    const struct rp_members *members = &shared->members;
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
            if (!is_left_out(shared, &shared->list[j])) return false;
            any = true;
        }
    }
    return any || !rp_is_hidden(copy);
}
