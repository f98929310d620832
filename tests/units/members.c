/* SPDX-License-Identifier: MIT */
/* group/members beside a model of the kernel's array. Makes no system call. Prints what is not as
 * it should be, and how many checks were made. */
#include "group/members.h"
#include "check.h"

#include "inspect/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A group as the kernel keeps it: numbers in array, the order of joining in joined. */
struct model {
    uint32_t array[64], joined[64];
    size_t count;
};

static void join(struct model *model) {
    static uint32_t next = 1;
    model->array[model->count] = model->joined[model->count] = next++;
    model->count++;
}

static void leave(struct model *model, size_t number) {
    const uint32_t inode = model->array[number];
    size_t kept = 0;
    model->array[number] = model->array[model->count - 1];
    for (size_t i = 0; i < model->count; i++)
        if (model->joined[i] != inode) model->joined[kept++] = model->joined[i];
    model->count--;
}

static bool is_known(const struct rp_members *members, const struct model *model) {
    for (size_t i = members->unordered; i < model->count; i++)
        if (members->inodes[i] != model->array[i]) return false;
    return members->count == model->count;
}

/* Whether those in unknown order are the ones that have these numbers. */
static bool are_the_first(const struct rp_members *members, const struct model *model) {
    for (size_t i = 0; i < members->unordered; i++) {
        bool is = false;
        for (size_t j = 0; j < members->unordered; j++)
            is = is || members->inodes[i] == model->array[j];
        if (!is) return false;
    }
    return true;
}

static void check_numbers(void) {
    for (unsigned run = 0; run < 300; run++) {
        struct model model = {.count = 0};
        struct rp_members members = {.inodes = NULL};
        for (unsigned i = 0; i < run % 5; i++) join(&model);
        if (run % 2 && model.count > 2) leave(&model, 0); /* seen by nobody */
        bool good = true;
        for (unsigned step = 0; step < 40; step++) {
            rp_members_update(&members, model.joined, model.count);
            good = good && is_known(&members, &model) && are_the_first(&members, &model);
            if (model.count && (random() % 2 || model.count == 64))
                leave(&model, (size_t)random() % model.count);
            else
                join(&model);
        }
        check(good, "a number, with one change between two looks");
        rp_members_free(&members);
    }
}

static void check_two_changes(void) {
    for (int joins = 0; joins < 2; joins++) {
        struct model model = {.count = 0};
        struct rp_members members = {.inodes = NULL};
        rp_members_update(&members, NULL, 0);
        for (int i = 0; i < 4; i++) join(&model);
        rp_members_update(&members, model.joined, 4);
        check(!members.unordered, "numbers of those seen to join are not known");
        leave(&model, 0);
        if (joins)
            join(&model);
        else
            leave(&model, 1);
        rp_members_update(&members, model.joined, model.count);
        check(members.unordered == model.count, "numbers are taken for known after two changes");
        rp_members_free(&members);
    }
}

/* After two departures and two joiners, of which nobody knows the order, one member after the other
 * is excluded by the number that it seems to have, and gets connections if that is wrong. */
static void check_doubt(void) {
    for (unsigned run = 0; run < 300; run++) {
        struct model model = {.count = 0};
        struct rp_members members = {.inodes = NULL};
        bool chosen[8], good = true;
        rp_members_update(&members, NULL, 0);
        for (int i = 0; i < 6; i++) join(&model);
        rp_members_update(&members, model.joined, 6);
        if (run % 3) {
            leave(&model, (size_t)random() % model.count);
            leave(&model, (size_t)random() % model.count);
        } else {
            leave(&model, 0);
            join(&model);
        }
        rp_members_update(&members, model.joined, model.count);
        for (size_t i = 0; i < model.count; i++) {
            const uint32_t stuck = model.array[i];
            size_t tries = 0, at = 0;
            for (; tries < 2 * model.count; tries++) {
                for (size_t j = 0; j < model.count; j++) chosen[j] = members.inodes[j] != stuck;
                for (at = 0; chosen[at];) at++;
                if (at == i) break;
                rp_members_doubt(&members, stuck, chosen);
            }
            good = good && at == i && tries < model.count;
        }
        check(good, "a number that is found by what comes to the member");
        rp_members_free(&members);
    }
}

/* The members are those, by number, and the order of the first `unordered` is unknown. */
static bool are(const struct rp_members *members, const char *inodes, size_t unordered) {
    char text[64];
    for (size_t i = 0; i < members->count; i++) text[i] = (char)('0' + members->inodes[i]);
    text[members->count] = '\0';
    const bool same = !strcmp(text, inodes) && members->unordered == unordered;
    if (!same) printf("\"%s\", %zu\n", text, members->unordered);
    return same;
}

/* Inodes are digits. Memory ends with the last one, for valgrind(1). */
static uint32_t *inodes_of(const char *digits, size_t *count) {
    *count = strlen(digits);
    uint32_t *inodes = calloc(*count + !*count, sizeof(*inodes));
    for (size_t i = 0; i < *count; i++) inodes[i] = (uint32_t)(digits[i] - '0');
    return inodes;
}

static bool update(struct rp_members *members, const char *digits) {
    size_t count;
    uint32_t *inodes = inodes_of(digits, &count);
    const bool changed = rp_members_update(members, inodes, count);
    free(inodes);
    return changed;
}

