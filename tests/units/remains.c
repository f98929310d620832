/* SPDX-License-Identifier: MIT */
/* look/remains: who keeps a server's sockets open after its end, asked of real processes.
 * Prints what is not as it should be, and how many checks were made. */
#include "look/remains.h"
#include "base/clock.h"
#include "check.h"
#include "inspect/holders.h"
#include "seccomp/channel.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char own_name[16]; /* as the kernel has it, and the children have it too */

/* How many processes' descriptors have been read: stands in for libc's. */
static unsigned walks;
DIR *fdopendir(int fd) {
    DIR *(*real)(int);
    *(void **)&real = dlsym(RTLD_NEXT, "fdopendir");
    walks++;
    return real(fd);
}

/* A listener at 127.0.0.LAST; *port 0: on any port. */
static int listener_at(unsigned last, uint16_t *port) {
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons(*port),
                               .sin_addr.s_addr = htonl((127U << 24) + last)};
    socklen_t size = sizeof(name);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&name, size) || listen(fd, 1) ||
        getsockname(fd, (struct sockaddr *)&name, &size))
        perror("listener");
    *port = ntohs(name.sin_port);
    return fd;
}

static int listener(uint16_t *port) {
    *port = 0;
    return listener_at(1, port);
}

enum { HIGH = 64 };

/* A child that waits for its end, with that descriptor alone, or with none for -1, and with those
 * from HIGH on. */
static pid_t child(int fd) {
    const pid_t pid = fork();
    if (pid) return pid;
    alarm(60);
    for (int i = 3; i < HIGH; i++)
        if (i != fd) close(i);
    for (;;) pause();
}

/* Waits, without reaping it. */
static void end(pid_t pid) {
    siginfo_t info;
    kill(pid, SIGKILL);
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
}

struct scene {
    struct rp_servers servers;
    struct rp_sockets held;
    struct rp_look look;
    struct rp_remains remains;
};

static void begin(struct scene *scene, pid_t old, uint16_t port, size_t sockets) {
    struct rp_ports list = {.count = 0};
    char text[16], bad[RP_ENTRY_SIZE];
    memset(scene, 0, sizeof(*scene));
    snprintf(text, sizeof(text), "%u/tcp", port);
    rp_ports_parse(&list, text, bad);
    check(rp_server_plant(&scene->servers.old, old), "no such server");
    for (int i = 0; i < 100 && !scene->held.count; i++, poll(NULL, 0, 20))
        rp_server_find(&scene->servers.old, &list, &scene->held);
    check(scene->held.count == sockets, "the old server's sockets are not found");
    rp_look_again(&scene->look, &scene->servers, &scene->held, 0);
}

/* Looks until the answer is yes, or long enough. */
static bool remains(struct scene *scene) {
    for (int i = 0; i < 10; i++) {
        rp_look_again(&scene->look, &scene->servers, &scene->held, 0);
        if (rp_remains_find(&scene->look, &scene->servers, &scene->held, &scene->remains))
            return true;
    }
    return false;
}

static void finish(struct scene *scene) {
    rp_look_free(&scene->look);
    rp_sockets_free(&scene->held);
    rp_tree_free(&scene->servers.old.tree);
    rp_tree_free(&scene->servers.new.tree);
}

/* The old server ends, and a holder, if any, keeps its socket; known: both owners were looked for
 * before. */
static void check_holder(bool kept, bool known) {
    struct scene scene;
    uint16_t port;
    char text[RP_REMAINS_TEXT], expected[64];
    const int fd = listener(&port);
    const pid_t old = child(fd), holder = child(kept ? fd : -1);
    close(fd);
    begin(&scene, old, port, 1);
    check(!remains(&scene), "the old server's own socket remains of it");
    if (known) rp_sockets_find_owners(&scene.look.of[RP_OLD]);
    end(old);
    check(remains(&scene) == kept, kept ? "the holder's socket does not remain" : "none remains");
    check(scene.remains.count == kept, "holders are counted");
    if (kept) {
        snprintf(expected, sizeof(expected), "pid %d (%s)", (int)holder, own_name);
        check(!strcmp(rp_remains_text(&scene.remains, text), expected), text);
        check(remains(&scene) && scene.remains.count == 1, "another look finds no holder");
    }
    end(holder);
    check(!remains(&scene), "what is gone remains");
    waitpid(old, NULL, 0);
    waitpid(holder, NULL, 0);
    finish(&scene);
}

