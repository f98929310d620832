/* SPDX-License-Identifier: MIT */
/* service/hung: which copies are ended that accept nothing, told by real connections. Prints what
 * is not as it should be, and how many checks were made. */
#include "service/hung.h"
#include "check.h"
#include "fence.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COPIES = 2, GROUPS = 2, CLIENTS = 8 };

static struct rp_service_plan plan = {.hung = 60};
static struct rp_service service = {.plan = &plan, .slots = COPIES, .listening.count = GROUPS};
static struct rp_copy *first, *second;
static int listener, clients[CLIENTS], client_count;
static uint16_t port;

static void fail(const char *what) {
    perror(what);
    _exit(1);
}

/* The only listener, at any port. Resets what waits at an earlier one. */
static void open_listener(void) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    if (listener) close(listener);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&name, size) || listen(listener, CLIENTS) ||
        getsockname(listener, (struct sockaddr *)&name, &size))
        fail("listener");
    port = ntohs(name.sin_port);
}

/* One connection more that waits to be accepted. */
static void join(void) {
    const struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&name, sizeof(name))) fail("connect");
    clients[client_count++] = fd;
}

static void take(void) {
    const int fd = accept(listener, NULL, NULL);
    if (fd < 0) fail("accept");
    clients[client_count++] = fd;
}

/* A process without sockets; hides: its descriptors from an ordinary user, and from root its
 * network. With a connection to take, it has that one, and says so. */
static pid_t start(bool hides, bool takes) {
    int ready[2];
    const pid_t pid = pipe(ready) ? -1 : fork();
    if (pid < 0) fail("fork");
    if (pid) {
        close(ready[1]);
        check(read(ready[0], &(char){0}, 1) == 1, "no child");
        close(ready[0]);
        return pid;
    }
    alarm(60);
    if (takes) take();
    if (hides) {
        prctl(PR_SET_DUMPABLE, 0);
        (void)!unshare(CLONE_NEWNET);
    }
    (void)!write(ready[1], "", 1);
    for (;;) pause();
}

