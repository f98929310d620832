/* SPDX-License-Identifier: MIT */
/* service/exclusion: what counts as evidence that a member has another number, and when guesses are
 * allowed. Prints what is not as it should be, and how many checks were made. */
#include "service/exclusion.h"
#include "check.h"
#include "fence.h"

#include "base/clock.h"
#include "service/steering.h"

#include <stdio.h>
#include <string.h>

enum { MEMBERS = 3, LAST = MEMBERS - 1 };

static struct rp_shared shared;
static const bool last_only[MEMBERS] = {[LAST] = true};

/* Excludes the last of three listeners anew, as if that were so many seconds ago. */
static void exclude_again(double ago) {
    rp_exclusion_begin(&shared, last_only);
    shared.list[LAST].excluded -= ago;
}

/* The same for the first time; the numbers of so many members are unknown. */
static void exclude(size_t unordered, double ago) {
    const uint32_t inodes[MEMBERS] = {1, 2, 3};
    rp_members_free(&shared.members);
    rp_members_restore(&shared.members, inodes, MEMBERS, unordered);
    memset(shared.list, 0, MEMBERS * sizeof(*shared.list));
    for (int i = 0; i < MEMBERS; i++) {
        shared.list[i].socket.inode = inodes[i];
        shared.chosen[i] = i != LAST;
    }
    shared.steered = true;
    shared.like.proto = RP_TCP;
    shared.count = shared.chosen_count = MEMBERS;
    shared.patience = 0;
    exclude_again(ago);
}

/* Whether the excluded listener's queue, at that length, is evidence. */
static bool fails(long queue) {
    shared.list[LAST].socket.queue = queue;
    return rp_exclusion_fails(&shared);
}

static bool are_members(uint32_t one, uint32_t two, uint32_t three) {
    const uint32_t *inodes = shared.members.inodes;
    return inodes[0] == one && inodes[1] == two && inodes[2] == three;
}

static bool is_patience(double wanted) {
    return shared.patience > wanted - 0.001 && shared.patience < wanted + 0.001;
}

static void check_beginning(void) {
    exclude(0, 0);
    const double since = shared.list[LAST].excluded;
    check(since > 0 && shared.list[LAST].least == -1, "the one that is excluded is watched");
    check(!shared.list[0].excluded && !shared.list[1].excluded, "the others are not");
    exclude_again(0);
    check(shared.list[LAST].excluded >= since && shared.list[LAST].excluded <= since,
          "it is so since the first time");
    shared.list[LAST].tries = 2;
    rp_exclusion_begin(&shared, NULL);
    check(!shared.list[LAST].excluded && shared.list[LAST].tries == 2,
          "detached: its numbers remain tried");
    rp_exclusion_begin(&shared, (bool[MEMBERS]){true});
    check(shared.list[0].excluded > 0 && !shared.list[LAST].tries,
          "it may receive: its number is right");
}

static void check_known(void) {
    exclude(0, 0);
    check(!fails(0) && !fails(99), "handshakes of before");
    exclude(0, 1.1);
    check(!fails(5) && !fails(8), "three more may come late");
    check(fails(9) && shared.members.unordered == MEMBERS, "four more: no number is known");
    check(are_members(3, 2, 1), "it changes places with the next that is chosen");
    exclude(0, 1.1);
    check(!fails(5) && !fails(2) && !fails(5) && fails(6), "the shortest queue counts");
    exclude(0, 1.1);
    shared.list[LAST].excluded = 0;
    check(!fails(0) && !fails(99), "one that is not excluded");
    shared.patience = 2;
    check(!fails(0) && !shared.patience, "no patience where numbers are known");
}

