/* SPDX-License-Identifier: MIT */
/* inspect/holders, inspect/option and inspect/programs about what this process itself holds. Prints
 * what is not as it should be, and how many checks were made. */
#include "check.h"
#include "core/owners.h"
#include "core/procnet.h"
#include "inspect/holders.h"
#include "inspect/option.h"
#include "inspect/programs.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int searches; /* of all processes */

/* Instead of libc's. */
DIR *opendir(const char *path) {
    searches += !strcmp(path, "/proc");
    return fdopendir(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int listener(uint16_t *port) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(!bind(fd, (struct sockaddr *)&name, size) && !listen(fd, 1) &&
              !getsockname(fd, (struct sockaddr *)&name, &size),
          "no listener");
    *port = ntohs(name.sin_port);
    return fd;
}

/* A list with room behind it that is all zero. */
static struct rp_sockets sockets_on(uint16_t port) {
    struct rp_sockets found = {NULL, 0, 0}, roomy = {calloc(8, sizeof(struct rp_socket)), 0, 0};
    rp_sockets_find(&(struct rp_wanted){RP_TCP, port, 1U << RP_LISTEN}, &found);
    check(found.count == 1 && roomy.list, "one socket is not found");
    roomy.list[roomy.count++] = found.list[0];
    rp_sockets_free(&found);
    return roomy;
}

/* Its inode alone does not make a socket the one that was found. */
static void check_option(uint16_t port, int fd) {
    struct rp_sockets sockets = sockets_on(port);
    bool on = true, changed = true;
    rp_sockets_find_owners(&sockets);
    struct rp_socket *found = sockets.list, other = *found;
    check(found->owner_count == 1 && found->owners[0].process.pid == getpid(), "owner");
    check(found->owners[0].fd == fd && rp_owner_has(&found->owners[0], found), "its descriptor");
    check(!rp_option_read(found, &on) && !on, "an option that is not set");
    check(!rp_option_switch(found, true, &changed) && changed, "switching it on");
    check(!rp_option_read(found, &on) && on, "an option that is set");
    check(!rp_option_switch(found, true, &changed) && !changed, "switching it on again");
    other.proto = RP_UDP;
    check(rp_option_read(&other, &on) == EBADF, "a socket of another protocol");
    other = *found;
    other.ipv6 = true;
    check(rp_option_read(&other, &on) == EBADF, "a socket of another family");
    other = *found;
    other.local.port++;
    check(rp_option_read(&other, &on) == EBADF, "a socket on another port");
    other = *found;
    other.inode++;
    check(rp_option_read(&other, &on) == EBADF, "a socket of another inode");
    check(!rp_owner_has(&found->owners[0], &other), "a descriptor of another inode");
    rp_sockets_free(&sockets);
}

/* The same socket twice is one; all processes are searched once, and again if its only descriptor
 * is a high one. */
static void check_examine(uint16_t port, int expected) {
    struct rp_sockets sockets = sockets_on(port);
    sockets.list[sockets.count++] = sockets.list[0];
    searches = 0;
    rp_sockets_examine(&sockets, true);
    check(sockets.count == 1, "a socket that was asked for twice");
    check(searches == expected, "how often all processes are searched");
    check(sockets.list[0].owner_count == 1, "an owner once each");
    check(sockets.list[0].shares == RP_YES && !sockets.why_unknown, "the option");
    rp_sockets_free(&sockets);
}

static int load_program(void) {
    const struct bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
        {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
                                 .insn_cnt = 2,
                                 .insns = (uintptr_t)code,
                                 .license = (uintptr_t) "MIT"};
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
}

static void check_program(void) {
    struct rp_process self;
    rp_process_find(getpid(), &self, NULL);
    check(!rp_process_program(&self), "a program before there is one");
    const int fd = load_program();
    if (fd < 0) return; /* as for those without the capability */
    const char *type = rp_process_program(&self);
    check(type && !strcmp(type, "socket_filter"), "the program that it holds");
    self.start++;
    check(!rp_process_program(&self), "the program of a process that had its PID before");
    close(fd);
}

int main(void) {
    uint16_t port;
    const int fd = listener(&port), high = RP_LOW_DESCRIPTORS + 100;
    close(STDIN_FILENO); /* so that 0 is a descriptor like others */
    const int before = count_descriptors();
    check_option(port, fd);
    check_examine(port, 1);
    check_program();
    check(count_descriptors() == before, "descriptors that are left");
    for (int lower = fd; lower < high;) lower = dup(STDERR_FILENO);
    check(dup2(fd, high) == high && !close(fd), "a high descriptor");
    check_examine(port, 2);
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
