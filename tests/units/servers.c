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
    int told[2]; /* a look reads what is told; see await_look() */
    struct rp_notify notify;
    struct rp_plan plan;
    struct rp_replacement replacement;
};

/* A server: some listeners, the new one's last on another address, and a connection from their port
 * for each address that it is sent; for 0 it accepts one. */
static void serve(const struct scene *scene, int listeners, int end) __attribute__((noreturn));

static void serve(const struct scene *scene, int listeners, int end) {
    int fds[KEPT] = {0}, listener = scene->bound;
    uint32_t address;
    uint16_t port = scene->port;
    if (!scene->bound) share(scene->type, INADDR_LOOPBACK + 1, &port);
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
    must(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, scene->told), "socketpair");
    scene->notify.fd = scene->told[0];
    this->readiness.notify = &scene->notify;
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

static void ask(const struct scene *scene, enum rp_side side, uint32_t address) {
    char done;
    must(write(scene->ends[side], &address, sizeof(address)) == sizeof(address), "write");
    must(read(scene->ends[side], &done, 1) == 1, "read");
}

/* That server gets a connection. number: of those before. */
static void connect_to(const struct scene *scene, enum rp_side side, unsigned number) {
    ask(scene, side, 0x7f010000 + number);
    if (scene->type == SOCK_STREAM) close(accept(scene->sink, NULL, NULL));
}

/* Waits until a whole look has been taken: the next one begins as it reads the second message. */
static void await_look(const struct scene *scene) {
    for (int i = 0, left = 1; i < 2; i++, left = 1) {
        must(write(scene->told[1], "", 1) == 1, "write");
        while (!ioctl(scene->told[1], SIOCOUTQ, &left) && left) usleep(1000);
    }
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
    close(scene->told[0]);
    close(scene->told[1]);
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

/* A client of that address, which sends something: a datagram, or what waits in an accept queue. */
static void call(const struct scene *scene, uint32_t address) {
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(scene->port), .sin_addr.s_addr = htonl(address)};
    const int fd = socket(AF_INET, scene->type | SOCK_CLOEXEC, 0);
    must(!connect(fd, (const struct sockaddr *)&to, sizeof(to)), "connect");
    must(write(fd, "x", 1) == 1, "write");
    if (scene->type == SOCK_DGRAM) close(fd);
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
        see_straggler_of_two, see_many_stragglers,     see_few_stragglers,  see_what_was_there,
        see_other_groups,     see_new_datagrams,       see_old_datagrams,   see_early_datagrams,
        see_new_queue,        see_old_queue,           see_unsettled_queue, see_queue_elsewhere,
        see_accepted,         see_connected_datagrams, see_guest,           see_clear_way};
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