static void check_guesses(void) {
    exclude(MEMBERS, 0.1);
    check(!fails(0) && fails(1), "one more suffices where the number was a guess");
    check(are_members(3, 2, 1) && !shared.patience, "the next number is tried, as soon");
    const double begin = rp_now();
    rp_exclusion_begin(&shared, NULL);
    exclude_again(0);
    check((!fails(0) && !fails(1)) || rp_now() - begin >= 0.02, "at once it is too early");
    for (int i = 2; i <= MEMBERS; i++) {
        rp_exclusion_begin(&shared, NULL);
        exclude_again(0.1);
        check(!shared.patience && !fails(0) && fails(1), "as long as there are others");
    }
    check(is_patience(0.04) && !shared.list[LAST].tries, "all were tried: more patience");
    shared.patience = 1.5;
    for (int i = 1; i <= MEMBERS; i++) {
        rp_exclusion_begin(&shared, NULL);
        exclude_again(1);
        check(!fails(0) && !fails(1), "less than its patience is too early");
        shared.list[LAST].excluded -= 1;
        check(!fails(0) && fails(1), "more is not");
    }
    check(is_patience(2), "two seconds at most");
}

static void check_programs(void) {
    exclude(0, 9);
    fails(0);
    shared.steered = false;
    check(!fails(9), "no program is attached");
    shared.steered = true;
    shared.like.proto = RP_UDP;
    check(!fails(9), "datagrams");
    shared.like.proto = RP_TCP;
    shared.chosen_count = LAST;
    check(!fails(9), "a member has joined since");
    shared.chosen_count = MEMBERS;
    check(fails(9), "else it is evidence");
}

static void check_guessing(void) {
    static const struct rp_service_plan balanced = {.balance = true}, plain;
    struct rp_service service = {.plan = &balanced, .slots = 2};
    service.list = fenced(2, sizeof(*service.list));
    shared.like.proto = RP_TCP;
    service.list[1].state = RP_SERVING;
    check(rp_may_guess(&service, &shared), "one serves, and one is absent");
    service.list[0].state = RP_WAITING;
    check(rp_may_guess(&service, &shared), "one waits to be started");
    service.list[0].state = RP_STARTING;
    check(rp_may_guess(&service, &shared), "one starts that need not be ready");
    service.list[0].gated = true;
    check(!rp_may_guess(&service, &shared), "one must be ready first");
    service.list[0].state = RP_DRAINING;
    check(!rp_may_guess(&service, &shared), "one drains");
    service.list[0].state = RP_SERVING;
    shared.like.proto = RP_UDP;
    check(!rp_may_guess(&service, &shared), "datagrams");
    shared.like.proto = RP_TCP;
    service.plan = &plain;
    check(!rp_may_guess(&service, &shared), "nobody asks for balance");
}

/* Whether no connection comes to the last listener's copy; unordered: whose numbers are unknown. */
static bool is_excluded(size_t unordered, const bool *chosen, size_t count) {
    static const struct rp_service_plan plain;
    const struct rp_copy copy = {.number = 7, .state = RP_SERVING};
    struct rp_service service = {.plan = &plain, .listening.count = 1};
    shared.chosen = fenced(MEMBERS, sizeof(*chosen));
    exclude(unordered, 9);
    shared.list[LAST].copy = copy.number;
    shared.list[0].copy = shared.list[1].copy = RP_STRANGER;
    shared.chosen = fenced(count, sizeof(*chosen));
    memcpy(shared.chosen, chosen, count * sizeof(*chosen));
    shared.chosen_count = count;
    service.listening.list = fenced(1, sizeof(shared));
    *service.listening.list = shared;
    return rp_is_excluded(&service, &copy);
}

/* A member that has joined since it was attached has no number there. */
static void check_exclusion(void) {
    static const bool nobody[MEMBERS], last[] = {false, false, true}, second[] = {false, true};
    check(is_excluded(0, nobody, MEMBERS) && !is_excluded(0, last, MEMBERS), "a known number");
    check(!is_excluded(MEMBERS, second, 2) && !is_excluded(MEMBERS, last, MEMBERS),
          "who is chosen is not known, and it is not the last");
    check(is_excluded(MEMBERS, nobody, MEMBERS) && is_excluded(MEMBERS, nobody, 2),
          "nobody is chosen");
    check(is_excluded(0, second, 2), "one that has joined since");
}

int main(void) {
    shared.list = fenced(MEMBERS, sizeof(*shared.list));
    shared.chosen = fenced(MEMBERS, sizeof(*shared.chosen));
    check_beginning();
    check_known();
    check_guesses();
    check_programs();
    check_guessing();
    check_exclusion();
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