enum holder { WORKER, STRANGER, NOBODY };

/* PID ends, and a descendant goes on: where that has the socket, or may have it as nobody is seen
 * to, the old server has not ended; where another process has it, it has. */
static void check_descendant(enum holder holder) {
    struct scene scene;
    uint16_t port;
    int pair[2];
    pid_t worker = 0;
    const int fd = listener(&port);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) perror("socketpair");
    const pid_t old = fork();
    if (!old) {
        alarm(60);
        worker = child(holder == WORKER ? fd : -1);
        if (write(pair[1], &worker, sizeof(worker)) < 0) _exit(1);
        for (;;) pause();
    }
    if (read(pair[0], &worker, sizeof(worker)) != sizeof(worker)) perror("read");
    begin(&scene, old, port, 1);
    check(!remains(&scene), "a server and its worker's socket remain");
    if (holder == NOBODY) check(rp_channel_send(pair[0], 0, fd), "the socket is not sent");
    if (holder != STRANGER) close(fd);
    end(old);
    check(remains(&scene) == (holder == STRANGER),
          holder == STRANGER ? "a worker holds it up" : "a worker's socket remains");
    if (holder == STRANGER) {
        check(scene.remains.count == 1 && scene.remains.holders[0].pid == getpid(), "holder");
        close(fd);
    }
    end(worker);
    check(remains(&scene) == (holder == NOBODY), "what nobody has when the worker has ended");
    finish(&scene);
    waitpid(worker, NULL, 0);
    waitpid(old, NULL, 0);
    close(pair[0]);
    close(pair[1]);
}

/* A new server, this process and its children, is found as it starts; afterwards nobody's
 * descriptors are read until another socket is there. */
static void check_settled(void) {
    struct scene scene;
    uint16_t port;
    int pair[2];
    const int fd = listener(&port);
    const pid_t old = child(fd);
    close(fd);
    begin(&scene, old, port, 1);
    check(rp_server_plant(&scene.servers.new, getpid()), "no such process");
    rp_look_again(&scene.look, &scene.servers, &scene.held, 0);
    const int other = listener_at(2, &port);
    const pid_t new = child(other);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) perror("socketpair");
    check(rp_channel_send(pair[0], 0, other), "the socket is not sent");
    close(other);
    rp_look_again(&scene.look, &scene.servers, &scene.held, 0);
    const struct rp_sockets *news = &scene.look.of[RP_NEW], *olds = &scene.look.of[RP_OLD];
    check(news->count == 1 && news->list[0].owner_count == 1 &&
              news->list[0].owners[0].process.pid == new,
          "the new server's socket is not found");
    walks = 0;
    rp_look_again(&scene.look, &scene.servers, &scene.held, 0);
    check(walks == 0 && news->count == 1 && olds->count == 1, "what is known is looked for");
    const int stranger = listener_at(3, &port);
    rp_look_again(&scene.look, &scene.servers, &scene.held, 0);
    check(walks > 0, "what is not known is not looked for");
    close(stranger);
    end(new);
    rp_look_again(&scene.look, &scene.servers, &scene.held, 0);
    check(news->count == 0 && scene.look.of[RP_NOBODY].count == 1 && olds->count == 1,
          "a socket is that of a server that has ended");
    close(pair[0]);
    close(pair[1]);
    end(old);
    waitpid(new, NULL, 0);
    waitpid(old, NULL, 0);
    finish(&scene);
}

