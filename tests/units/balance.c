/* SPDX-License-Identifier: MIT */
/* service/balance: whose queues are short. Prints what is not as it should be, and how many checks
 * were made. */
#include "service/balance.h"
#include "check.h"
#include "fence.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

/* One group of four copies, with those queues. */
static struct rp_copy *copies;
static struct rp_listener *listeners;
static struct rp_service service = {.slots = 4};
static struct rp_shared shared = {.count = 4};

static void queue(long one, long two, long three, long four) {
    const long queues[] = {one, two, three, four};
    for (int i = 0; i < 4; i++) {
        copies[i] = (struct rp_copy){.number = i, .state = RP_SERVING};
        listeners[i] = (struct rp_listener){.copy = i, .socket.queue = queues[i]};
    }
}

/* Whether those copies, such as "0 2", are not passed over, with that many arrivals a look. */
static bool go_to(const char *wanted, long arrived) {
    char text[16] = "";
    rp_balance_group(&service, &shared, arrived);
    for (int i = 0; i < 4; i++)
        if (!listeners[i].passed_over)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), *text ? " %d" : "%d", i);
    if (strcmp(text, wanted) != 0) printf("arrived %ld: \"%s\"\n", arrived, text);
    return !strcmp(text, wanted);
}

static void check_threshold(void) {
    queue(0, 0, 0, 0);
    check(go_to("0 1 2 3", 0), "all are free");
    queue(0, 1, 0, 0);
    check(go_to("0 2 3", 0), "one has a queue, and nothing arrives");
    check(go_to("0 2 3", 3), "less than one a copy arrives");
    check(go_to("0 1 2 3", 4), "one a copy arrives");
    queue(5, 6, 7, 9);
    check(go_to("0", 0), "the shortest, where nothing arrives");
    check(go_to("0 1 2", 8), "never the shortest alone under load");
    check(go_to("0 1 2 3", 16), "neighbours' connections only make it less strict");
    queue(3, 3, 3, 3);
    check(go_to("0 1 2 3", 0), "even queues exclude nobody");
}

static void check_states(void) {
    queue(9, 0, 7, 7);
    copies[1].state = RP_DRAINING;
    check(go_to("1 2 3", 0), "a copy that drains is no measure");
    queue(9, 0, 7, 7);
    copies[1].state = RP_STARTING;
    copies[1].gated = true;
    check(go_to("1 2 3", 0), "nor is one that is not ready");
    queue(9, 0, 7, 7);
    listeners[1].copy = RP_STRANGER;
    check(go_to("1 2 3", 0), "nor is a stranger");
    queue(9, 0, 7, 7);
    for (int i = 0; i < 4; i++) listeners[i].copy = RP_HIDDEN;
    check(go_to("1", 0), "copies that cannot be told apart are compared");
}

static void check_stall(void) {
    queue(1, 2, 2, 2);
    listeners[0].stalled = rp_now() - 1;
    check(go_to("1 2 3", 400), "one that accepts nothing, though its queue is the shortest");
    listeners[0].stalled = rp_now();
    check(go_to("0 1 2 3", 400), "one that has not accepted for an instant");
    for (int i = 0; i < 4; i++) listeners[i].stalled = rp_now() - 1;
    check(go_to("0 1 2 3", 400), "all accept nothing");
    queue(0, 0, 0, 0);
    listeners[2].stopped = true;
    check(go_to("0 1 3", 400), "one that is stopped, before anything waits for it");
    queue(1, 2, 2, 2);
    for (int i = 0; i < 3; i++) copies[i].state = RP_DRAINING;
    listeners[3].stalled = rp_now() - 1;
    check(go_to("0 1 2 3", 400), "the only one that may receive accepts nothing");
}

int main(void) {
    service.list = copies = fenced(4, sizeof(*copies));
    shared.list = listeners = fenced(4, sizeof(*listeners));
    check_threshold();
    check_states();
    check_stall();
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
