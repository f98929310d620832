/* SPDX-License-Identifier: MIT */
/* Nobody else reaps a copy's keeper, so its PID identifies the copy until it is reaped here. */
#include "service/copies.h"

#include "base/clock.h"
#include "base/die.h"
#include "group/dealer.h"
#include "launch/keeper.h"
#include "service/drain.h"
#include "service/ownership.h"
#include "service/renewal.h"
#include "service/steering.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FRUITLESS_MAX = 5 /* starts in a row that may end before the copy listens */ };

static const double last_patience = 5; /* seconds from killing a copy's processes to its keeper */

void rp_copy_change(struct rp_service *service, struct rp_copy *copy, enum rp_event event) {
    const enum rp_state state = rp_state_after(copy->state, event);
    if (state == copy->state) return;
    copy->state = state;
    copy->since = rp_now();
    /* Its keeper reports its start and its end. */
    if (!service->copies.verbose || state == RP_STARTING || state == RP_ABSENT) return;
    if (state == RP_WAITING)
        rp_warn("copy %d: %s in %.1f s", copy->number, rp_state_name(state), copy->delay);
    else
        rp_warn("copy %d: %s", copy->number, rp_state_name(state));
}

/* In a keeper: closes the supervisor's descriptors. */
static void leave(const struct rp_service *service) {
    close(service->signals);
    if (service->counters >= 0) close(service->counters);
    for (int i = 0; i < service->slots; i++)
        if (service->notify && service->notify[i].fd >= 0) close(service->notify[i].fd);
    for (size_t i = 0; i < service->listening.count; i++)
        rp_dealer_close(service->listening.list[i].dealing.dealer);
}

/* A new socket for each start, so that READY=1 of an earlier copy with that number does not
 * count. */
static int open_socket(struct rp_service *service, int number) {
    return service->notify ? rp_notify_open(&service->notify[number]) : 0;
}

static void close_socket(struct rp_service *service, int number) {
    if (!service->notify || service->notify[number].fd < 0) return;
    rp_notify_close(&service->notify[number]);
    service->notify[number].fd = -1;
}

/* Before another copy joins: notes who is there, so that its number is known, and sends connections
 * to the ready copies only. */
static void shut(struct rp_service *service, struct rp_copy *copy) {
    copy->gated = copy->fresh || service->plan->ready.by != RP_READY_LISTEN;
    rp_listening_look(service, true);
    if (copy->gated) rp_steer_anew(service);
}

int rp_copy_start(struct rp_service *service, struct rp_copy *copy) {
    const bool again = copy->state == RP_WAITING;
    const pid_t self = getpid();
    int error = open_socket(service, copy->number);
    if (!error) shut(service, copy);
    const pid_t pid = error ? -1 : fork();
    if (pid < 0) {
        if (!error) error = errno;
        copy->gated = false;
        close_socket(service, copy->number);
        return error;
    }
    if (!pid) {
        leave(service);
        rp_keep_copy(&service->copies, copy->number, self, &service->mask);
    }
    *copy = (struct rp_copy){.number = copy->number,
                             .state = copy->state,
                             .keeper = pid,
                             .generation = service->generation,
                             .fresh = copy->fresh,
                             .gated = copy->gated,
                             .started = rp_now(),
                             .delay = again ? copy->delay : 0,
                             .lived = again ? copy->lived : 0,
                             .fruitless = again ? copy->fruitless : 0,
                             .question = copy->question};
    rp_server_plant(&copy->server, pid);
    rp_copy_change(service, copy, RP_STARTED);
    return 0;
}

void rp_copy_end(struct rp_service *service, struct rp_copy *copy, int number, enum rp_origin from,
                 double patience) {
    const long wanted = service->plan->stop_timeout;
    if (copy->keeper) rp_signal_send(copy->keeper, number, from);
    rp_copy_change(service, copy, RP_TOLD);
    if (copy->state != RP_ENDING) copy->due = 0;
    if (copy->due > 0 || copy->state != RP_ENDING) return; /* told again, it gets no more time */
    if (wanted) patience = (double)wanted;
    if (patience > 0) copy->due = rp_now() + patience;
}

void rp_copy_leave(struct rp_service *service, struct rp_copy *copy, double patience) {
    copy->leaving = true;
    copy->patience = patience;
    rp_copy_change(service, copy, RP_LEAVES);
    if (copy->state == RP_DRAINING) rp_drain_begin(service, copy);
}

void rp_copies_stop(struct rp_service *service, int number, enum rp_origin from) {
    service->stopping = true;
    for (int i = 0; i < service->slots; i++)
        if (service->list[i].state != RP_ABSENT)
            rp_copy_end(service, &service->list[i], number, from, 0);
}

/* Reports what the keeper, which was killed, could not. */
static void tell_loss(const struct rp_service *service, const struct rp_copy *copy, int how) {
    char name[RP_SIGNAL_NAME];
    rp_signal_name(WTERMSIG(how), name);
    if (service->copies.verbose || !service->copies.launch->quiet)
        rp_warn("copy %d: its keeper was killed by %s; killing what is left of it", copy->number,
                name);
}

