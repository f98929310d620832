/* SPDX-License-Identifier: MIT */
/* A group of more members than the steward remembers, made of sockets of this process: numbers,
 * steering, hiding, and the steward's end. Prints what is not as it should be, and how many checks
 * were made. */
#include "check.h"
#include "fence.h"
#include "group/program.h"
#include "group/steer.h"
#include "handover/replacement.h"
#include "inspect/trial.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FEW = 3, MANY = 1025, ASKED = 20 };

/* A group, the server that has it, and a replacement of that server. */
struct scene {
    struct sockaddr_in name;
    int fds[MANY];
    uint32_t inodes[MANY]; /* by number */
    size_t count;
    struct rp_plan plan;
    struct rp_replacement replacement;
};

static void join(struct scene *scene) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof(scene->name);
    char path[32], link[32] = "";
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    if (fd < 0 || bind(fd, (struct sockaddr *)&scene->name, size) || listen(fd, 64) ||
        getsockname(fd, (struct sockaddr *)&scene->name, &size)) {
        perror("a listener");
        exit(2);
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    (void)!readlink(path, link, sizeof(link) - 1);
    if (sscanf(link, "socket:[%u]", &scene->inodes[scene->count]) != 1) exit(2);
    scene->fds[scene->count++] = fd;
}

/* The first member joins before the first look, and the others a few at a time. */
static struct scene *begin(size_t count) {
    struct scene *scene = calloc(1, sizeof(*scene));
    struct rp_replacement *this = &scene->replacement;
    if (!scene) exit(2);
    scene->name.sin_family = AF_INET;
    scene->name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    join(scene);
    this->plan = &scene->plan;
    this->pid = getpid();
    this->pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    struct rp_ports ports = {.count = 0};
    rp_server_plant(&this->servers.old, getpid());
    rp_server_find(&this->servers.old, &ports, &this->held);
    rp_groups_make(&this->groups, &this->held);
    struct rp_group *groups = fenced(this->groups.count, sizeof(*groups));
    memcpy(groups, this->groups.list, this->groups.count * sizeof(*groups));
    free(this->groups.list);
    this->groups.list = groups;
    this->steward = rp_steward_start(&this->groups);
    check(this->steward && this->groups.count == 1, "no steward, or not one group");
    while (scene->count < count) {
        rp_replacement_look(this, 0);
        for (int i = 0; i < 128 && scene->count < count; i++) join(scene);
    }
    rp_replacement_look(this, 0);
    return scene;
}

static void end(struct scene *scene) {
    for (size_t i = 0; i < scene->count; i++) close(scene->fds[i]);
    close(scene->replacement.pidfd);
    rp_members_free(&scene->replacement.groups.list->members);
    rp_tree_free(&scene->replacement.servers.old.tree);
    rp_look_free(&scene->replacement.look);
    rp_sockets_free(&scene->replacement.held);
    free(scene);
}

static void check_numbers(const struct scene *scene) {
    const struct rp_members *members = &scene->replacement.groups.list->members;
    bool good = members->count == scene->count && !members->unordered;
    for (size_t i = 0; good && i < scene->count; i++) good = members->inodes[i] == scene->inodes[i];
    check(good, "the numbers are not known");
}

/* Sends everything to that member, as the replacement does to a server's. */
static void steer_to(const struct scene *scene, size_t number) {
    const struct rp_group *group = scene->replacement.groups.list;
    struct sock_fprog program;
    bool chosen[MANY] = {false};
    chosen[number] = true;
    const struct rp_choice choice = {.proto = RP_TCP, .chosen = chosen, .count = scene->count};
    const bool made = rp_program_make(&choice, &program);
    check(made && !rp_group_visit(&group->like, &program), "it cannot be steered");
    if (made) free(program.filter);
}

/* How many of ASKED connections that member gets; all are taken from the queues. */
static unsigned share_of(const struct scene *scene, size_t number) {
    unsigned share = 0;
    for (int i = 0; i < ASKED; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (const struct sockaddr *)&scene->name, sizeof(scene->name))) share = 999;
        close(fd);
    }
    for (size_t i = 0; i < scene->count; i++)
        for (int fd; (fd = accept(scene->fds[i], NULL, NULL)) >= 0; close(fd)) share += i == number;
    return share;
}

static size_t hidden(const struct scene *scene) {
    struct rp_sockets sockets = {NULL, 0, 0};
    size_t count = 0;
    rp_sockets_find(&(struct rp_wanted){RP_TCP, ntohs(scene->name.sin_port), RP_LISTENING},
                    &sockets);
    for (size_t i = 0; i < sockets.count; i++) count += sockets.list[i].interface == RP_NOWHERE;
    rp_sockets_free(&sockets);
    return count;
}

/* The steward detaches the program, though it has been told no number. */
static void check_end(const struct scene *scene, size_t number) {
    check(share_of(scene, number) == ASKED, "a program has no effect");
    rp_steward_leave(scene->replacement.steward);
    bool detached = false;
    for (int i = 0; i < 100 && !detached; i++) {
        usleep(50000);
        detached = share_of(scene, number) < ASKED / 2;
    }
    check(detached, "the steward does not detach");
}

static void check_many(void) {
    struct scene *scene = begin(MANY);
    struct rp_replacement *this = &scene->replacement;
    check_numbers(scene);
    check(!rp_replacement_steer(this, RP_TO_OLD, true), "many cannot be steered");
    check(this->groups.list->way == RP_TO_OLD, "many are not steered");
    rp_replacement_hide(this, RP_OLD);
    check(!hidden(scene), "members that the steward cannot look after are hidden");
    steer_to(scene, MANY - 1);
    check_end(scene, MANY - 1);
    end(scene);
}

/* Shows that the above would see it. */
static void check_few(void) {
    struct scene *scene = begin(FEW);
    check_numbers(scene);
    check(!rp_replacement_steer(&scene->replacement, RP_TO_OLD, true), "few cannot be steered");
    rp_replacement_hide(&scene->replacement, RP_OLD);
    check(hidden(scene) == FEW, "few are not hidden");
    end(scene);
}

int main(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_max < MANY + 64 || setrlimit(RLIMIT_NOFILE, &limit)) return 2;
    check_few();
    check_many();
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
