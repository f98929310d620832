/* SPDX-License-Identifier: MIT */
/* The steward reads the groups' members from memory that it shares with the process that started
 * it. */
#include "handover/steward.h"

#include "base/clock.h"
#include "base/title.h"
#include "group/program.h"
#include "group/steer.h"
#include "inspect/holders.h"
#include "inspect/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436 /* Linux 5.9 */
#endif

enum {
    MEMBERS_MAX = 1024, /* of a larger group the numbers are not remembered */
    LOOK = 50           /* milliseconds between two looks, for which numbers may be out of date */
};

struct noted {
    volatile bool steered;
    size_t count, unordered;
    uint32_t inodes[MEMBERS_MAX];
};

struct rp_steward {
    volatile size_t leaving_count;
    uint32_t leaving[MEMBERS_MAX];
    int wake[2], parent; /* a pipe, and a pidfd of the maker */
    struct noted groups[];
};

/* A group, as the steward itself sees it. */
struct charge {
    struct rp_socket like;
    struct rp_members members;
};

static void set_program(const struct rp_socket *like, const struct rp_sockets *sockets,
                        const struct sock_fprog *program) {
    if (rp_group_steer(like, sockets, program)) rp_group_visit(like, program);
}

/* Steers to all members but those that are about to leave, if their numbers are known. */
static void steer_past(const struct charge *charge, const struct rp_sockets *sockets,
                       const struct rp_steward *steward) {
    struct sock_fprog program;
    struct rp_choice choice = {.proto = charge->like.proto, .count = charge->members.count};
    bool sure, *chosen = calloc(charge->members.count + 1, sizeof(*chosen));
    if (!chosen) return;
    rp_members_choose(&charge->members, steward->leaving, steward->leaving_count, chosen, &sure);
    for (size_t i = 0; i < charge->members.count; i++) chosen[i] = !chosen[i];
    choice.chosen = chosen;
    if (sure && rp_program_make(&choice, &program)) {
        set_program(&charge->like, sockets, &program);
        free(program.filter);
    }
    free(chosen);
}

/* The group's sockets, in the order of joining, and their inodes; free(3) those. */
static uint32_t *find_group(const struct rp_socket *like, struct rp_sockets *sockets) {
    struct rp_sockets all = {NULL, 0, 0};
    rp_sockets_find(&(struct rp_wanted){like->proto, like->local.port, RP_LISTENING}, &all);
    for (size_t i = 0; i < all.count; i++)
        if (rp_is_same_group(like, &all.list[i])) rp_sockets_add(sockets, &all.list[i]);
    rp_sockets_free(&all);
    rp_members_order(sockets->list, sockets->count);
    return rp_sockets_inodes(sockets);
}

/* Returns whether the group is still to be steered. */
static bool look_after(struct charge *charge, const struct rp_steward *steward) {
    struct rp_sockets sockets = {NULL, 0, 0};
    uint32_t *inodes = find_group(&charge->like, &sockets);
    const bool changed = rp_members_update(&charge->members, inodes, sockets.count);
    size_t left = 0;
    for (size_t i = 0; i < sockets.count; i++)
        for (size_t j = 0; j < steward->leaving_count; j++)
            left += inodes[i] == steward->leaving[j];
    const bool needed = left && left < sockets.count;
    if (!needed || changed) rp_sockets_find_owners(&sockets);
    if (!needed && sockets.count)
        set_program(&charge->like, &sockets, NULL);
    else if (changed)
        steer_past(charge, &sockets, steward);
    free(inodes);
    rp_sockets_free(&sockets);
    return needed;
}

/* Looks take at most a fifth of the time: whoever keeps a socket that leaves can have others come
 * and go, and open any number of descriptors. begin: of the look. */
static void rest(double begin) {
    const int took = (int)((rp_now() - begin) * 1000);
    poll(NULL, 0, 4 * took > LOOK ? 4 * took : LOOK);
}

/* In the steward: waits until its maker ends or leaves, then looks after the steered groups. */
static void serve(struct rp_steward *steward, const struct rp_groups *groups)
    __attribute__((noreturn));