static void stop(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* The first copy is this process, the second that one. Both serve, and have one connection each in
 * their queues, as far as they know. Nobody is connected. */
static void begin(pid_t other) {
    const pid_t pids[COPIES] = {getpid(), other};
    while (client_count) close(clients[--client_count]);
    open_listener();
    for (int i = 0; i < COPIES; i++) {
        struct rp_copy *copy = i ? second : first;
        rp_tree_free(&copy->server.tree);
        rp_sockets_free(&copy->waiting);
        free(copy->accepted);
        *copy = (struct rp_copy){.number = i, .state = RP_SERVING};
        if (!rp_server_plant(&copy->server, pids[i])) fail("no such process");
    }
    for (int i = 0; i < GROUPS; i++) {
        struct rp_shared *shared = &service.listening.list[i];
        shared->like = (struct rp_socket){.proto = RP_TCP, .state = 10, .local.port = port};
        shared->count = COPIES;
        for (int j = 0; j < COPIES; j++) shared->list[j] = (struct rp_listener){.copy = j};
    }
    for (int i = 0; i < COPIES; i++) {
        struct rp_listener *one = &service.listening.list[1].list[i];
        one->socket.queue = 1;
        one->socket.limit = CLIENTS;
        one->stalled = rp_now() - 9;
    }
}

static struct rp_listener *queue_of(const struct rp_copy *copy) {
    return &service.listening.list[1].list[copy->number];
}

/* Lets so many seconds pass for both. */
static void age(double seconds) {
    first->idle -= seconds;
    first->noted -= seconds;
    second->idle -= seconds;
    second->noted -= seconds;
}

static bool is_same(double one, double other) {
    return one >= other && one <= other;
}

static void check_one(pid_t other) {
    begin(other);
    queue_of(second)->socket.queue = 0;
    join();
    join();
    join();
    take();
    rp_hung_step(&service);
    check(first->idle > 0 && first->queued == 1, "connections wait for the first copy");
    check(first->waiting.count == 2, "those that nobody has accepted");
    check(!second->idle && !second->waiting.count, "none waits for the second");
    age(30);
    const double then = first->idle;
    rp_hung_step(&service);
    check(is_same(first->idle, then), "it goes on accepting none");
    take();
    rp_hung_step(&service);
    check(first->idle > then && first->waiting.count == 1 && is_same(first->noted, first->idle),
          "it has accepted one: begins anew");
    age(54);
    rp_hung_step(&service);
    check(first->state == RP_SERVING, "less than a minute");
    age(6);
    const double now = rp_now();
    rp_hung_step(&service);
    check(first->state == RP_ENDING, "a minute without an accept");
    check(first->due >= now + 5 && first->due < now + 60, "after five more it is killed");
    check(second->state == RP_SERVING, "the other stays");
    rp_hung_step(&service);
    check(!first->idle, "one that is ending is not watched");
}

/* Connections of all that descend from it are the copy's. */
static void check_worker(pid_t other) {
    begin(other);
    join();
    join();
    rp_hung_step(&service);
    age(30);
    const double noted = first->noted;
    const pid_t worker = start(false, true);
    rp_hung_step(&service);
    check(first->noted > noted, "a worker has accepted one");
    check(second->idle > noted && second->noted <= noted, "which may have been the other's");
    stop(worker);
}

/* Of a copy that hides its connections, a full queue may hide accepts. */
static void check_full(pid_t other) {
    begin(other);
    join();
    queue_of(first)->socket.queue = queue_of(second)->socket.queue = CLIENTS;
    rp_hung_step(&service);
    check(first->idle > 0 && !second->idle, "one with a full queue that hides is not watched");
    queue_of(second)->socket.queue--;
    rp_hung_step(&service);
    check(second->idle > 0, "with room left, it is");
}

static void check_others(pid_t other) {
    begin(other);
    queue_of(first)->socket.queue = 0;
    join();
    join();
    rp_hung_step(&service);
    age(54);
    take();
    rp_hung_step(&service);
    check(second->idle > rp_now() - 30 && second->waiting.count == 1,
          "somebody has accepted one that may have been the second's");
    age(54);
    rp_hung_step(&service);
    const double noted = second->noted;
    close(clients[1]);
    join();
    take();
    take();
    join();
    rp_hung_step(&service);
    check(second->waiting.count == 1 && second->noted > noted, "all have been: begins anew");
    queue_of(second)->stalled = 0;
    rp_hung_step(&service);
    check(!second->idle, "its queue has become shorter");
    queue_of(second)->stalled = 1;
    second->state = RP_STARTING;
    rp_hung_step(&service);
    check(!second->idle, "one that is not ready is not watched");
}

static void check_doubt(pid_t other) {
    begin(other);
    join();
    rp_hung_step(&service);
    check(first->idle > 0 && is_same(first->idle, second->idle), "both are watched");
    age(60);
    rp_hung_step(&service);
    check(first->state == RP_SERVING && second->state == RP_SERVING && first->idle > rp_now() - 30,
          "what waits may be all the other's: begins anew");
    check(is_same(first->noted, second->noted), "for both at once");
    begin(other);
    join();
    join();
    rp_hung_step(&service);
    age(60);
    rp_hung_step(&service);
    check(first->state == RP_ENDING && second->state == RP_ENDING, "it is too much for one");
    begin(other);
    queue_of(second)->socket.queue = 2;
    join();
    join();
    rp_hung_step(&service);
    queue_of(second)->socket.queue = 1;
    age(60);
    rp_hung_step(&service);
    check(first->state == RP_SERVING, "what was the other's then counts");
    begin(other);
    queue_of(second)->socket.queue = 2;
    join();
    join();
    rp_hung_step(&service);
    queue_of(second)->socket.queue = 1;
    age(60);
    second->noted -= 1;
    rp_hung_step(&service);
    check(first->state == RP_ENDING, "unless it was noted at another time");
}

/* Those of whom the same cannot be said are no reason to doubt. */
static void check_no_doubt(pid_t other) {
    begin(other);
    join();
    queue_of(second)->stalled = 0;
    rp_hung_step(&service);
    age(60);
    rp_hung_step(&service);
    check(first->state == RP_ENDING, "the other has just accepted one");
    begin(other);
    join();
    queue_of(second)->socket.queue = 0;
    rp_hung_step(&service);
    age(60);
    queue_of(second)->socket.queue = 1;
    rp_hung_step(&service);
    check(first->state == RP_ENDING && second->state == RP_SERVING, "the other's has just come");
}

static void check_pauses(void) {
    plan.hung = 5;
    check(is_same(rp_hung_pause(&service), 0.5), "a tenth of the time");
    plan.hung = 60;
    check(is_same(rp_hung_pause(&service), 1), "a second at most");
}

int main(void) {
    alarm(60);
    const pid_t other = start(true, false);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO); /* who is ended is told */
    service.list = fenced(COPIES, sizeof(*service.list));
    first = &service.list[0];
    second = &service.list[1];
    service.listening.list = fenced(GROUPS, sizeof(*service.listening.list));
    for (int i = 0; i < GROUPS; i++)
        service.listening.list[i].list = fenced(COPIES, sizeof(struct rp_listener));
    check_one(other);
    check_worker(other);
    check_full(other);
    check_others(other);
    check_doubt(other);
    check_no_doubt(other);
    check_pauses();
    stop(other);
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
