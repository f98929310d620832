/* SPDX-License-Identifier: MIT */
/* group/: members' order, programs, visits and invisible members, beside the kernel itself. Prints
 * what is not as it should be, and how many checks were made. */
#include "check.h"
#include "core/procnet.h"
#include "group/members.h"
#include "group/program.h"
#include "group/steer.h"
#include "inspect/holders.h"
#include "inspect/trial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 6, ASKED = 60 };

/* A group of sockets of this process, on one address. */
struct live {
    struct rp_socket like;
    int fds[MOST];
    size_t count;
    int type;
};

static void add_socket(struct live *live) {
    const int family = live->like.ipv6 ? AF_INET6 : AF_INET;
    live->fds[live->count++] = socket(family, live->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static void join(const struct live *live, size_t number) {
    const struct rp_trial trial = rp_trial_like(&live->like);
    if (live->fds[number] < 0 || rp_trial_bind_fd(live->fds[number], &trial)) {
        perror("bind");
        exit(2);
    }
    if (live->type == SOCK_STREAM) listen(live->fds[number], 4096);
}

/* A port that is free, for IPv4 and IPv6, TCP or UDP. */
static struct live begin(int type, const char *address, size_t count) {
    struct live live = {.type = type};
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    socklen_t size = sizeof(any);
    char mapped[64];
    const int fd = socket(AF_INET6, type, 0);
    if (bind(fd, (struct sockaddr *)&any, size) || getsockname(fd, (struct sockaddr *)&any, &size))
        exit(2);
    live.like = (struct rp_socket){.proto = type == SOCK_STREAM ? RP_TCP : RP_UDP,
                                   .ipv6 = strchr(address, ':') != NULL,
                                   .ipv6_only = !strcmp(address, "::1"), /* inet6_bind */
                                   .uid = getuid(),
                                   .local.port = ntohs(any.sin6_port)};
    snprintf(mapped, sizeof(mapped), live.like.ipv6 ? "%s" : "::ffff:%s", address);
    inet_pton(AF_INET6, mapped, &live.like.local.address);
    close(fd);
    for (size_t i = 0; i < count; i++) {
        add_socket(&live);
        join(&live, i);
    }
    return live;
}

static void end(struct live *live) {
    for (size_t i = 0; i < live->count; i++) close(live->fds[i]);
}

/* A client of the group, from that address if one is given. Returns -1 if it got no answer. */
static int call(const struct live *live, const char *from) {
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(live->like.local.port)};
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(live->like.local.port)},
                       source = {.sin_family = AF_INET};
    const bool mapped = !live->like.ipv6 || from;
    const int fd = socket(mapped ? AF_INET : AF_INET6, live->type, 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){3, 0}, sizeof(struct timeval));
    inet_pton(AF_INET, "127.0.0.1", &ipv4.sin_addr);
    inet_pton(AF_INET6, "::1", &ipv6.sin6_addr);
    if (from) inet_pton(AF_INET, from, &source.sin_addr);
    if ((from && bind(fd, (struct sockaddr *)&source, sizeof(source))) ||
        connect(fd, mapped ? (struct sockaddr *)&ipv4 : (struct sockaddr *)&ipv6,
                mapped ? sizeof(ipv4) : sizeof(ipv6)) ||
        (live->type == SOCK_DGRAM && send(fd, "", 1, 0) != 1)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* How many connections or datagrams each member got: what waits there. */
static void collect(const struct live *live, unsigned *got) {
    for (size_t i = 0; i < live->count; i++) {
        char byte;
        got[i] = 0;
        for (;;) {
            const int fd = live->type == SOCK_STREAM ? accept(live->fds[i], NULL, NULL)
                                                     : (int)recv(live->fds[i], &byte, 1, 0);
            if (fd < 0) break;
            if (live->type == SOCK_STREAM) close(fd);
            got[i]++;
        }
    }
}

/* Calls, and checks that each chosen member was called and no other. */
static bool is_shared_by(const struct live *live, const char *from, const char *chosen) {
    unsigned got[MOST];
    int clients[ASKED];
    bool good = true;
    for (int i = 0; i < ASKED; i++) clients[i] = call(live, from);
    collect(live, got);
    for (int i = 0; i < ASKED; i++) close(clients[i]);
    for (size_t i = 0; i < live->count; i++) good = good && !got[i] == (chosen[i] == '0');
    return good;
}

/* This group's sockets, with owners. */
static struct rp_sockets sockets_of(const struct live *live) {
    struct rp_sockets sockets = {NULL, 0, 0};
    rp_sockets_find(&(struct rp_wanted){live->like.proto, live->like.local.port, 1 << RP_LISTEN},
                    &sockets);
    rp_sockets_find_owners(&sockets);
    return sockets;
}

/* "0110" by number; by: 'v' a visit, else a duplicate. */
static int steer(const struct live *live, const char *numbers, char by,
                 const struct rp_exception *exception) {
    bool chosen[MOST];
    struct sock_fprog program;
    struct rp_sockets sockets = sockets_of(live);
    for (size_t i = 0; i < strlen(numbers); i++) chosen[i] = numbers[i] == '1';
    const struct rp_choice choice = {.proto = live->like.proto,
                                     .chosen = chosen,
                                     .count = strlen(numbers),
                                     .exceptions = exception,
                                     .exception_count = exception != NULL};
    int error = -1;
    if (rp_program_make(&choice, &program)) {
        error = by == 'v' ? rp_group_visit(&live->like, &program)
                          : rp_group_steer(&live->like, &sockets, &program);
        free(program.filter);
    }
    rp_sockets_free(&sockets);
    return error;
}

/* Has the kernel answer that call with that errno from now on. */
static void refuse(long call, int error) {
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog program = {4, rules};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) _exit(2);
}

