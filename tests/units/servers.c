/* SPDX-License-Identifier: MIT */
/* Steps of a replacement, with two servers that run as processes: who is a guest, where everything
 * is steered, what is switched on and off. Prints what is not as it should be, and how many checks
 * were made. */
#include "base/clock.h"
#include "base/die.h"
#include "handover/arrival.h"
#include "handover/guest.h"
#include "handover/steer.h"
#include "handover/transfer.h"
#include "inspect/holders.h"
#include "inspect/option.h"
#include "inspect/trial.h"
#include "look/traffic.h"
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

/* A connection from that address waits for the new server. */
static bool reaches_new(struct scene *scene, const char *address) {
    struct sockaddr_in from = {.sin_family = AF_INET},
                       to = {.sin_family = AF_INET,
                             .sin_port = htons(scene->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(inet_pton(AF_INET, address, &from.sin_addr) == 1, "not an address");
    must(!bind(fd, (struct sockaddr *)&from, sizeof(from)), "bind");
    must(!connect(fd, (struct sockaddr *)&to, sizeof(to)), "connect");
    rp_replacement_look(&scene->replacement, RP_CONNECTED);
    const bool waits = rp_waiting(&scene->replacement.look, RP_NEW) > 0;
    check(waits || rp_waiting(&scene->replacement.look, RP_OLD) > 0, "it waits for neither");
    close(fd);
    return waits;
}

static void see_guest(void) {
    struct scene scene;
    char text[INET_ADDRSTRLEN], again[INET_ADDRSTRLEN];
    begin(&scene, SOCK_STREAM, 2);
    struct rp_replacement *this = &scene.replacement;
    check(!rp_replacement_steer(this, RP_TO_OLD, false), "it cannot be steered");
    const char *admitted = rp_guest_admit(this, scene.pids[RP_NEW], text);
    check(admitted && !strncmp(text, "127.", 4), "nobody is admitted");
    check(admitted && reaches_new(&scene, text), "a guest does not reach the new server");
    check(rp_guest_admit(this, scene.pids[RP_NEW], again) && strcmp(text, again) != 0,
          "there is no second guest");
    rp_guest_dismiss(this);
    check(!this->groups.list->guest.address, "the guest is not dismissed");
    finish(&scene);
    begin(&scene, SOCK_STREAM, 2);
    check(!rp_replacement_steer(this, RP_TO_OLD, false), "it cannot be steered");
    check(!reaches_new(&scene, "127.1.2.3"), "somebody else reaches the new server");
    this->groups.list->like.interface = 1;
    check(!rp_guest_admit(this, scene.pids[RP_NEW], text), "a guest where nobody gets through");
    finish(&scene);
}

/* The way is clear already, and nothing is switched on that would have to be switched off. */
static void see_clear_way(void) {
    struct scene scene;
    begin(&scene, SOCK_STREAM, 2);
    struct rp_replacement *this = &scene.replacement;
    rp_adopt_all(this);
    bool *adopted = fenced(this->held.count, sizeof(*adopted));
    memcpy(adopted, this->adopted, this->held.count * sizeof(*adopted));
    free(this->adopted);
    this->adopted = adopted;
    check(!*adopted && !rp_clear_way(this), "a way that is clear");
    rp_give_back(this);
    rp_transfer_rehearse(this);
    finish(&scene);
}
/* Where a client comes, after each step. */
static void see_steering(void) {
    struct scene scene;
    bool noted = false;
    begin(&scene, SOCK_STREAM, 2);
    struct rp_replacement *this = &scene.replacement;
    struct rp_groups *groups = &this->groups;
    groups->list->noted = &noted;
    check(!rp_replacement_steer(this, RP_BY_HASH, true) && !noted, "nothing is there to detach");
    check(!rp_replacement_steer(this, RP_TO_OLD, true) && noted, "it cannot be steered");
    check(!reaches_new(&scene, "127.2.0.1"), "to the old server");
    groups->list->way = RP_BY_HASH; /* as if that had failed */
    rp_replacement_look(this, 0);
    check(groups->list->way == RP_TO_OLD, "a look does not try it again");
    check(!rp_replacement_steer(this, RP_TO_NEW, true) && noted, "it cannot be steered anew");
    check(reaches_new(&scene, "127.2.0.2"), "to the new server");
    groups->list->way = RP_BY_HASH;
    rp_replacement_look(this, 0);
    check(groups->list->way == RP_TO_NEW, "a look does not try it again");
    groups->left_alone = true;
    check(!rp_replacement_steer(this, RP_TO_OLD, true), "what is left alone cannot be steered");
    check(groups->list->way == RP_TO_NEW, "what is left alone is steered");
    groups->left_alone = false;
    check(!rp_replacement_steer(this, RP_TO_FIRST, true), "it cannot be steered to one");
    groups->list->way = RP_TO_NEW;
    rp_replacement_look(this, 0);
    check(groups->list->way == RP_TO_NEW, "a look steers to one of them");
    check(!rp_replacement_steer(this, RP_BY_HASH, true) && !noted, "it is not detached");
    check(groups->list->way == RP_BY_HASH, "it is taken for steered");
    finish(&scene);
}

/* Takes the side's sockets for those of nobody whom one may ask for a descriptor. */
static void forget_owners(struct rp_look *look, enum rp_side side) {
    for (size_t i = 0; i < look->of[side].count; i++) look->of[side].list[i].owner_count = 0;
}

/* Through the old server's sockets where the new one's cannot be had; else by a visit. */
static void check_ways(int type, int last) {
    struct scene scene;
    begin(&scene, type, 2);
    struct rp_replacement *this = &scene.replacement;
    forget_owners(&this->look, RP_NEW);
    check(!rp_replacement_steer(this, RP_TO_OLD, false), "not through the old server");
    check(!rp_replacement_steer(this, RP_BY_HASH, false), "it cannot be detached");
    forget_owners(&this->look, RP_OLD);
    check(rp_replacement_steer(this, RP_TO_OLD, false) == last, "not through nobody at first");
    check(rp_replacement_steer(this, RP_TO_NEW, false) == last, "not through nobody");
    check(this->groups.list->way == (last ? RP_BY_HASH : RP_TO_NEW), "another way is noted");
    finish(&scene);
}

static void see_ways(void) {
    check_ways(SOCK_STREAM, 0);
    check_ways(SOCK_DGRAM, EPERM);
}

static void see_reasons(void) {
    struct rp_group list[] = {{.like.local.port = 50000}, {.like.local.port = 1}};
    struct rp_groups groups = {fenced(2, sizeof(*list)), 1, false};
    memcpy(groups.list, list, sizeof(list));
    if (!getuid()) must(!setuid(65534), "setuid");
    check(!strcmp(rp_steer_reason(&groups, EACCES), strerror(EACCES)), "no privileged port");
    groups.count = 2;
    check(strstr(rp_steer_reason(&groups, EACCES), "CAP_NET_BIND_SERVICE") != NULL, "a privileged");
    check(!strcmp(rp_steer_reason(&groups, EPERM), strerror(EPERM)), "another errno");
}

static bool shares(const struct rp_sockets *sockets) {
    bool on = false;
    check(sockets->count && !rp_option_read(sockets->list, &on), "the option cannot be read");
    return on;
}

/* Listeners that were switched on are switched off again; before, the connections. */
static void see_giving_back(void) {
    struct scene scene;
    begin(&scene, SOCK_STREAM, 2);
    struct rp_replacement *this = &scene.replacement;
    struct rp_socket *held = fenced(2, sizeof(*held));
    held[0] = *this->held.list;
    held[1].inode = 1; /* it has gone */
    this->held = (struct rp_sockets){held, 2, 2};
    this->adopted = fenced(2, sizeof(*this->adopted));
    for (unsigned i = 0; i < 3; i++) connect_to(&scene, RP_OLD, i);
    check(rp_share_connections(this, true) == 0, "connections that share are switched on");
    check(rp_share_connections(this, false) == 3, "three connections are not switched off");
    check(rp_share_connections(this, false) == 0, "connections are switched off twice");
    check(rp_share_connections(this, true) == 3, "three connections are not switched on");
    rp_give_back(this);
    check(rp_share_connections(this, true) == 0, "connections of a server that was not adopted");
    rp_replacement_look(this, 0);
    check(shares(&this->look.of[RP_OLD]), "a listener that was not adopted is switched off");
    this->adopted[1] = true;
    rp_give_back(this);
    rp_replacement_look(this, 0);
    check(shares(&this->look.of[RP_OLD]), "it is switched off beside one that was adopted");
    this->adopted[0] = true;
    rp_give_back(this);
    rp_replacement_look(this, 0);
    check(!shares(&this->look.of[RP_OLD]), "a listener that was adopted still shares");
    check(shares(&this->look.of[RP_NEW]), "the new server's is switched off");
    check(rp_share_connections(this, true) == 3, "its connections still share");
    finish(&scene);
}

/* The new server's sockets that are hidden: "b" the one beside the group, "m" its member. */
static const char *hidden(struct scene *scene) {
    static char text[4];
    const struct rp_sockets *sockets = &scene->replacement.look.of[RP_NEW];
    size_t length = 0;
    rp_replacement_look(&scene->replacement, 0);
    check(sockets->count == 2, "not two sockets of the new server");
    for (size_t i = 0; i < sockets->count && length < 3; i++)
        if (sockets->list[i].interface == RP_NOWHERE)
            text[length++] =
                rp_groups_find(&scene->replacement.groups, sockets->list + i) ? 'm' : 'b';
    text[length] = '\0';
    return text;
}

/* A copy of the new server's listener in the group. */
static int take_member(const struct scene *scene) {
    const struct rp_sockets *sockets = &scene->replacement.look.of[RP_NEW];
    for (size_t i = 0; i < sockets->count; i++)
        if (rp_groups_find(&scene->replacement.groups, sockets->list + i))
            return rp_socket_take(sockets->list + i, sockets->list[i].owners);
    return -1;
}

/* Who leaves is hidden, unless nothing is steered, or by a guess, or another process has it. */
static void see_hiding(void) {
    struct scene scene;
    begin(&scene, SOCK_STREAM, 2);
    struct rp_replacement *this = &scene.replacement;
    struct rp_group *group = this->groups.list;
    this->steward = rp_steward_start(&this->groups);
    rp_replacement_hide(this, RP_NEW);
    check(!*hidden(&scene), "hidden without a program");
    check(!rp_replacement_steer(this, RP_TO_OLD, true), "it cannot be steered");
    group->guessed = true;
    rp_replacement_hide(this, RP_NEW);
    check(!*hidden(&scene), "hidden by a guess");
    group->guessed = false;
    const int copy = take_member(&scene);
    check(copy >= 0, "a listener cannot be duplicated");
    rp_replacement_hide(this, RP_NEW);
    check(!*hidden(&scene), "hidden, and another process has it");
    close(copy);
    rp_replacement_hide(this, RP_NEW);
    check(!strcmp(hidden(&scene), "m"), "who leaves is not hidden, or what is no member is");
    check(this->look.of[RP_OLD].list->interface != RP_NOWHERE, "who stays is hidden");
    check(!reaches_new(&scene, "127.2.0.3"), "not to the old server");
    finish(&scene);
}

/* A signal that was ignored before is none of ours. */
static void see_interrupts(void) {
    signal(SIGHUP, SIG_IGN);
    rp_watch_interrupts();
    kill(getpid(), SIGHUP);
    check(!rp_is_interrupted(), "an ignored signal interrupts");
    kill(getpid(), SIGTERM);
    check(rp_is_interrupted(), "a signal does not interrupt");
}

/* Whether the order of joining tells two servers apart that were both there at the first look. */
static void check_guess(const char *joined, bool expected, const char *what) {
    struct scene scene;
    begin(&scene, SOCK_STREAM, (int)strlen(joined));
    struct rp_replacement *this = &scene.replacement;
    struct rp_members *members = &this->groups.list->members;
    uint32_t inodes[8] = {0}, *left[] = {inodes, inodes + 4};
    size_t counts[2] = {0, 0};
    for (size_t i = 0; i < members->count; i++) {
        const bool new = !rp_sockets_get(&this->look.of[RP_OLD], members->inodes[i]);
        left[new][counts[new]++] = members->inodes[i];
    }
    for (size_t i = 0; i < members->count; i++) members->inodes[i] = *left[joined[i] == 'n']++;
    members->unordered = members->count;
    rp_transfer_rehearse(this);
    check(this->groups.list->guessed == expected, what);
    check(!members->unordered == expected, "a guess that is not taken for one");
    finish(&scene);
}

static void see_guesses(void) {
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* what cannot be guessed is doubted */
    check_guess("on", true, "one after the other");
    check_guess("no", true, "the new one first");
    check_guess("onn", true, "two after the other");
    check_guess("non", false, "between two");
}

/* The group of so many listeners is steered by a guess of their order, the first two turned around
 * if it is wrong, and that is verified, while datagrams come or none do. */
static void check_verdict(int listeners, bool wrong, bool busy, bool strict, int expected,
                          bool guessed, enum rp_way way) {
    struct scene scene;
    struct rp_replacement *this = &scene.replacement;
    begin(&scene, SOCK_DGRAM, listeners);
    struct rp_group *group = this->groups.list;
    const uint32_t first = group->members.inodes[0];
    if (wrong) {
        group->members.inodes[0] = group->members.inodes[1];
        group->members.inodes[1] = first;
    }
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* what is not sure is told */
    scene.plan.strict = strict;
    group->guessed = true;
    this->adopted = fenced(this->held.count, sizeof(*this->adopted));
    check(!rp_replacement_steer(this, RP_TO_NEW, true), "it cannot be steered");
    scene.source = busy ? fork() : 0;
    if (busy && !scene.source) {
        alarm(60);
        for (;; usleep(PACE)) call(&scene, INADDR_LOOPBACK);
    }
    check(rp_transfer_verify(this) == expected, "another status");
    check(group->guessed == guessed && group->way == way, "another verdict");
    if (listeners == 2)
        check((group->members.inodes[0] == first) == (busy || !wrong), "the order is wrong");
    finish(&scene);
}

static void see_confirmed(void) {
    check_verdict(2, false, true, true, 0, false, RP_TO_NEW);
}

static void see_turned(void) {
    check_verdict(2, true, true, true, 0, false, RP_TO_NEW);
}

static void see_unconfirmed(void) {
    check_verdict(2, false, false, true, 0, true, RP_TO_NEW);
}

static void see_refuted(void) {
    check_verdict(3, true, true, false, 0, false, RP_BY_HASH);
}

static void see_refuted_strictly(void) {
    check_verdict(3, true, true, true, RP_FAILED, false, RP_BY_HASH);
}

/* Once the old server has ended there is no doubt to tell of. */
static void see_ended(void) {
    struct scene scene;
    char text[512] = "";
    begin(&scene, SOCK_DGRAM, 2);
    const int told = memfd_create("told", MFD_CLOEXEC);
    must(told >= 0 && dup2(told, STDERR_FILENO) >= 0, "memfd_create");
    scene.replacement.groups.list->guessed = true;
    kill(scene.pids[RP_OLD], SIGKILL);
    while (!rp_old_has_ended(&scene.replacement)) usleep(1000);
    check(!rp_transfer_verify(&scene.replacement), "it is undone");
    check(pread(told, text, sizeof(text) - 1, 0) > 0 && !strstr(text, "replace: "), text);
    close(told);
    finish(&scene);
}

/* How long a tick takes, in seconds. */
static double tick(const struct rp_replacement *this) {
    const double since = rp_now();
    rp_replacement_tick(this);
    return rp_now() - since;
}

/* What has been told ends it early, unless the look before has read something. */
static void see_ticks(void) {
    struct scene scene;
    struct pollfd socket = {.events = POLLIN};
    const double whole = RP_TICK / 1000.0;
    double least = 1;
    begin(&scene, SOCK_STREAM, 2);
    struct rp_replacement *this = &scene.replacement;
    this->readiness.sockets = &socket;
    socket.fd = scene.told[0];
    check(tick(this) >= whole, "nothing was told, and the tick is short");
    must(write(scene.told[1], "", 1) == 1, "write");
    for (int i = 0; i < 100; i++) {
        const double taken = tick(this);
        if (taken < least) least = taken;
    }
    check(least < whole, "what was told ends no tick");
    this->readiness.busy = true;
    check(tick(this) >= whole, "after a look that read something, the tick is short");
    this->readiness.busy = false;
    this->readiness.notify = NULL;
    this->readiness.sockets = NULL;
    check(tick(this) >= whole, "nobody can tell anything, and the tick is short");
    finish(&scene);
}

int main(void) {
    static void (*const scenes[])(void) = {
        see_guest,       see_clear_way,   see_steering,         see_ways,
        see_reasons,     see_giving_back, see_hiding,           see_guesses,
        see_ticks,       see_interrupts,  see_confirmed,        see_turned,
        see_unconfirmed, see_refuted,     see_refuted_strictly, see_ended};
    return run_scenes(scenes, sizeof(scenes) / sizeof(*scenes));
}
