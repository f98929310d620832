/* SPDX-License-Identifier: MIT */
/* Two servers that run as processes, for the steps of a replacement. */
#ifndef UNITS_SCENE_H
#define UNITS_SCENE_H

#include "fence.h"
#include "handover/replacement.h"
#include "inspect/pidfd.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    KEPT = 800, /* connections that a server has at most */
    PACE = 2000 /* microseconds from one to the next: so few come during a look */
};

/* Of all scenes, each of which is a process. */
static struct { unsigned checks, failures; } * all;

static inline void check(bool good, const char *what) {
    __atomic_fetch_add(&all->checks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&all->failures, !good, __ATOMIC_RELAXED);
    if (good) return;
    puts(what);
    fflush(stdout);
}

static inline void must(bool good, const char *what) {
    if (good) return;
    perror(what);
    check(false, "the scene is given up");
    exit(2);
}

/* Binds a socket that shares its address; port 0: any. Returns it, and stores the port. */
static inline int share(int type, uint32_t address, uint16_t *port) {
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(address)};
    socklen_t size = sizeof(name);
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    if (type == SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    must(!bind(fd, (struct sockaddr *)&name, size), "bind");
    must(!getsockname(fd, (struct sockaddr *)&name, &size), "getsockname");
    *port = ntohs(name.sin_port);
    return fd;
}

/* Two servers on one address, and what their connections go to. */
struct scene {
    uint16_t port, sink_port;
    int type, sink, bound; /* bound: the old server's first socket, until that has it; else 0 */
    pid_t pids[2];         /* by side, as ends */
    int ends[2];           /* a server is sent an address to connect to, and answers once it is */
    pid_t source;
    int told[2]; /* a look reads what is told; see await_look() */
    struct rp_notify *notify;
    struct rp_plan plan;
    struct rp_replacement replacement;
};

/* A server: some listeners, the new one's last on another address, and a connection from their port
 * for each address that it is sent; for 0 it accepts one. */
static inline void serve(const struct scene *scene, int listeners, int end)
    __attribute__((noreturn));

static inline void serve(const struct scene *scene, int listeners, int end) {
    int fds[KEPT] = {0}, listener = scene->bound;
    uint32_t address;
    uint16_t port = scene->port;
    if (!scene->bound) {
        const int beside = share(scene->type, INADDR_LOOPBACK + 1, &port);
        must(scene->type == SOCK_DGRAM || !listen(beside, 8), "listen");
    }
    for (int i = 0; i < listeners; i++) {
        if (!scene->bound) listener = share(scene->type, INADDR_LOOPBACK, &port);
        must(scene->type == SOCK_DGRAM || !listen(listener, 8), "listen");
    }
    must(write(end, "", 1) == 1, "write");
    for (unsigned i = 0; read(end, &address, sizeof(address)) == sizeof(address); i++) {
        const struct sockaddr_in name = {.sin_family = AF_INET,
                                         .sin_port = htons(scene->sink_port),
                                         .sin_addr.s_addr = htonl(address)};
        if (fds[i % KEPT]) close(fds[i % KEPT]);
        fds[i % KEPT] = address ? share(scene->type, INADDR_LOOPBACK, &port)
                                : accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        must(!address || !connect(fds[i % KEPT], (const struct sockaddr *)&name, sizeof(name)),
             "connect");
        must(write(end, "", 1) == 1, "write");
    }
    _exit(0);
}

