/* SPDX-License-Identifier: MIT */
/* service/ownership: which copy a socket belongs to, told by real processes, some of which hide
 * theirs. Prints what is not as it should be, and how many checks were made. */
#include "service/ownership.h"
#include "check.h"
#include "fence.h"

#include "base/clock.h"
#include "service/service.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COPIES = 3, SOCKETS = 4, MINE = 3 };

static int fds[SOCKETS];
static struct rp_service service = {.slots = COPIES, .listening.count = 1};
static struct rp_shared *shared;
static struct rp_listener *end; /* of the list */

/* A child with the sockets up to that one that are in the set, as bits, and no others; hides: its
 * descriptors from an ordinary user, and from root its network. */
static pid_t start(unsigned set, bool hides) {
    int ready[2];
    const pid_t pid = pipe(ready) ? -1 : fork();
    if (pid) {
        close(ready[1]);
        check(pid > 0 && read(ready[0], &(char){0}, 1) == 1, "no child");
        close(ready[0]);
        return pid;
    }
    alarm(60);
    for (int i = 0; i < SOCKETS; i++)
        if (!(set >> i & 1)) close(fds[i]);
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

/* The copy with that number serves, as that process; 0: it is absent. */
static void become(int number, pid_t pid) {
    struct rp_copy *copy = &service.list[number];
    rp_tree_free(&copy->server.tree);
    *copy = (struct rp_copy){.number = number, .state = pid ? RP_SERVING : RP_ABSENT};
    if (pid) check(rp_server_plant(&copy->server, pid), "no such process");
}

/* The group has new listeners with those inodes. */
static void listen_with(const uint32_t *inodes, size_t count) {
    for (size_t i = 0; i < shared->count; i++) free(shared->list[i].socket.owners);
    shared->count = count;
    shared->list = end - count;
    for (size_t i = 0; i < count; i++)
        shared->list[i] = (struct rp_listener){
            .copy = RP_STRANGER, .since = 2, .socket = {.proto = RP_TCP, .inode = inodes[i]}};
}

/* Whether the listeners belong to those copies, after a search. */
static bool belong(const int *copies, size_t count) {
    bool good = shared->count == count;
    rp_find_owners(&service, true);
    for (size_t i = 0; i < count && good; i++) {
        if (shared->list[i].copy != copies[i])
            printf("listener %zu: %d\n", i, shared->list[i].copy);
        good = good && shared->list[i].copy == copies[i] && shared->list[i].searched;
    }
    return good;
}

/* Listeners of copy 0, of 1, of both, and of this process. */
static void check_owners(const uint32_t *inodes) {
    const pid_t pids[] = {start(1 | 4, false), start(2 | 4, false)};
    const int copies[SOCKETS] = {0, 1, RP_EVERYBODY, RP_STRANGER};
    become(0, pids[0]);
    become(1, pids[1]);
    become(2, 0);
    listen_with(inodes, SOCKETS);
    check(belong(copies, SOCKETS), "each listener belongs to who holds it");
    check(belong(copies, SOCKETS), "and so it does when it is searched for again");
    const struct rp_listener *list = shared->list;
    check(list[0].socket.owner_count == 1 && list[0].socket.owners->process.pid == pids[0] &&
              list[0].socket.owners->fd == fds[0],
          "its owner is known");
    check(!list[MINE].socket.owner_count, "a stranger's is not");
    check(rp_may_have(shared, &list[0], &service.list[0]) &&
              !rp_may_have(shared, &list[0], &service.list[1]),
          "the copy has it, and no other");
    rp_forget_owner(&service, &service.list[0]);
    check(list[0].copy == RP_STRANGER && !list[0].socket.owners && !list[0].socket.owner_count,
          "a copy that has ended has none");
    check(list[1].copy == 1 && list[1].socket.owner_count == 1, "the others keep theirs");
    check(rp_has_listener(shared, &service.list[0]), "what everybody has, each has");
    shared->list[2].copy = RP_STRANGER;
    check(!rp_has_listener(shared, &service.list[0]) && rp_has_listener(shared, &service.list[1]),
          "one has a listener, and one has none");
    service.list[0].state = RP_WAITING;
    check(belong((int[]){RP_STRANGER, 1, 1, RP_STRANGER}, 4), "one that has ended is not searched");
    stop(pids[0]);
    stop(pids[1]);
}

static bool is_about(double one, double other) {
    return one > other - 0.001 && one < other + 0.001;
}

/* A process that was missed at first is found later, ever more rarely. */
static void check_pauses(const uint32_t *inodes) {
    struct rp_listening *listening = &service.listening;
    const pid_t pid = start(1, false);
    become(0, 0);
    become(1, 0);
    listen_with(inodes, 1);
    check(belong((int[]){RP_STRANGER}, 1), "its process is not known");
    check(is_about(listening->pause, 0.02), "soon after it is searched for again");
    become(0, pid);
    listening->next_search = rp_now() + 60;
    rp_find_owners(&service, false);
    check(shared->list[0].copy == RP_STRANGER, "not before it is time");
    listening->next_search = rp_now();
    rp_find_owners(&service, false);
    check(shared->list[0].copy == 0 && is_about(listening->pause, 0.04), "then it is found");
    check(listening->next_search <= rp_now() + 0.04, "the pause begins now");
    for (int i = 0; i < 9; i++) {
        listening->next_search = 0;
        rp_find_owners(&service, false);
    }
    check(is_about(listening->pause, 1), "a second at most");
    stop(pid);
}

/* Sockets that no process shows. */
static void check_hidden(const uint32_t *inodes) {
    const uint32_t unseen[] = {1, 2};
    const pid_t pids[COPIES] = {start(0, true), start(0, true), start(1, false)};
    for (int i = 0; i < COPIES; i++) become(i, pids[i]);
    check(rp_is_hidden(&service.list[0]) && !rp_is_hidden(&service.list[2]), "two hide theirs");
    listen_with(unseen, 1);
    check(belong((int[]){RP_HIDDEN}, 1), "it may be either's");
    service.list[1].state = RP_STARTING;
    listen_with(unseen, 1);
    check(belong((int[]){1}, 1), "a new one is whose that starts");
    service.list[0].state = RP_STARTING;
    listen_with(unseen, 1);
    check(belong((int[]){RP_HIDDEN}, 1), "unless both start");
    listen_with(unseen, 2);
    check(belong((int[]){RP_HIDDEN, RP_HIDDEN}, 2), "each has one");
    check(belong((int[]){RP_HIDDEN, RP_HIDDEN}, 2),
          "and still has, when they are searched for again");
    check(rp_may_have(shared, shared->list, &service.list[0]) &&
              !rp_may_have(shared, shared->list, &service.list[2]),
          "whoever hides may have it");
    service.list[0].started = 2;
    check(rp_may_have(shared, shared->list, &service.list[0]), "since its start");
    service.list[0].started = 3;
    check(!rp_may_have(shared, shared->list, &service.list[0]), "not before it started");
    service.list[1].state = RP_WAITING;
    check(!rp_may_have(shared, shared->list, &service.list[1]), "not while it is not there");
    check(belong((int[]){RP_STRANGER, RP_STRANGER}, 2), "more sockets than copies that hide");
    listen_with((uint32_t[]){unseen[0], inodes[0]}, 2);
    check(belong((int[]){0, 2}, 2), "the only one that hides has what nobody shows");
    service.list[1].state = RP_STARTING;
    shared->list[0].copy = RP_STRANGER;
    check(belong((int[]){RP_HIDDEN, 2}, 2),
          "one that was there before is not a new copy's for certain");
    kill(pids[0], SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)pids[0], &info, WEXITED | WNOWAIT);
    check(!rp_is_hidden(&service.list[0]), "a zombie hides nothing");
    for (int i = 0; i < COPIES; i++) stop(pids[i]);
}

int main(void) {
    uint32_t inodes[SOCKETS];
    struct stat status;
    for (int i = 0; i < SOCKETS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check(!fstat(fds[i], &status), "no socket");
        inodes[i] = (uint32_t)status.st_ino;
    }
    service.list = fenced(COPIES, sizeof(*service.list));
    service.listening.list = shared = fenced(1, sizeof(*shared));
    end = (struct rp_listener *)fenced(SOCKETS, sizeof(*end)) + SOCKETS;
    check_owners(inodes);
    check_pauses(inodes);
    check_hidden(inodes);
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
