/* SPDX-License-Identifier: MIT */
/* core/: what /proc shows of processes and their sockets, within a budget. Requires root. Prints
 * what is not as it should be, and how many checks were made. */
#include "core/owners.h"
#include "check.h"
#include "core/diag.h"
#include "core/holder.h"
#include "core/outside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void check_budget(void) {
    struct rp_budget budget;
    rp_budget_start(&budget, 0);
    check(rp_budget_left(&budget, 15) && rp_budget_left(&budget, 5), "the clock is not looked at");
    /* A microsecond may not have passed yet. */
    for (int i = 0; i < 1000 && rp_budget_left(&budget, 21); i++) {
    }
    check(!rp_budget_left(&budget, 0), "what is spent stays so");
    rp_budget_start(&budget, 1000000000);
    for (int i = 0; i < 100; i++) check(rp_budget_left(&budget, 1000000), "time that is not spent");
}

static void check_list(void) {
    static uint32_t pids[65536], last[2];
    const unsigned count = rp_owners_list(pids, 65536);
    bool ascending = true, found = false;
    for (unsigned i = 0; i < count && i < 65536; i++) {
        ascending = ascending && pids[i] > (i ? pids[i - 1] : 0);
        found = found || pids[i] == (uint32_t)getpid();
    }
    check(count > 1 && ascending, "the lowest is first, and nothing but processes");
    check(found, "this one is among them");
    const unsigned again = rp_owners_list(last, 2);
    check(again > 1 && last[(again - 1) % 2] > last[again % 2], "the highest if there is no room");
    check(last[again % 2] > 2, "neither of them is the lowest");
}

/* Told of sockets: how many there are, the descriptors one after the other, and how many are asked
 * for. */
struct seen {
    unsigned count, most;
    char fds[64];
};

static bool visit(void *context, int pid, int fd, uint32_t inode) {
    struct seen *seen = context;
    check(pid == getpid() && inode > 0, "whose it is");
    seen->count++;
    snprintf(seen->fds + strlen(seen->fds), sizeof(seen->fds) - strlen(seen->fds), "%d ", fd);
    return seen->count < seen->most;
}

static bool sees(unsigned from, unsigned to, unsigned most, bool go_on, const char *fds) {
    struct seen seen = {.most = most};
    struct rp_budget budget;
    rp_budget_start(&budget, 1000000000);
    const bool went_on =
        rp_owners_of((uint32_t)getpid(), (struct rp_range){from, to}, &budget, visit, &seen);
    if (strcmp(seen.fds, fds) != 0) printf("\"%s\", not \"%s\"\n", seen.fds, fds);
    return went_on == go_on && !strcmp(seen.fds, fds);
}

static void check_sockets(void) {
    static const int at[] = {200, 210, 220, 300};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 4; i++) dup2(fd, at[i]);
    dup2(null, 205);
    close(null);
    check(sees(200, UINT_MAX, 9, true, "200 210 220 300 "), "all sockets, and nothing else");
    check(sees(201, 300, 9, true, "210 220 "), "those of a range");
    check(sees(210, 221, 9, true, "210 220 "), "the first and the last of a range");
    check(sees(200, UINT_MAX, 2, false, "200 210 "), "as many as are asked for");
    check(sees(301, UINT_MAX, 9, true, ""), "none");
    const int zero = fcntl(0, F_DUPFD_CLOEXEC, 400);
    dup2(fd, 0);
    dup2(fd, 90);
    check(sees(0, 1, 9, true, "0 "), "standard input");
    check(sees(80, 100, 9, true, "90 "), "numbers of any digit");
    dup2(zero, 0);
    close(zero);
    close(90);
    struct seen seen = {.most = 9};
    struct rp_budget budget;
    rp_budget_start(&budget, 0);
    while (rp_budget_left(&budget, 100)) {
    }
    check(!rp_owners_of((uint32_t)getpid(), (struct rp_range){0, 999}, &budget, visit, &seen) &&
              !seen.count,
          "nothing once all is spent");
    rp_budget_start(&budget, 1000000000);
    check(rp_owners_of(INT_MAX, (struct rp_range){0, 999}, &budget, visit, &seen) && !seen.count,
          "a process that is not there ends no walk");
    for (int i = 0; i < 4; i++) close(at[i]);
    close(205);
    close(fd);
}

static bool is_number(const char *text, pid_t number) {
    return text && rp_number(text, 10, 10) == (uint32_t)number;
}

static void check_status(void) {
    struct rp_lines lines;
    const uint32_t pid = (uint32_t)getpid();
    check(is_number(rp_owner_status(&lines, pid, "Pid"), getpid()), "Pid");
    check(is_number(rp_owner_status(&lines, pid, "PPid"), getppid()), "PPid");
    const char *name = rp_owner_status(&lines, pid, "Name");
    check(name && !strcmp(name, "owners"), "Name");
    check(!rp_owner_status(&lines, pid, "Nam") && !rp_owner_status(&lines, pid, "Namer") &&
              !rp_owner_status(&lines, pid, ""),
          "keys that none is");
    check(!rp_owner_status(&lines, INT_MAX, "Name"), "no process");
    check(rp_own_pid() == pid, "this process by /proc/self");
}

