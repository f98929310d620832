/* SPDX-License-Identifier: MIT */
/* Whether there is a BPF map with that id; requires CAP_SYS_ADMIN.
 *
 *     map-exists ID */
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BPF_MAP_GET_FD_BY_ID = 14 }; /* linux/bpf.h, which musl-gcc leaves out */

int main(int argc, char **argv) {
    const struct {
        uint32_t id, next, flags;
    } attribute = {.id = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0};
    return syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, &attribute, sizeof(attribute)) < 0;
}