static void restore(struct rp_members *members, const char *digits, size_t unordered) {
    size_t count;
    uint32_t *inodes = inodes_of(digits, &count);
    rp_members_restore(members, inodes, count, unordered);
    free(inodes);
}

static void check_updates(void) {
    struct rp_members members = {.inodes = NULL};
    check(update(&members, "1") && are(&members, "1", 0), "one alone has number 0");
    check(update(&members, "123") && are(&members, "123", 0), "two join");
    check(!update(&members, "123") && are(&members, "123", 0), "nothing changes");
    check(update(&members, "23") && are(&members, "32", 0), "the last takes the place");
    check(update(&members, "4") && are(&members, "4", 0), "one is left, in whatever order");
    rp_members_free(&members);
    check(!members.inodes && !members.count && !members.watched, "freed");
    check(update(&members, "12") && are(&members, "12", 2), "at first the order is unknown");
    check(update(&members, "123") && are(&members, "123", 2), "who joins then is known");
    check(update(&members, "1") && are(&members, "1", 0), "two leave");
    rp_members_free(&members);
    check(update(&members, "") && are(&members, "", 0), "nobody");
    check(update(&members, "12") && are(&members, "12", 0), "all have been seen to join");
    rp_members_free(&members);
}

static void check_restoring(void) {
    struct rp_members members = {.inodes = NULL};
    restore(&members, "321", 0);
    check(!update(&members, "123") && are(&members, "321", 0), "known numbers are taken over");
    restore(&members, "3214", 2);
    check(update(&members, "124") && are(&members, "421", 2), "and which of them are not known");
    restore(&members, "", 0);
    check(update(&members, "12") && are(&members, "12", 2), "nothing to take over");
    rp_members_free(&members);
}

/* Whether so many numbers are chosen for those inodes, and whether that is sure. */
static bool chooses(const struct rp_members *members, const char *digits, const char *numbers,
                    bool sure) {
    bool chosen[8], is_sure = !sure;
    char text[8] = "";
    size_t count, all = 0;
    uint32_t *inodes = inodes_of(digits, &count);
    const size_t number = rp_members_choose(members, inodes, count, chosen, &is_sure);
    free(inodes);
    for (size_t i = 0; i < members->count; i++) text[i] = chosen[i] ? 'x' : '.';
    for (const char *at = numbers; *at; at++) all += *at == 'x';
    return number == all && !strcmp(text, numbers) && is_sure == sure;
}

static void check_choice(void) {
    struct rp_members members = {.inodes = NULL};
    restore(&members, "1234", 2);
    check(chooses(&members, "", "....", true), "nobody is chosen");
    check(chooses(&members, "3", "..x.", true), "one whose number is known");
    check(chooses(&members, "29", ".x..", false), "one of two in unknown order");
    check(chooses(&members, "421", "xx.x", true), "both of them");
    restore(&members, "1234", 0);
    check(chooses(&members, "1", "x...", true), "all numbers are known");
    rp_members_free(&members);
}

static void check_doubt_of_known(void) {
    struct rp_members members = {.inodes = NULL};
    restore(&members, "1234", 0);
    rp_members_doubt(&members, 5, (const bool[]){true, true, true, true});
    check(are(&members, "1234", 0), "doubt of somebody else");
    rp_members_doubt(&members, 2, (const bool[]){true, false, false, true});
    check(are(&members, "1432", 4), "the next chosen has its number; none is known");
    restore(&members, "1234", 2);
    rp_members_doubt(&members, 1, (const bool[]){false, false, true, true});
    check(are(&members, "1234", 2), "nobody is chosen whose number is not known either");
    rp_members_doubt(&members, 2, (const bool[]){true, false, true, true});
    check(are(&members, "2134", 2), "known numbers stay");
    rp_members_doubt(&members, 4, (const bool[]){false, false, true, false});
    check(are(&members, "2143", 4), "a known number was wrong");
    restore(&members, "1234", 2);
    rp_members_doubt(&members, 3, (const bool[]){false, false, false, true});
    check(are(&members, "1243", 4), "the first known number was wrong");
    rp_members_free(&members);
}

static void check_groups(void) {
    const struct rp_socket like = {
        .proto = RP_TCP, .ipv6 = true, .interface = 1, .local = {IN6ADDR_LOOPBACK_INIT, 80}};
    struct rp_socket others[] = {like, like, like, like, like, like};
    others[0].proto = RP_UDP;
    others[1].ipv6 = false;
    others[2].ipv6_only = true;
    others[3].local.port = 81;
    others[4].interface = 2;
    others[5].local.address = (struct in6_addr)IN6ADDR_ANY_INIT;
    check(rp_is_same_group(&like, &like), "the same group");
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        check(!rp_is_same_group(&like, &others[i]), "another group");
    others[4].interface = RP_NOWHERE;
    check(rp_is_same_group(&like, &others[4]) && rp_is_same_group(&others[4], &like), "invisible");
    others[3].interface = RP_NOWHERE;
    check(!rp_is_same_group(&like, &others[3]) && !rp_is_same_group(&others[3], &like),
          "invisible, of another group");
}

int main(void) {
    check_numbers();
    check_two_changes();
    check_doubt();
    check_updates();
    check_restoring();
    check_choice();
    check_doubt_of_known();
    check_groups();
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