/* Somebody else's listeners, at other addresses of the port, are searched for only when it is
 * time. */
static void check_search(void) {
    struct scene scene;
    uint16_t port;
    const int fd = listener(&port);
    const pid_t old = child(fd);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    close(fd);
    begin(&scene, old, port, 1);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    const int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(!bind(other, (struct sockaddr *)&name, sizeof(name)) && !listen(other, 1), "no listener");
    scene.look.next_search = rp_now() + 1000;
    for (int i = 0; i < 3; i++) rp_look_again(&scene.look, &scene.servers, &scene.held, 0);
    check(scene.look.of[RP_NOBODY].count == 1, "it is searched for before it is time");
    scene.look.next_search = 0;
    rp_look_again(&scene.look, &scene.servers, &scene.held, 0);
    check(scene.look.of[RP_OTHERS].count == 1, "it is not searched for");
    check(scene.look.next_search > 0, "another search may follow at once");
    end(old);
    waitpid(old, NULL, 0);
    close(other);
    finish(&scene);
}

/* Each of five holders has both of the old server's sockets. */
static void check_many(void) {
    struct scene scene;
    uint16_t port;
    pid_t holders[RP_HOLDERS_MAX + 1];
    char text[RP_REMAINS_TEXT], expected[96];
    const int fd = listener(&port), other = listener_at(2, &port);
    const int high = fcntl(other, F_DUPFD_CLOEXEC, HIGH);
    const pid_t old = child(fd);
    for (int i = 0; i <= RP_HOLDERS_MAX; i++) holders[i] = child(fd);
    close(fd);
    close(other);
    close(high);
    begin(&scene, old, port, 2);
    end(old);
    check(remains(&scene) && scene.remains.count == RP_HOLDERS_MAX, "four of five are named");
    for (int i = 2; i <= RP_HOLDERS_MAX; i++) end(holders[i]);
    check(remains(&scene) && scene.remains.count == 2, "two, each of whom has both sockets");
    const bool swapped = scene.remains.holders[0].pid == holders[1];
    snprintf(expected, sizeof(expected), "pid %d (%s), pid %d (%s)", (int)holders[swapped],
             own_name, (int)holders[!swapped], own_name);
    check(!strcmp(rp_remains_text(&scene.remains, text), expected), text);
    for (int i = 0; i < 2; i++) end(holders[i]);
    for (int i = 0; i <= RP_HOLDERS_MAX; i++) waitpid(holders[i], NULL, 0);
    waitpid(old, NULL, 0);
    finish(&scene);
}

/* The socket is on its way from one process to another, so that nobody has it. */
static void check_unseen(void) {
    struct scene scene;
    uint16_t port;
    int pair[2];
    char text[RP_REMAINS_TEXT];
    const int fd = listener(&port);
    const pid_t old = child(fd);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) perror("socketpair");
    check(rp_channel_send(pair[0], 0, fd), "the socket is not sent");
    close(fd);
    begin(&scene, old, port, 1);
    end(old);
    check(remains(&scene) && !scene.remains.count, "it does not remain where the old is a zombie");
    waitpid(old, NULL, 0);
    check(remains(&scene) && !scene.remains.count, "it does not remain where the old is gone");
    struct rp_server none = {.users = {0}};
    check(!rp_server_plant(&none, old), "a process that is gone is a server");
    rp_tree_free(&none.tree);
    check(!strcmp(rp_remains_text(&scene.remains, text), "a process that this one may not see"),
          text);
    close(pair[0]);
    close(pair[1]);
    check(!remains(&scene), "what is gone remains");
    finish(&scene);
}

int main(void) {
    prctl(PR_GET_NAME, own_name);
    check_many();
    check_unseen();
    check_search();
    check_settled();
    check_holder(true, false);
    check_holder(true, true);
    check_holder(false, false);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    check_descendant(WORKER);
    check_descendant(STRANGER);
    check_descendant(NOBODY);
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