static void put(const char *path, const char *text) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) printf("%s: not written\n", path);
    close(fd);
}

/* Has the kernel's setting be another for this process. */
static void pretend_overflow(const char *uid) {
    char path[] = "/tmp/overflowuid-XXXXXX";
    const int fd = mkstemp(path);
    if (fd < 0 || write(fd, uid, strlen(uid)) < 0 || unshare(CLONE_NEWNS) ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount(path, "/proc/sys/kernel/overflowuid", NULL, MS_BIND, NULL))
        _exit(4);
    unlink(path);
    close(fd);
}

/* Whether the user whose number others are shown by is outside where those are mapped: nobody, or
 * 4711 if pretended. */
static bool is_outside(const char *map, bool pretended) {
    int ready[2], mapped[2], status;
    char path[64];
    fflush(stdout);
    if (pipe2(ready, O_CLOEXEC) || pipe2(mapped, O_CLOEXEC)) exit(2);
    const pid_t pid = fork();
    if (!pid) {
        close(mapped[1]);
        if (pretended) pretend_overflow("4711\n");
        if (unshare(CLONE_NEWUSER) || write(ready[1], "", 1) != 1) _exit(2);
        if (read(mapped[0], &(char){0}, 1)) _exit(3);
        const int before = count_descriptors();
        const int found = rp_is_outside_user(pretended ? 4711 : 65534) +
                          4 * rp_is_outside_user(pretended ? 65534 : 4711);
        _exit(count_descriptors() == before ? found : 6);
    }
    close(ready[1]);
    check(read(ready[0], &(char){0}, 1) == 1, "no user namespace");
    snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
    if (*map) put(path, map);
    close(mapped[1]);
    waitpid(pid, &status, 0);
    close(ready[0]);
    close(mapped[0]);
    check(WIFEXITED(status) && WEXITSTATUS(status) <= 1,
          "any other number is a user's, and no descriptor is left open");
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static void check_outside(void) {
    check(is_outside("", false), "nobody is mapped");
    check(is_outside("0 0 65534\n", false), "all below are mapped");
    check(is_outside("65535 0 5\n", false), "those above are mapped");
    check(is_outside("0 0 1\n65533 1 1\n", false), "one below is mapped");
    check(!is_outside("0 0 65535\n", false), "the last of those that are mapped");
    check(!is_outside("65534 0 1\n", false), "it alone is mapped");
    check(is_outside("0 0 4711\n", true), "where the kernel has another number for them");
    check(!is_outside("4711 0 1\n", true), "where that one is mapped");
    check(!is_outside("0 70000 1\n65530 5 5\n70000 0 1\n", false),
          "it is mapped by the second line");
}

static void check_namespaces(void) {
    char link[32] = "";
    int status;
    check(readlink("/proc/self/ns/pid", link, sizeof(link) - 1) > 0, "no namespace");
    check(rp_has_outside() == (strcmp(link, "pid:[4026531836]") != 0), "the initial namespace");
    fflush(stdout);
    const pid_t pid = fork();
    if (!pid) {
        if (unshare(CLONE_NEWPID)) _exit(2);
        const pid_t inner = fork();
        if (!inner) _exit(rp_has_outside());
        _exit(waitpid(inner, &status, 0) == inner ? WEXITSTATUS(status) : 3);
    }
    waitpid(pid, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 1, "another namespace");
}

static void visit_nothing(void *context, const struct rp_net_socket *socket) {
    (void)context;
    (void)socket;
}

/* Where descriptor 0 is the next. */
static void check_zero(void) {
    static uint32_t pids[65536];
    struct rp_lines lines;
    const int zero = fcntl(0, F_DUPFD_CLOEXEC, 100), before = count_descriptors();
    close(0);
    check(rp_owner_status(&lines, (uint32_t)getpid(), "Name") != NULL, "lines by descriptor 0");
    check(rp_owners_list(pids, 65536) > 1, "a directory by descriptor 0");
    check(rp_diag_sockets(AF_INET, RP_TCP, 1, UINT32_MAX, visit_nothing, NULL),
          "netlink by descriptor 0");
    dup2(zero, 0);
    check(count_descriptors() == before, "none of them is left open");
    close(zero);
}

int main(void) {
    const int before = count_descriptors();
    check_budget();
    check_list();
    check_sockets();
    check_status();
    check_outside();
    check_namespaces();
    check_zero();
    check(count_descriptors() == before, "no descriptor is left open");
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
