/* SPDX-License-Identifier: MIT */
/* service/copies: what follows from a copy's end, and when which copy is started or killed. Prints
 * what is not as it should be, and how many checks were made. */
#include "service/copies.h"
#include "check.h"
#include "fence.h"

#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COPIES = 3, PID = 1 << 30 /* above all there are */ };

static struct rp_launch launch = {.quiet = true};
static struct rp_service_plan plan;
static struct rp_service service;
static struct rp_copy *copies, *first; /* of COPIES; the first of them */

/* All copies serve. */
static void begin(enum rp_on_exit on_exit) {
    plan = (struct rp_service_plan){.on_exit = on_exit};
    service = (struct rp_service){
        .plan = &plan, .list = copies, .slots = COPIES, .target = COPIES, .copies.launch = &launch};
    for (int i = 0; i < COPIES; i++)
        copies[i] = (struct rp_copy){.number = i, .state = RP_SERVING, .listened = 1};
}

/* The copy's keeper ends with that status, as of wait(2). */
static void end_with(struct rp_copy *copy, int how) {
    copy->keeper = PID;
    check(rp_copy_ended(&service, PID, how) == copy && !copy->keeper, "that was its keeper");
}

static void end(struct rp_copy *copy, int status) {
    end_with(copy, W_EXITCODE(status, 0));
}

static bool is_about(double one, double other) {
    return one > other - 1 && one < other + 1;
}

static pid_t start_child(void) {
    const pid_t pid = fork();
    if (pid) return pid;
    alarm(60);
    for (;;) pause();
}

/* The signal that has killed it. */
static int killed_by(pid_t pid) {
    int how = 0;
    waitpid(pid, &how, 0);
    return WIFSIGNALED(how) ? WTERMSIG(how) : 0;
}

static void check_statuses(void) {
    begin(RP_KEEP);
    check(!rp_copy_ended(&service, PID, 0), "nobody's keeper");
    end(first, 0);
    check(!service.status && first->state == RP_ABSENT, "one ends well");
    end(&copies[1], 3);
    end(&copies[2], 4);
    check(service.status == 3 && !service.stopping, "the first other status counts");
    begin(RP_STOP);
    end(first, 0);
    check(service.stopping && copies[1].state == RP_ENDING && copies[2].state == RP_ENDING,
          "one ends, so all do");
    end(&copies[1], 5);
    check(service.status == 5 && !service.bereaved, "the status of one of the others counts");
    begin(RP_KEEP);
    end_with(first, W_EXITCODE(0, SIGKILL));
    check(service.status == 128 + SIGKILL && service.bereaved, "a keeper was killed");
    end(&copies[1], 0);
    check(service.bereaved, "and another was not");
}

static void check_restarts(void) {
    begin(RP_RESTART);
    const double now = rp_now();
    first->started = now - 5;
    end(first, 3);
    check(first->state == RP_WAITING && is_about(first->lived, 5), "it is started again");
    check(first->due >= now + 0.1 && first->due < now + 60 && !service.status, "soon");
    for (int i = 1; i < 5; i++) {
        copies[1].state = RP_STARTING;
        copies[1].listened = 0;
        end(&copies[1], 6);
        check(copies[1].state == RP_WAITING && copies[1].fruitless == i, "it did not listen");
    }
    copies[1].state = RP_SERVING;
    copies[1].listened = 1;
    end(&copies[1], 6);
    check(!copies[1].fruitless, "it did: the count begins anew");
    copies[1].state = RP_STARTING;
    copies[1].listened = 0;
    copies[1].fruitless = 4;
    end(&copies[1], 7);
    check(copies[1].state == RP_ABSENT && service.stopping && service.status == 7, "given up");
    check(first->state == RP_ABSENT && copies[2].state == RP_ENDING, "the others end, too");
    end(&copies[2], 8);
    check(copies[2].state == RP_ABSENT && service.status == 7, "their status does not count");
}

