/* SPDX-License-Identifier: MIT */
/* A server that has a program attached to its group, which sends everything to its first member,
 * and answers each connection with its PID.
 *
 *     programmed PORT classic|filter|reuseport     filter, reuseport: the type of eBPF program */
#include <arpa/inet.h>
#include <err.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#define SO_ATTACH_REUSEPORT_EBPF 52
#endif

static int listen_on(uint16_t port) {
    const int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, 64))
        err(1, "listen");
    return fd;
}

static void attach_classic(int fd) {
    struct sock_filter instruction = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog program = {1, &instruction};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)))
        err(1, "SO_ATTACH_REUSEPORT_CBPF");
}

/* A program of that type that returns value. */
static void attach_extended(int fd, unsigned type, int value) {
    const struct bpf_insn instructions[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = value},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.prog_type = type;
    attributes.insn_cnt = 2;
    attributes.insns = (uintptr_t)instructions;
    attributes.license = (uintptr_t) "GPL";
    const int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
    if (program < 0) err(1, "bpf");
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof(program)))
        err(1, "SO_ATTACH_REUSEPORT_EBPF");
}

int main(int argc, char **argv) {
    if (argc != 3) errx(2, "usage: programmed PORT classic|filter|reuseport");
    const int fd = listen_on((uint16_t)atoi(argv[1]));
    if (!strcmp(argv[2], "classic")) attach_classic(fd);
    if (!strcmp(argv[2], "filter")) attach_extended(fd, BPF_PROG_TYPE_SOCKET_FILTER, 0);
    if (!strcmp(argv[2], "reuseport")) attach_extended(fd, BPF_PROG_TYPE_SK_REUSEPORT, 1);
    for (;;) {
        const int client = accept(fd, NULL, NULL);
        if (client < 0) continue;
        dprintf(client, "pid %d accepted it\n", (int)getpid());
        close(client);
    }
}