static const char *const sets[] = {"100000", "000001", "011111", "010101",
                                   "110011", "001000", "111111"};

static void check_sets(const char *address, int type, char by) {
    struct live live = begin(type, address, MOST);
    for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
        check(!steer(&live, sets[i], by, NULL), "a program cannot be attached");
        check(is_shared_by(&live, NULL, sets[i]), sets[i]);
    }
    check(steer(&live, "000000", by, NULL) == -1, "a program for nobody");
    struct rp_sockets sockets = sockets_of(&live);
    check(!(by == 'v' ? rp_group_visit(&live.like, NULL)
                      : rp_group_steer(&live.like, &sockets, NULL)),
          "a program cannot be detached");
    check(is_shared_by(&live, NULL, "111111"), "it is still steered");
    rp_sockets_free(&sockets);
    end(&live);
}

static void check_exception(const char *address) {
    struct live live = begin(SOCK_STREAM, address, MOST);
    const struct rp_exception exception = {ntohl(inet_addr("127.77.77.77")), 4};
    close(STDIN_FILENO); /* so that the visitor is 0 */
    check(!steer(&live, "110000", 'v', &exception), "a program with an exception");
    check(open("/dev/null", O_RDONLY) == STDIN_FILENO, "descriptor 0 is left");
    check(is_shared_by(&live, "127.77.77.77", "000010"), "from the address, to that member");
    check(is_shared_by(&live, NULL, "110000"), "from others, to the chosen");
    end(&live);
}

/* One flow sends twenty datagrams: they stay together, and other flows go elsewhere. */
static void check_flows(const char *address) {
    struct live live = begin(SOCK_DGRAM, address, MOST);
    unsigned got[MOST], reached[MOST] = {0};
    steer(&live, "011111", 'd', NULL);
    for (int i = 0; i < 20; i++) {
        const int client = call(&live, NULL);
        size_t members = 0;
        for (int j = 1; j < 20; j++) (void)!send(client, "", 1, 0);
        collect(&live, got);
        for (size_t j = 0; j < MOST; j++) members += got[j] > 0;
        for (size_t j = 0; j < MOST; j++) reached[j] += got[j] > 0;
        check(members == 1, "one flow's datagrams reach several members");
        close(client);
    }
    check(!reached[0], "a flow goes where none should");
    check(!!reached[1] + !!reached[2] + !!reached[3] + !!reached[4] + !!reached[5] > 2,
          "all flows go to one member");
    end(&live);
}

/* An invisible member keeps its number, gets nothing by look-up, and leaves. */
static void check_hiding(const char *address) {
    struct live live = begin(SOCK_STREAM, address, MOST);
    struct rp_sockets sockets = sockets_of(&live);
    steer(&live, "001111", 'd', NULL);
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < sockets.count; j++)
            for (size_t k = 0; k < sockets.list[j].owner_count; k++)
                if (sockets.list[j].owners[k].fd == live.fds[i])
                    check(!rp_group_hide(&sockets.list[j]), "a member cannot be hidden");
    }
    check(is_shared_by(&live, NULL, "001111"), "beside invisible members");
    rp_sockets_free(&sockets);
    sockets = sockets_of(&live);
    size_t hidden = 0, members = 0;
    for (size_t j = 0; j < sockets.count; j++) {
        hidden += sockets.list[j].interface == RP_NOWHERE;
        members += rp_is_same_group(&live.like, &sockets.list[j]);
    }
    check(hidden == 2 && members == MOST, "a dump does not show who is invisible");
    rp_sockets_free(&sockets);
    end(&live);
}

