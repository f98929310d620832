/* SPDX-License-Identifier: MIT */
/* A copy must listen first: only then does READY=1 count, and is the question asked. */
#include "service/ready.h"

#include "base/clock.h"
#include "base/die.h"
#include "service/copies.h"
#include "service/ownership.h"
#include "service/renewal.h"

/* In seconds: in which a first copy may bind more ports; after which a hidden one counts as
 * listening; between two questions. */
static const double first_time = 1, hidden_time = 10, question_pause = 0.2;

/* Whether a copy that starts listens: on all ports of those that are ready, or, while none is, long
 * enough to have bound its own. */
static bool listens(const struct rp_service *service, struct rp_copy *copy) {
    const double now = rp_now();
    bool does = rp_listens(service, copy);
    if (!does && now - copy->started > hidden_time) {
        rp_tree_grow(&copy->server.tree);
        does = rp_is_hidden(copy);
    }
    if (!does) return false;
    if (copy->listened <= 0) copy->listened = now;
    return rp_count(service, RP_SERVING) || now - copy->listened >= first_time;
}

/* The PID of the copy's first process, the keeper's oldest child; 0 if there is none. */
static pid_t first_process(struct rp_copy *copy) {
    rp_tree_grow(&copy->server.tree);
    return copy->server.tree.count > 1 ? copy->server.tree.members[1].pid : 0;
}

/* Asks again, unless a question is still running. Returns whether one was answered with 0. */
static bool is_answered(const struct rp_service *service, struct rp_copy *copy) {
    const double now = rp_now();
    const struct rp_asked asked = {service->plan->ready.line, first_process(copy), NULL};
    if (rp_question_runs(&copy->question)) return false;
    if (copy->asked > 0 && copy->question.status == 0) return true;
    if (now - copy->asked < question_pause || !asked.server) return false;
    copy->asked = now;
    copy->question.status = -1;
    rp_question_ask(&copy->question, &asked);
    return false;
}

static bool is_ready(const struct rp_service *service, struct rp_copy *copy) {
    if (!listens(service, copy)) return false;
    if (service->plan->ready.by == RP_READY_NOTIFY) return service->notify[copy->number].ready;
    return service->plan->ready.by == RP_READY_LISTEN || is_answered(service, copy);
}

static void give_up(struct rp_service *service, struct rp_copy *copy) {
    copy->fresh = copy->gated = false;
    copy->leaving = true;
    rp_copy_end(service, copy, SIGTERM, RP_FROM_PROCESS, RP_LEAVE_TIME);
    rp_renewal_fail(service, "copy %d was not ready after %ld s", copy->number,
                    service->plan->start_timeout);
}

void rp_ready_step(struct rp_service *service) {
    for (int i = 0; i < service->slots; i++) {
        struct rp_copy *copy = &service->list[i];
        rp_question_runs(&copy->question); /* that of a copy that has ended, too, is to be reaped */
        if (copy->state != RP_STARTING) continue;
        if (is_ready(service, copy)) {
            copy->fresh = copy->gated = false;
            rp_copy_change(service, copy, RP_CAME_UP);
        } else if (copy->fresh && rp_now() - copy->started > (double)service->plan->start_timeout) {
            give_up(service, copy);
        }
    }
}

void rp_ready_read(struct rp_service *service) {
    for (int i = 0; service->notify && i < service->slots; i++)
        while (service->notify[i].fd >= 0 &&
               rp_notify_read(&service->notify[i], &service->list[i].server.tree)) {
        }
}

void rp_ready_end(struct rp_service *service) {
    for (int i = 0; i < service->slots; i++) rp_question_end(&service->list[i].question);
}