static void check_renewals(void) {
    begin(RP_RESTART);
    service.renewing = true;
    first->fresh = true;
    first->gated = true;
    end(first, 3);
    check(first->state == RP_ABSENT && !first->fresh && !first->gated && !service.renewing,
          "a new copy that ends before it is ready ends the renewal");
    begin(RP_RESTART);
    service.renewing = true;
    end(first, 3);
    check(first->state == RP_WAITING && !service.renewing, "so does one that is ready");
    begin(RP_RESTART);
    service.renewing = true;
    service.generation = 1;
    end(first, 3);
    check(first->state == RP_WAITING && service.renewing, "an old one does not");
    first->state = RP_DRAINING;
    first->leaving = true;
    end(first, 3);
    check(first->state == RP_ABSENT && service.renewing && !service.status, "one that was to end");
    begin(RP_RESTART);
    service.renewing = service.stopping = first->fresh = true;
    end(first, 3);
    check(service.renewing && service.status == 3, "when all end, a new one is one of them");
    copies[1].leaving = true;
    service.status = 0;
    end(&copies[1], 4);
    check(service.status == 4 && copies[1].state == RP_ABSENT, "and so is one that was to end");
}

/* What an ended copy had is freed, and no more its own. */
static void check_remains(void) {
    struct rp_listener listeners[] = {{.copy = 0}, {.copy = 1}};
    struct rp_shared shared = {.list = listeners, .count = 2};
    begin(RP_KEEP);
    service.listening = (struct rp_listening){.list = &shared, .count = 1};
    rp_server_plant(&first->server, getpid());
    rp_sockets_add(&first->unsettled, &shared.like);
    rp_sockets_add(&first->waiting, &shared.like);
    first->accepted = calloc(1, sizeof(*first->accepted));
    first->question.pid = start_child();
    end(first, 0);
    check(!first->server.tree.count && !first->unsettled.count && !first->waiting.count &&
              !first->accepted,
          "processes, connections");
    check(listeners[0].copy == RP_STRANGER && listeners[1].copy == 1, "listeners");
    check(killed_by(first->question.pid) == SIGTERM, "a question");
}

static void check_patience(void) {
    begin(RP_KEEP);
    rp_copy_end(&service, first, SIGTERM, RP_FROM_PROCESS, 0);
    check(first->state == RP_ENDING && !first->due, "it has all the time");
    rp_copy_end(&service, &copies[1], SIGTERM, RP_FROM_PROCESS, 100);
    check(is_about(copies[1].due, rp_now() + 100), "it has some");
    plan.stop_timeout = 200;
    rp_copy_end(&service, &copies[1], SIGTERM, RP_FROM_PROCESS, 300);
    check(is_about(copies[1].due, rp_now() + 100), "told again, it gets no more");
    rp_copy_end(&service, &copies[2], SIGTERM, RP_FROM_PROCESS, 100);
    check(is_about(copies[2].due, rp_now() + 200), "--stop-timeout");
    first->state = RP_WAITING;
    first->due = 7;
    rp_copy_end(&service, first, SIGTERM, RP_FROM_PROCESS, 100);
    check(first->state == RP_ABSENT && !first->due, "one that waits need not end");
    first->state = RP_WAITING;
    rp_copy_leave(&service, first, 9);
    check(first->state == RP_ABSENT && first->leaving, "nor be drained");
}

static void check_times(void) {
    begin(RP_KEEP);
    first->due = 5;
    check(!rp_copies_due(&service), "nothing is due of copies that serve");
    copies[1].state = RP_WAITING;
    copies[1].due = 9;
    copies[2].state = RP_ENDING;
    check(is_about(rp_copies_due(&service), 9), "a start");
    copies[2].due = 7;
    check(is_about(rp_copies_due(&service), 7), "KILL is earlier");
    copies[2].due = 11;
    check(is_about(rp_copies_due(&service), 9), "KILL is later");
    check(!rp_copy_free(&service), "no number is free");
    copies[1].state = copies[2].state = RP_ABSENT;
    check(rp_copy_free(&service) == &copies[1], "the lowest is taken");
}

static void check_kills(void) {
    begin(RP_KEEP);
    const pid_t child = start_child();
    first->state = RP_ENDING;
    first->keeper = child;
    first->killed = true;
    first->due = rp_now() + 60;
    rp_copies_wake(&service);
    check(!kill(child, 0) && is_about(first->due, rp_now() + 60), "it is not time yet");
    first->due = rp_now();
    rp_copies_wake(&service);
    check(killed_by(child) == SIGKILL, "its processes have been told: its keeper is killed");
    check(is_about(first->due, rp_now() + 5), "and once more");
}

int main(void) {
    alarm(60);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO); /* what happens is told */
    copies = first = fenced(COPIES, sizeof(*copies));
    check_statuses();
    check_restarts();
    check_renewals();
    check_remains();
    check_patience();
    check_times();
    check_kills();
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