/* The order of joining, from a dump, whatever that of the sockets' inodes. */
static void check_order(const char *address, int type) {
    static const size_t order[MOST] = {3, 0, 5, 1, 4, 2};
    struct live live = begin(type, address, 0);
    for (size_t i = 0; i < MOST; i++) add_socket(&live);
    for (size_t i = 0; i < MOST; i++) join(&live, order[i]);
    struct rp_sockets sockets = sockets_of(&live);
    bool good = sockets.count == MOST;
    rp_members_order(sockets.list, sockets.count);
    for (size_t i = 0; i < sockets.count; i++)
        good =
            good && sockets.list[i].owner_count && sockets.list[i].owners->fd == live.fds[order[i]];
    check(good, "the order of joining");
    rp_sockets_free(&sockets);
    end(&live);
}

/* Whether something was attached is told by unsteer alone; it is detached once, through whichever
 * member. */
static void check_detaching(const char *address, int type) {
    struct live live = begin(type, address, 4);
    struct rp_sockets sockets = sockets_of(&live), none = {NULL, 0, 0};
    check(!steer(&live, "0110", 'd', NULL) && !rp_group_unsteer(&live.like, &sockets),
          "what is attached is not detached");
    check(is_shared_by(&live, NULL, "1111"), "and still chooses");
    check(rp_group_unsteer(&live.like, &sockets) == ENOENT, "something is detached twice");
    check(!rp_group_steer(&live.like, &sockets, NULL), "nothing to detach is an error");
    if (type == SOCK_STREAM) {
        check(!rp_group_visit(&live.like, NULL), "nothing to detach is an error of a visit");
        check(!steer(&live, "0110", 'v', NULL) && !rp_group_unsteer(&live.like, &none),
              "what is attached is not detached by a visit");
        check(rp_group_unsteer(&live.like, &none) == ENOENT, "it is detached twice by a visit");
    } else {
        check(rp_group_unsteer(&live.like, &none) == EPERM, "datagrams have no visitor");
    }
    rp_sockets_free(&sockets);
    end(&live);
}

/* A listener that got the option late is in no group. */
static void check_late(void) {
    struct live live = begin(SOCK_STREAM, "127.0.0.1", 0);
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons(live.like.local.port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    add_socket(&live);
    if (bind(live.fds[0], (struct sockaddr *)&name, sizeof(name)) || listen(live.fds[0], 1))
        exit(2);
    struct rp_sockets sockets = sockets_of(&live);
    check(rp_group_unsteer(&live.like, &sockets) == ENOENT, "something attached to no group");
    setsockopt(live.fds[0], SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    check(steer(&live, "1", 'd', NULL) == EINVAL, "a program of no group");
    check(rp_group_unsteer(&live.like, &sockets) == ENOENT, "something attached to it");
    rp_sockets_free(&sockets);
    end(&live);
}

/* Members that have gone, or that cannot be duplicated. */
static void check_gone(void) {
    struct live live = begin(SOCK_STREAM, "127.0.0.1", 4);
    struct rp_sockets sockets = sockets_of(&live);
    const pid_t pid = fork();
    if (!pid) {
        refuse(SYS_pidfd_getfd, ENOSYS);
        _exit(rp_group_steer(&live.like, &sockets, NULL) == ENOSYS ? 0 : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    check(WIFEXITED(status) && !WEXITSTATUS(status), "a kernel without pidfd_getfd()");
    end(&live);
    check(rp_group_steer(&live.like, &sockets, NULL) == EPERM, "through members that have gone");
    check(rp_group_hide(sockets.list) == EPERM, "a member that has gone is hidden");
    rp_sockets_free(&sockets);
}

int main(void) {
    static const char *const addresses[] = {"127.0.0.1", "0.0.0.0", "::1", "::"};
    const int descriptors = count_descriptors();
    for (int i = 0; i < 4; i++) {
        check_order(addresses[i], SOCK_STREAM);
        check_order(addresses[i], SOCK_DGRAM);
        check_sets(addresses[i], SOCK_STREAM, 'd');
        check_sets(addresses[i], SOCK_STREAM, 'v');
        check_sets(addresses[i], SOCK_DGRAM, 'd');
        check_flows(addresses[i]);
        check_hiding(addresses[i]);
        check_detaching(addresses[i], SOCK_STREAM);
        check_detaching(addresses[i], SOCK_DGRAM);
    }
    check_late();
    check_gone();
    check_exception("127.0.0.1");
    check_exception("::");
    check(count_descriptors() == descriptors, "descriptors are left");
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
