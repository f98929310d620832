/* SPDX-License-Identifier: MIT */
/* service/renewal: which step follows from the copies' states. Prints what is not as it should be,
 * and how many checks were made. */
#include "service/renewal.h"
#include "check.h"
#include "fence.h"

#include "service/copies.h"
#include "service/notes.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COPIES = 3 };

static struct rp_launch launch = {.quiet = true};
static struct rp_service_plan plan;
static struct rp_service service;
static struct rp_copy *copies;

/* A renewal of so many copies; their states by number, of old ones in capitals: absent, waiting,
 * starting, ready, draining, ending, and fresh, which is starting. */
static void begin(int target, const char *states) {
    static const char names[] = "asrdew"; /* in the order of enum rp_state */
    plan = (struct rp_service_plan){.copies.launch = &launch};
    service = (struct rp_service){.plan = &plan,
                                  .list = copies,
                                  .slots = COPIES,
                                  .target = target,
                                  .generation = 1,
                                  .renewing = true,
                                  .copies.launch = &launch};
    for (int i = 0; i < COPIES; i++) {
        const bool old = states[i] < 'a';
        const char name = (char)(states[i] | ('a' - 'A'));
        copies[i] = (struct rp_copy){.number = i, .generation = !old};
        copies[i].fresh = name == 'f';
        copies[i].state = name == 'f' ? RP_STARTING : (enum rp_state)(strchr(names, name) - names);
    }
}

static bool are(enum rp_state one, enum rp_state two, enum rp_state three) {
    return copies[0].state == one && copies[1].state == two && copies[2].state == three;
}

static void check_steps(void) {
    begin(2, "RrR");
    rp_renewal_step(&service);
    check(are(RP_DRAINING, RP_SERVING, RP_SERVING) && copies[0].leaving, "an old one leaves");
    rp_renewal_step(&service);
    check(copies[2].state == RP_SERVING, "one at a time");
    begin(2, "RRr");
    plan.in_place = true;
    rp_renewal_step(&service);
    service.manager.extend = 0;
    rp_renewal_step(&service);
    check(are(RP_DRAINING, RP_SERVING, RP_SERVING) && !service.manager.extend, "and once");
    begin(2, "rRS");
    rp_renewal_step(&service);
    check(are(RP_SERVING, RP_SERVING, RP_DRAINING), "first one that does not serve");
    begin(1, "WRr");
    rp_renewal_step(&service);
    check(are(RP_ABSENT, RP_SERVING, RP_SERVING), "one that waits to be started is not");
    begin(1, "Wra");
    rp_renewal_step(&service);
    check(are(RP_ABSENT, RP_SERVING, RP_ABSENT), "though the new one alone serves");
    check(service.renewing, "that was a step");
    rp_renewal_step(&service);
    check(!service.renewing && service.manager.reloaded && !service.manager.failed, "the last");
    begin(2, "rfR");
    rp_renewal_step(&service);
    check(service.renewing && copies[2].state == RP_SERVING, "a new one gets ready");
    begin(2, "reR");
    copies[1].leaving = true;
    rp_renewal_step(&service);
    check(copies[2].state == RP_SERVING, "an old one ends");
}

static void check_last(void) {
    begin(2, "Rsa");
    plan.in_place = true;
    rp_renewal_step(&service);
    check(are(RP_SERVING, RP_STARTING, RP_ABSENT) && service.renewing,
          "the last that serves stays");
    copies[1].state = RP_SERVING;
    rp_renewal_step(&service);
    check(are(RP_DRAINING, RP_SERVING, RP_ABSENT), "until another one does");
}

static void check_signals(void) {
    begin(2, "Rrf");
    rp_renewal_begin(&service);
    check(service.again && service.generation == 1, "a signal in a renewal");
    copies[2].fresh = false;
    copies[2].state = RP_SERVING;
    rp_renewal_step(&service);
    check(!service.again && service.generation == 2 && copies[0].state == RP_DRAINING,
          "it begins again after the step: all are old");
    begin(2, "rra");
    service.renewing = false;
    rp_renewal_begin(&service);
    check(service.renewing && !service.again && service.generation == 2, "a signal");
    begin(1, "raa");
    plan.in_place = true;
    service.renewing = false;
    rp_renewal_begin(&service);
    check(!service.renewing && service.generation == 1 && service.manager.failed,
          "one copy alone cannot be renewed in place");
    service.target = 2;
    rp_renewal_begin(&service);
    check(service.renewing, "one of two can");
    begin(2, "rra");
    service.renewing = false;
    service.stopping = true;
    rp_renewal_begin(&service);
    check(!service.renewing && !service.manager.reloading, "none begins while all end");
}

static void check_failures(void) {
    begin(2, "RRa");
    rp_renewal_fail(&service, "%d", 7);
    check(!service.renewing && service.manager.failed, "it ends");
    begin(2, "RRa");
    service.again = true;
    rp_renewal_fail(&service, "%d", 7);
    check(service.renewing && service.again, "it begins again");
    begin(2, "RRR");
    service.stopping = true;
    rp_renewal_step(&service);
    check(are(RP_SERVING, RP_SERVING, RP_SERVING), "no step while all end");
}

int main(void) {
    alarm(60);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO); /* failures are told */
    rp_notes_prepare(&service);
    copies = fenced(COPIES, sizeof(*copies));
    check_steps();
    check_last();
    check_signals();
    check_failures();
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