static void serve(struct rp_steward *steward, const struct rp_groups *groups) {
    struct pollfd turn[] = {{.fd = steward->wake[0], .events = POLLIN},
                            {.fd = steward->parent, .events = POLLIN}};
    struct charge *charges = calloc(groups->count, sizeof(*charges));
    if (!charges) _exit(1);
    while (poll(turn, 2, -1) < 0) {
    }
    for (size_t i = 0; i < groups->count; i++) {
        const struct noted *noted = &steward->groups[i];
        charges[i].like = groups->list[i].like;
        rp_members_restore(&charges[i].members, noted->inodes, noted->count, noted->unordered);
    }
    for (bool needed = true; needed;) {
        const double begin = rp_now();
        needed = false;
        for (size_t i = 0; i < groups->count; i++) {
            if (!steward->groups[i].steered) continue;
            steward->groups[i].steered = look_after(&charges[i], steward);
            needed = needed || steward->groups[i].steered;
        }
        if (needed) rest(begin);
    }
    _exit(0);
}

/* Closes what others may wait for the end of: pipes, locks, terminals. */
static void detach_self(struct rp_steward *steward) {
    const int null = open("/dev/null", O_RDWR);
    setsid();
    (void)!chdir("/");
    for (int fd = 0; fd <= 2; fd++)
        if (dup2(null, fd) < 0) close(fd);
    const int wake = fcntl(steward->wake[0], F_DUPFD, 5);
    const int parent = fcntl(steward->parent, F_DUPFD, 5);
    dup2(wake, 3);
    dup2(parent, 4);
    steward->wake[0] = 3;
    steward->parent = 4;
    if (syscall(SYS_close_range, 5, ~0U, 0))
        for (int fd = 5; fd < 1024; fd++) close(fd);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    rp_title_set("steward");
}

/* A child's child: its parent ends at once, so that it is not counted among COMMAND's processes. */
static bool start(struct rp_steward *steward, const struct rp_groups *groups) {
    int status = 1;
    const pid_t child = fork();
    if (!child) {
        detach_self(steward); /* before the parent goes on, which may give a lock up soon */
        const pid_t grandchild = fork();
        if (grandchild) _exit(grandchild < 0);
        serve(steward, groups);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return !status;
}

struct rp_steward *rp_steward_start(struct rp_groups *groups) {
    const size_t size = sizeof(struct rp_steward) + groups->count * sizeof(struct noted);
    struct rp_steward *steward =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (steward == MAP_FAILED) return NULL;
    steward->parent = (int)syscall(SYS_pidfd_open, getpid(), 0);
    const bool piped = !pipe2(steward->wake, O_CLOEXEC);
    if (steward->parent < 0 || !piped || !start(steward, groups)) return NULL;
    for (size_t i = 0; i < groups->count; i++) groups->list[i].noted = &steward->groups[i].steered;
    return steward;
}

void rp_steward_note(struct rp_steward *steward, const struct rp_groups *groups) {
    for (size_t i = 0; steward && i < groups->count; i++) {
        const struct rp_members *members = &groups->list[i].members;
        struct noted *noted = &steward->groups[i];
        noted->count = members->count <= MEMBERS_MAX ? members->count : 0;
        noted->unordered = members->unordered;
        memcpy(noted->inodes, members->inodes, noted->count * sizeof(*noted->inodes));
    }
}

bool rp_steward_expect_end(struct rp_steward *steward, const struct rp_sockets *leaving) {
    size_t count = 0;
    for (size_t i = 0; steward && i < leaving->count; i++) {
        if (!rp_is_receiver(&leaving->list[i])) continue;
        if (count == MEMBERS_MAX) return false;
        steward->leaving[count++] = leaving->list[i].inode;
    }
    if (steward) steward->leaving_count = count;
    return steward != NULL;
}

void rp_steward_leave(struct rp_steward *steward) {
    if (steward && write(steward->wake[1], "", 1) < 0) return;
}
