/* SPDX-License-Identifier: MIT */
/* Steps of a replacement, with two servers that run as processes: which of them gets the
 * connections that begin, who is a guest, what is switched on and off. Prints what is not as it
 * should be, and how many checks were made. */
#include "fence.h"
#include "handover/arrival.h"
#include "handover/evidence.h"
#include "handover/guest.h"
#include "handover/transfer.h"
#include "inspect/pidfd.h"
#include "look/traffic.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    KEPT = 800, /* connections that a server has at most */
    PACE = 2000 /* microseconds from one to the next: so few come during a look */
};

/* Of all scenes, each of which is a process. */
static struct { unsigned checks, failures; } * all;

static void check(bool good, const char *what) {
    __atomic_fetch_add(&all->checks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&all->failures, !good, __ATOMIC_RELAXED);
    if (good) return;
    puts(what);
    fflush(stdout);
}

static void must(bool good, const char *what) {
    if (good) return;
    perror(what);
    check(false, "the scene is given up");
    exit(2);
}

/* Binds a socket that shares its address; port 0: any. Returns it, and stores the port. */
static int share(int type, uint32_t address, uint16_t *port) {
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
    struct rp_plan plan;
    struct rp_replacement replacement;
};

/* A server: some listeners, and a connection from their port for each address that it is sent. */
static void serve(const struct scene *scene, int listeners, int end) __attribute__((noreturn));

static void serve(const struct scene *scene, int listeners, int end) {
    int fds[KEPT] = {0};
    uint32_t address;
    uint16_t port = scene->port;
    for (int i = 0; i < listeners; i++) {
        const int fd = scene->bound ? scene->bound : share(scene->type, INADDR_LOOPBACK, &port);
        must(scene->type == SOCK_DGRAM || !listen(fd, 8), "listen");
    }
    must(write(end, "", 1) == 1, "write");
    for (unsigned i = 0; read(end, &address, sizeof(address)) == sizeof(address); i++) {
        const struct sockaddr_in name = {.sin_family = AF_INET,
                                         .sin_port = htons(scene->sink_port),
                                         .sin_addr.s_addr = htonl(address)};
        if (fds[i % KEPT]) close(fds[i % KEPT]);
        fds[i % KEPT] = share(SOCK_STREAM, INADDR_LOOPBACK, &port);
        must(!connect(fds[i % KEPT], (const struct sockaddr *)&name, sizeof(name)), "connect");
        must(write(end, "", 1) == 1, "write");
    }
    _exit(0);
}

static pid_t start(const struct scene *scene, int listeners, int *end) {
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
static void fence(struct rp_replacement *this) {
    struct rp_group *groups = fenced(this->groups.count, sizeof(*groups));
    struct rp_socket *held = fenced(this->held.count, sizeof(*held));
    memcpy(groups, this->groups.list, this->groups.count * sizeof(*groups));
    memcpy(held, this->held.list, this->held.count * sizeof(*held));
    this->groups.list = groups;
    this->held.list = held;
}

/* The new server's listeners join after a look at the old one's. */
static void begin(struct scene *scene, int type, int listeners) {
    struct rp_replacement *this = &scene->replacement;
    struct rp_ports ports = {.count = 0};
    memset(scene, 0, sizeof(*scene));
    scene->type = type;
    scene->sink = share(SOCK_STREAM, INADDR_ANY, &scene->sink_port);
    must(!listen(scene->sink, 64), "listen");
    scene->bound = share(type, INADDR_LOOPBACK, &scene->port);
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

/* That server gets a connection. number: of those before. */
static void connect_to(const struct scene *scene, enum rp_side side, unsigned number) {
    const uint32_t address = 0x7f010000 + number;
    char done;
    must(write(scene->ends[side], &address, sizeof(address)) == sizeof(address), "write");
    must(read(scene->ends[side], &done, 1) == 1, "read");
    close(accept(scene->sink, NULL, NULL));
}

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

static void finish(struct scene *scene) {
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
    close(this->pidfd);
    close(this->successor.given);
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

/* Datagrams come, which nobody reads. */
static void check_queue(enum rp_way way, enum rp_evidence expected, const char *what) {
    struct scene scene;
    begin(&scene, SOCK_DGRAM, 2);
    check(!rp_replacement_steer(&scene.replacement, way, true), "it cannot be steered");
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(scene.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int client = socket(AF_INET, SOCK_DGRAM, 0);
    scene.source = fork();
    if (!scene.source) alarm(60);
    for (; !scene.source; usleep(PACE))
        must(sendto(client, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to)) == 1, "sendto");
    check(gather(&scene) == expected, what);
    finish(&scene);
}

static void see_new_queue(void) {
    check_queue(RP_TO_NEW, RP_FOR, "what waits for the new server is not seen");
}

static void see_old_queue(void) {
    check_queue(RP_TO_OLD, RP_AGAINST, "what waits for the old server is not seen");
}

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
    this->adopted = adopted;
    check(!*adopted && !rp_clear_way(this), "a way that is clear");
    rp_give_back(this);
    rp_transfer_rehearse(this);
    finish(&scene);
}

int main(void) {
    static void (*const scenes[])(void) = {
        see_straggler_of_two, see_many_stragglers, see_few_stragglers,
        see_what_was_there,   see_other_groups,    see_new_queue,
        see_old_queue,        see_guest,           see_clear_way};
    all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) return 2;
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
        if (fork()) continue;
        alarm(60);
        scenes[i]();
        _exit(0);
    }
    int status;
    while (wait(&status) > 0) check(WIFEXITED(status) && !WEXITSTATUS(status), "a scene is cut");
    printf("%u checks, %u failed\n", all->checks, all->failures);
    return all->failures > 0;
}