/* Too many starts ended before it listened: the service ends with that status. */
static void give_up(struct rp_service *service, const struct rp_copy *copy, int status) {
    rp_warn("copy %d: ended %d times in a row before it listened; giving up", copy->number,
            copy->fruitless);
    service->status = status;
    service->judged = true;
    rp_copies_stop(service, SIGTERM, RP_FROM_PROCESS);
}

static void plan_restart(struct rp_service *service, struct rp_copy *copy, int status) {
    const double now = rp_now();
    copy->fruitless = copy->listened > 0 ? 0 : copy->fruitless + 1;
    if (copy->fruitless == FRUITLESS_MAX) {
        rp_copy_change(service, copy, RP_GONE);
        give_up(service, copy, status);
        return;
    }
    copy->lived += now - copy->started;
    copy->delay = rp_restart_delay(copy->delay, &copy->lived);
    copy->due = now + copy->delay;
    rp_copy_change(service, copy, RP_FELL);
}

/* It will not be restarted: its status counts. */
static void count_end(struct rp_service *service, struct rp_copy *copy, int status) {
    if (!service->status && !service->judged) service->status = status;
    rp_copy_change(service, copy, RP_GONE);
    if (service->plan->on_exit == RP_STOP && !service->stopping)
        rp_copies_stop(service, SIGTERM, RP_FROM_PROCESS);
}

static struct rp_copy *find_copy(struct rp_service *service, pid_t keeper) {
    for (int i = 0; i < service->slots; i++)
        if (service->list[i].keeper == keeper) return &service->list[i];
    return NULL;
}

struct rp_copy *rp_copy_ended(struct rp_service *service, pid_t pid, int how) {
    struct rp_copy *copy = find_copy(service, pid);
    const int status = rp_exit_status(how);
    if (!copy) return NULL;
    const bool is_new = copy->generation == service->generation && !copy->fresh && !copy->leaving;
    copy->keeper = 0;
    copy->gated = false;
    free(copy->accepted);
    copy->accepted = NULL;
    rp_tree_free(&copy->server.tree);
    rp_sockets_free(&copy->unsettled);
    rp_sockets_free(&copy->waiting);
    rp_forget_owner(service, copy);
    close_socket(service, copy->number);
    if (copy->question.pid) kill(copy->question.pid, SIGTERM);
    if (WIFSIGNALED(how)) tell_loss(service, copy, how);
    service->bereaved = service->bereaved || WIFSIGNALED(how);
    if (copy->fresh && !service->stopping) {
        copy->fresh = false;
        rp_copy_change(service, copy, RP_GONE);
        rp_renewal_fail(service, "copy %d ended with status %d before it was ready", copy->number,
                        status);
    } else if (copy->leaving && !service->stopping) {
        rp_copy_change(service, copy, RP_GONE);
    } else if (service->plan->on_exit == RP_RESTART && !service->stopping) {
        plan_restart(service, copy, status);
    } else {
        count_end(service, copy, status);
    }
    if (is_new && service->renewing && !service->stopping)
        rp_renewal_fail(service, "copy %d ended with status %d", copy->number, status);
    return copy;
}

/* Kills the copy's processes; the second time, as its keeper has not done so, the keeper. */
static void kill_late(struct rp_copy *copy) {
    if (copy->killed) {
        kill(copy->keeper, SIGKILL);
    } else {
        rp_warn("copy %d: did not end in time; sending KILL", copy->number);
        rp_keeper_kill(copy->keeper);
    }
    copy->killed = true;
    copy->due = rp_now() + last_patience;
}

static void start_again(struct rp_service *service, struct rp_copy *copy) {
    const int error = rp_copy_start(service, copy);
    if (!error) return;
    copy->delay = rp_restart_delay(copy->delay, &copy->lived);
    copy->due = rp_now() + copy->delay;
    rp_warn("copy %d: cannot be started: %s; retrying in %.1f s", copy->number, strerror(error),
            copy->delay);
}

void rp_copies_wake(struct rp_service *service) {
    const double now = rp_now();
    for (int i = 0; i < service->slots; i++) {
        struct rp_copy *copy = &service->list[i];
        if (copy->due <= 0 || now < copy->due) continue;
        if (copy->state == RP_ENDING) kill_late(copy);
        if (copy->state == RP_WAITING) start_again(service, copy);
    }
}

double rp_copies_due(const struct rp_service *service) {
    double due = 0;
    for (int i = 0; i < service->slots; i++) {
        const struct rp_copy *copy = &service->list[i];
        if (copy->state != RP_ENDING && copy->state != RP_WAITING) continue;
        if (copy->due > 0 && (due <= 0 || copy->due < due)) due = copy->due;
    }
    return due;
}

struct rp_copy *rp_copy_free(struct rp_service *service) {
    for (int i = 0; i < service->slots; i++)
        if (service->list[i].state == RP_ABSENT) return &service->list[i];
    return NULL;
}

struct rp_copy *rp_copy_last(struct rp_service *service) {
    for (int i = service->slots - 1; i >= 0; i--) {
        struct rp_copy *copy = &service->list[i];
        if (copy->state != RP_ABSENT && !copy->leaving && !copy->fresh) return copy;
    }
    return NULL;
}