static inline pid_t start(const struct scene *scene, int listeners, int *end) {
    int ends[2];
    char ready;
    must(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    const pid_t pid = fork();
    if (!pid) {
        alarm(60);
        close(ends[0]);
        close(scene->sink);
        serve(scene, listeners, ends[1]);
    }
    close(ends[1]);
    *end = ends[0];
    must(read(*end, &ready, 1) == 1, "read");
    return pid;
}

/* What is read beyond its end ends this process. */
static inline void fence(struct rp_replacement *this) {
    struct rp_group *groups = fenced(this->groups.count, sizeof(*groups));
    struct rp_socket *held = fenced(this->held.count, sizeof(*held));
    memcpy(groups, this->groups.list, this->groups.count * sizeof(*groups));
    memcpy(held, this->held.list, this->held.count * sizeof(*held));
    free(this->groups.list);
    free(this->held.list);
    this->groups.list = groups;
    this->held.list = held;
}

/* The new server's listeners join after a look at the old one's. */
static inline void begin(struct scene *scene, int type, int listeners) {
    struct rp_replacement *this = &scene->replacement;
    struct rp_ports ports = {.count = 0};
    memset(scene, 0, sizeof(*scene));
    scene->type = type;
    scene->sink = share(SOCK_STREAM, INADDR_ANY, &scene->sink_port);
    must(!listen(scene->sink, 64), "listen");
    scene->bound = share(type, INADDR_LOOPBACK, &scene->port);
    must(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, scene->told), "socketpair");
    scene->notify = fenced(1, sizeof(*scene->notify));
    scene->notify->fd = scene->told[0];
    this->readiness.notify = scene->notify;
    this->readiness.copies = 1;
    this->plan = &scene->plan;
    this->pid = scene->pids[RP_OLD] = start(scene, 1, &scene->ends[RP_OLD]);
    close(scene->bound);
    scene->bound = 0;
    this->pidfd = (int)syscall(SYS_pidfd_open, this->pid, 0);
    check(rp_server_plant(&this->servers.old, this->pid), "no old server");
    rp_server_find(&this->servers.old, &ports, &this->held);
    rp_groups_make(&this->groups, &this->held);
    fence(this);
    rp_replacement_look(this, 0);
    const pid_t new = scene->pids[RP_NEW] = start(scene, listeners - 1, &scene->ends[RP_NEW]);
    rp_successor_take(&this->successor, new, (int)syscall(SYS_pidfd_open, new, 0));
    check(rp_server_plant(&this->servers.new, new), "no new server");
    rp_replacement_look(this, 0);
    check(this->groups.count == 1 && this->groups.list->members.count == (size_t)listeners,
          "not one group of all listeners");
}

static inline void ask(const struct scene *scene, enum rp_side side, uint32_t address) {
    char done;
    must(write(scene->ends[side], &address, sizeof(address)) == sizeof(address), "write");
    must(read(scene->ends[side], &done, 1) == 1, "read");
}

/* That server gets a connection. number: of those before. */
static inline void connect_to(const struct scene *scene, enum rp_side side, unsigned number) {
    ask(scene, side, 0x7f010000 + number);
    if (scene->type == SOCK_STREAM) close(accept(scene->sink, NULL, NULL));
}

/* Waits until a whole look has been taken: the next one begins as it reads the second message. */
static inline void await_look(const struct scene *scene) {
    for (int i = 0, left = 1; i < 2; i++, left = 1) {
        must(write(scene->told[1], "", 1) == 1, "write");
        while (!ioctl(scene->told[1], SIOCOUTQ, &left) && left) usleep(1000);
    }
}

/* Something comes to that address: a datagram, or a connection that waits to be accepted. */
static inline void call(const struct scene *scene, uint32_t address) {
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(scene->port), .sin_addr.s_addr = htonl(address)};
    const int fd = socket(AF_INET, scene->type | SOCK_CLOEXEC, 0);
    must(!connect(fd, (const struct sockaddr *)&to, sizeof(to)), "connect");
    must(write(fd, "x", 1) == 1, "write");
    if (scene->type == SOCK_DGRAM) close(fd);
}

static inline void finish(struct scene *scene) {
    struct rp_replacement *this = &scene->replacement;
    const pid_t pids[] = {scene->source, scene->pids[RP_OLD], scene->pids[RP_NEW]};
    for (int i = 0; i < 3; i++) {
        if (!pids[i]) continue;
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    close(scene->ends[RP_OLD]);
    close(scene->ends[RP_NEW]);
    close(scene->sink);
    close(scene->told[0]);
    close(scene->told[1]);
    close(this->pidfd);
    close(this->successor.given);
    rp_look_free(&this->look);
    rp_tree_free(&this->servers.old.tree);
    rp_tree_free(&this->servers.new.tree);
}

/* Each scene runs in a process of its own. Returns the exit status of all. */
static inline int run_scenes(void (*const *scenes)(void), size_t count) {
    all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) return 2;
    for (size_t i = 0; i < count; i++) {
        if (fork()) continue;
        alarm(60);
        scenes[i]();
        exit(0); /* the sanitizers then look for what is lost */
    }
    int status;
    while (wait(&status) > 0) check(WIFEXITED(status) && !WEXITSTATUS(status), "a scene is cut");
    printf("%u checks, %u failed\n", all->checks, all->failures);
    return all->failures > 0;
}

#endif
