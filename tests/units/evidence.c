/* SPDX-License-Identifier: MIT */
/* handover/evidence: which of two servers gets the connections and datagrams that begin. Prints
 * what is not as it should be, and how many checks were made. */
#include "handover/evidence.h"
#include "scene.h"

/* From now on the new server gets so many connections for each that the old one gets. */
static void flow(struct scene *scene, unsigned ratio) {
    scene->source = fork();
    if (scene->source) return;
    alarm(60);
    for (unsigned i = ratio / 2;; usleep(PACE), i++)
        connect_to(scene, (i % (ratio + 1)) ? RP_NEW : RP_OLD, i);
}

static enum rp_evidence gather(struct scene *scene) {
    return rp_evidence_gather(&scene->replacement, scene->replacement.groups.list);
}

static void check_flow(int listeners, unsigned ratio, enum rp_evidence expected, const char *what) {
    struct scene scene;
    begin(&scene, SOCK_STREAM, listeners);
    flow(&scene, ratio);
    check(gather(&scene) == expected, what);
    finish(&scene);
}

static void see_straggler_of_two(void) {
    check_flow(2, 3, RP_FOR, "of two members, one straggler of four is too many");
}

static void see_many_stragglers(void) {
    check_flow(3, 3, RP_AGAINST, "of three members, one straggler of four is not too many");
}

static void see_few_stragglers(void) {
    check_flow(3, 40, RP_FOR, "of three members, one straggler of forty-one is too many");
}

/* What was there before says nothing. */
static void see_what_was_there(void) {
    struct scene scene;
    begin(&scene, SOCK_STREAM, 2);
    for (unsigned i = 0; i < 40; i++) connect_to(&scene, RP_OLD, i);
    check(gather(&scene) == RP_NONE, "connections from before are counted");
    finish(&scene);
}

/* An exact address goes before a wildcard, and another address, port or protocol is none. */
static void see_other_groups(void) {
    struct scene scene;
    begin(&scene, SOCK_STREAM, 2);
    struct rp_groups *groups = &scene.replacement.groups;
    const struct rp_group exact = *groups->list;
    groups->list = fenced(4, sizeof(exact));
    groups->list[0] = exact;
    for (int i = 1; i < 4; i++) groups->list[i].like = exact.like;
    groups->list[1].like.local.address.s6_addr32[3] = 0;
    groups->list[2].like.local.port++;
    groups->list[3].like.proto = RP_UDP;
    groups->count = 4;
    flow(&scene, 3);
    check(gather(&scene) == RP_FOR, "connections to an exact address are not its own");
    check(rp_evidence_gather(&scene.replacement, groups->list + 1) == RP_NONE,
          "connections to an exact address are a wildcard's");
    groups->list++;
    groups->count--;
    check(gather(&scene) != RP_NONE, "connections to an address of no other are not a wildcard's");
    finish(&scene);
}

/* So many clients come while it is watched, which nobody accepts or reads. */
static enum rp_evidence gather_calls(struct scene *scene, uint32_t address, unsigned clients) {
    scene->source = fork();
    if (scene->source) return gather(scene);
    alarm(60);
    await_look(scene);
    for (unsigned i = 0; i < clients; i++, usleep(10 * PACE)) call(scene, address);
    pause();
    _exit(0);
}

/* before: clients that wait already. */
static void check_queue(int type, enum rp_way way, unsigned before, unsigned clients,
                        enum rp_evidence expected, const char *what) {
    struct scene scene;
    begin(&scene, type, 2);
    check(!rp_replacement_steer(&scene.replacement, way, true), "it cannot be steered");
    for (unsigned i = 0; i < before; i++) call(&scene, INADDR_LOOPBACK);
    check(gather_calls(&scene, INADDR_LOOPBACK, clients) == expected, what);
    finish(&scene);
}

static void see_new_datagrams(void) {
    check_queue(SOCK_DGRAM, RP_TO_NEW, 0, 100, RP_FOR, "the new server's datagrams are not seen");
}

static void see_old_datagrams(void) {
    check_queue(SOCK_DGRAM, RP_TO_OLD, 0, 100, RP_AGAINST, "the old's datagrams are not seen");
}

static void see_early_datagrams(void) {
    check_queue(SOCK_DGRAM, RP_TO_NEW, 3, 0, RP_NONE, "datagrams from before are counted");
}

static void see_new_queue(void) {
    check_queue(SOCK_STREAM, RP_TO_NEW, 0, 6, RP_FOR, "the new server's queue is not seen");
}

static void see_old_queue(void) {
    check_queue(SOCK_STREAM, RP_TO_OLD, 0, 6, RP_AGAINST, "the old server's queue is not seen");
}

/* A queue may have grown by those who began before, while one of them belongs to nobody. */
static void see_unsettled_queue(void) {
    check_queue(SOCK_STREAM, RP_TO_NEW, 1, 6, RP_NONE, "a queue is counted that is not settled");
}

static void see_queue_elsewhere(void) {
    struct scene scene;
    begin(&scene, SOCK_DGRAM, 2);
    check(gather_calls(&scene, INADDR_LOOPBACK + 1, 100) == RP_NONE,
          "datagrams to another address are counted");
    finish(&scene);
}

/* Those who waited at first are accepted, and were known, in whatever order the kernel lists them.
 */
static void see_accepted(void) {
    struct scene scene;
    begin(&scene, SOCK_STREAM, 2);
    check(!rp_replacement_steer(&scene.replacement, RP_TO_NEW, true), "it cannot be steered");
    for (int i = 0; i < 8; i++) call(&scene, INADDR_LOOPBACK);
    scene.source = fork();
    if (!scene.source) {
        alarm(60);
        await_look(&scene);
        for (int i = 0; i < 8; i++, usleep(10 * PACE)) ask(&scene, RP_NEW, 0);
        pause();
    }
    check(gather(&scene) == RP_NONE, "those who waited before are counted once accepted");
    finish(&scene);
}

/* A server that connects its UDP sockets gets no client by that. */
static void see_connected_datagrams(void) {
    struct scene scene;
    begin(&scene, SOCK_DGRAM, 2);
    flow(&scene, 3);
    check(gather(&scene) == RP_NONE, "connected UDP sockets are counted");
    finish(&scene);
}

int main(void) {
    static void (*const scenes[])(void) = {
        see_straggler_of_two, see_many_stragglers,    see_few_stragglers,  see_what_was_there,
        see_other_groups,     see_new_datagrams,      see_old_datagrams,   see_early_datagrams,
        see_new_queue,        see_old_queue,          see_unsettled_queue, see_queue_elsewhere,
        see_accepted,         see_connected_datagrams};
    return run_scenes(scenes, sizeof(scenes) / sizeof(*scenes));
}
