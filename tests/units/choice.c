/* SPDX-License-Identifier: MIT */
/* service/choice: which members' numbers get connections while copies leave. Prints what is not as
 * it should be, and how many checks were made. */
#include "service/choice.h"
#include "check.h"
#include "fence.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum { COPIES = 3, MOST = 16 };

static struct rp_copy *copies;
static struct rp_listener *listeners, *listeners_end;
static bool *chosen_end;
static const struct rp_service_plan plan; /* without --balance */
static struct rp_service service = {.plan = &plan, .slots = COPIES};
static struct rp_shared shared;

/* A group whose members, by number, are of those copies, such as "0011"; the order of the first
 * `unordered` is unknown. "?": nobody's that we see. All copies serve. */
static void group(const char *owners, size_t unordered) {
    uint32_t inodes[MOST];
    shared.count = strlen(owners);
    shared.list = listeners = listeners_end - shared.count;
    for (size_t i = 0; i < shared.count; i++) {
        inodes[i] = (uint32_t)i + 1;
        listeners[i] = (struct rp_listener){
            .copy = owners[i] == '?' ? RP_STRANGER : owners[i] - '0', .socket.inode = inodes[i]};
    }
    rp_members_free(&shared.members);
    rp_members_restore(&shared.members, inodes, shared.count, unordered);
    for (int i = 0; i < COPIES; i++) copies[i] = (struct rp_copy){.number = i, .state = RP_SERVING};
}

/* Whether that is to be attached, and if it chooses, those numbers, such as "..xx". */
static bool goes(enum rp_target target, const char *numbers) {
    bool *chosen = chosen_end - shared.count;
    char text[MOST + 1] = "";
    const enum rp_target is = rp_choose(&service, &shared, chosen);
    for (size_t i = 0; i < shared.count; i++) text[i] = chosen[i] ? 'x' : '.';
    const bool same = is == target && (!*numbers || !strcmp(text, numbers));
    if (!same) printf("target %d, \"%s\"\n", (int)is, text);
    return same;
}

static void check_states(void) {
    group("012", 3);
    check(goes(RP_TO_ALL, "xxx"), "all serve, in whatever order");
    copies[1].state = RP_STARTING;
    check(goes(RP_TO_ALL, "xxx"), "one that need not be ready first");
    group("012", 0);
    copies[1].state = RP_DRAINING;
    check(goes(RP_TO_SOME, "x.x"), "one drains");
    group("012", 0);
    copies[2].gated = true;
    check(goes(RP_TO_SOME, "xxx"), "whoever joins while one starts is kept out");
    for (int i = 0; i < COPIES; i++) copies[i].state = RP_DRAINING;
    check(goes(RP_BY_KERNEL, ""), "all drain");
    group("01?", 0);
    copies[0].state = RP_DRAINING;
    check(goes(RP_BY_KERNEL, ""), "a stranger is there");
    copies[0].state = RP_ENDING;
    shared.steered = true;
    check(goes(RP_AS_BEFORE, ""), "a stranger is there, and members that are invisible");
    shared.steered = false;
    copies[0].state = RP_DRAINING;
    listeners[2].since = rp_now();
    check(goes(RP_TO_SOME, ".x."), "a new listener that is still searched for");
    copies[1].started = copies[2].started = listeners[2].since;
    check(goes(RP_TO_SOME, ".x."), "one that may be of a copy that has just started");
    copies[1].started = copies[2].started = listeners[2].since + 1;
    check(goes(RP_BY_KERNEL, ""), "one that was there before all copies");
}

static void check_unknown_numbers(void) {
    group("0112", 3);
    copies[0].state = RP_DRAINING;
    check(goes(RP_TO_SOME, "...x"), "known numbers stand in for unknown ones");
    group("0112", 4);
    copies[0].state = RP_DRAINING;
    check(goes(RP_BY_KERNEL, ""), "no number is known");
    copies[0].state = RP_ENDING;
    check(goes(RP_AS_BEFORE, ""), "no number is known any more, while members leave");
    group("0112", 4);
    listeners[1].passed_over = true;
    check(goes(RP_BY_KERNEL, ""), "what is merely unbalanced is left to the kernel");
}

static void check_departures(void) {
    group("000111", 0);
    copies[0].state = RP_DRAINING;
    check(goes(RP_TO_SOME, "...xxx"), "a copy with three listeners drains");
    copies[0].state = RP_ENDING;
    check(goes(RP_TO_SOME, "...x.."), "it leaves: numbers that do not change");
    listeners[3].passed_over = true;
    check(goes(RP_TO_SOME, "...x.."), "that counts more than its queue");
    group("011", 0);
    copies[0].state = RP_ENDING;
    check(goes(RP_TO_SOME, ".xx"),
          "one listener leaves: the last number falls to the hash with it");
    group("000022", 0);
    copies[0].state = RP_ENDING;
    check(goes(RP_TO_SOME, "....xx"), "no number stays: better some than none");
}

int main(void) {
    service.list = copies = fenced(COPIES, sizeof(*copies));
    listeners_end = (struct rp_listener *)fenced(MOST, sizeof(*listeners)) + MOST;
    chosen_end = (bool *)fenced(MOST, sizeof(*chosen_end)) + MOST;
    check_states();
    check_unknown_numbers();
    check_departures();
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
