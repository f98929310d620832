/* SPDX-License-Identifier: MIT */
/* Program and command share a page of memory, the value of a map, which says who gets each of the
 * next connections: the command changes that without a system call. */
#include "group/dealer.h"

#include "base/clock.h"
#include "base/die.h"
#include "group/steer.h"
#include "inspect/holders.h"
#include "inspect/rights.h"

#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOBODY = RP_DEALER_SEATS /* as a seat: there is none with that number */ };

/* What older kernel headers lack. */
enum {
    SOCKARRAY = 20,
    SK_REUSEPORT = 21,
    MAPPABLE = 1 << 10,
    MAP_VALUE = 2, /* as the source register of a load: the address of the map's value */
    SELECT_SOCKET = 82,
    COARSE_TIME = 160,
};

enum { PLACES = 256 /* a power of two */ };

struct table {
    volatile uint64_t until;        /* by CLOCK_MONOTONIC, in nanoseconds: the program deals */
    volatile uint32_t dealt;        /* connections, in all; stored by the program alone */
    volatile uint8_t seats[PLACES]; /* connection n goes to seats[n % PLACES] */
};

struct rp_dealer {
    int sockets, memory; /* maps */
    struct table *table;
    uint32_t inodes[RP_DEALER_SEATS]; /* by seat; 0: free */
    long recent[PLACES];              /* by seat: connections dealt since queues were looked at */
    uint32_t known;                   /* of table->dealt, those that recent counts */
    uint8_t last;                     /* the seat that the last one went to */
};

static int bpf(int command, union bpf_attr *attribute) {
    return (int)syscall(SYS_bpf, command, attribute, sizeof(*attribute));
}

static int make_map(unsigned type, unsigned value, unsigned entries, unsigned flags) {
    union bpf_attr attribute = {.map_type = type,
                                .key_size = sizeof(uint32_t),
                                .value_size = value,
                                .max_entries = entries,
                                .map_flags = flags};
    return bpf(BPF_MAP_CREATE, &attribute);
}

/* Whether the kernel's monotonic clock, by which programs go, is this process's, too. */
static bool is_in_time(void) {
    char clock[16];
    long long seconds = 0, nanoseconds = 0;
    FILE *offsets = fopen("/proc/self/timens_offsets", "re");
    if (!offsets) return true; /* before Linux 5.6, or not configured */
    const int found = fscanf(offsets, "%15s %lld %lld", clock, &seconds, &nanoseconds);
    fclose(offsets);
    return found == 3 && !seconds && !nanoseconds;
}

enum { R0, R1, R2, R3, R4, R6 = 6, R7, STACK = 10 };

static int load(const struct rp_dealer *dealer) {
    const struct bpf_insn code[] = {
        {BPF_ALU64 | BPF_MOV | BPF_X, R6, R1, 0, 0},
        {BPF_LD | BPF_IMM | BPF_DW, R7, MAP_VALUE, 0, dealer->memory},
        {0, 0, 0, 0, 0},
        {BPF_JMP | BPF_CALL, 0, 0, 0, COARSE_TIME},
        {BPF_LDX | BPF_MEM | BPF_DW, R1, R7, offsetof(struct table, until), 0},
        {BPF_JMP | BPF_JGE | BPF_X, R0, R1, 15, 0}, /* to SK_PASS */
        {BPF_LDX | BPF_MEM | BPF_W, R1, R7, offsetof(struct table, dealt), 0},
        {BPF_ALU64 | BPF_MOV | BPF_X, R2, R1, 0, 0},
        {BPF_ALU64 | BPF_ADD, R2, 0, 0, 1},
        {BPF_STX | BPF_MEM | BPF_W, R7, R2, offsetof(struct table, dealt), 0},
        {BPF_ALU64 | BPF_AND | BPF_K, R1, 0, 0, PLACES - 1},
        {BPF_ALU64 | BPF_ADD | BPF_X, R1, R7, 0, 0},
        {BPF_LDX | BPF_MEM | BPF_B, R2, R1, offsetof(struct table, seats), 0},
        {BPF_STX | BPF_MEM | BPF_W, STACK, R2, -4, 0},
        {BPF_ALU64 | BPF_MOV | BPF_X, R1, R6, 0, 0},
        {BPF_LD | BPF_IMM | BPF_DW, R2, BPF_PSEUDO_MAP_FD, 0, dealer->sockets},
        {0, 0, 0, 0, 0},
        {BPF_ALU64 | BPF_MOV | BPF_X, R3, STACK, 0, 0},
        {BPF_ALU64 | BPF_ADD, R3, 0, 0, -4},
        {BPF_ALU64 | BPF_MOV | BPF_K, R4, 0, 0, 0},
        {BPF_JMP | BPF_CALL, 0, 0, 0, SELECT_SOCKET},
        {BPF_ALU64 | BPF_MOV | BPF_K, R0, 0, 0, 1}, /* SK_PASS: to the socket selected, if any */
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
    };
    union bpf_attr attribute = {.prog_type = SK_REUSEPORT,
                                .insns = (uintptr_t)code,
                                .insn_cnt = sizeof(code) / sizeof(*code),
                                .license = (uintptr_t) "MIT"};
    return bpf(BPF_PROG_LOAD, &attribute);
}

/* Returns 0 or an errno. */
static int prepare(struct rp_dealer *dealer) {
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    if (!is_in_time()) return EOPNOTSUPP;
    if (rp_call_is_deadly(SYS_bpf)) return EPERM;
    dealer->sockets = make_map(SOCKARRAY, sizeof(uint32_t), RP_DEALER_SEATS, 0);
    if (dealer->sockets < 0) return errno;
    dealer->memory = make_map(BPF_MAP_TYPE_ARRAY, sizeof(struct table), 1, MAPPABLE);
    if (dealer->memory < 0) return errno;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, dealer->memory, 0);
    if (memory == MAP_FAILED) return errno;
    dealer->table = memory;
    const int program = load(dealer);
    if (program < 0) return errno;
    close(program);
    return 0;
}

struct rp_dealer *rp_dealer_open(void) {
    struct rp_dealer *dealer = calloc(1, sizeof(*dealer));
    if (!dealer) rp_die("%s", strerror(errno));
    dealer->sockets = dealer->memory = -1;
    const int error = prepare(dealer);
    if (!error) return dealer;
    rp_dealer_close(dealer);
    errno = error;
    return NULL;
}

void rp_dealer_close(struct rp_dealer *dealer) {
    if (!dealer) return;
    if (dealer->table) munmap(dealer->table, (size_t)sysconf(_SC_PAGESIZE));
    if (dealer->memory >= 0) close(dealer->memory);
    if (dealer->sockets >= 0) close(dealer->sockets);
    free(dealer);
}

/* The seat of the inode, or with 0 a free one; NOBODY if there is none. */
static uint32_t seat_of(const struct rp_dealer *dealer, uint32_t inode) {
    uint32_t seat = 0;
    while (seat < RP_DEALER_SEATS && dealer->inodes[seat] != inode) seat++;
    return seat;
}

/* Returns 0 or an errno. */
static int put(const struct rp_dealer *dealer, uint32_t seat, const struct rp_socket *socket) {
    int error = EPERM;
    for (size_t i = 0; i < socket->owner_count && error; i++) {
        const int fd = rp_socket_take(socket, &socket->owners[i]);
        if (fd < 0) continue;
        union bpf_attr attribute = {
            .map_fd = (uint32_t)dealer->sockets, .key = (uintptr_t)&seat, .value = (uintptr_t)&fd};
        error = bpf(BPF_MAP_UPDATE_ELEM, &attribute) ? errno : 0;
        close(fd); /* at once: it keeps the member alive */
    }
    return error;
}

static bool has(const struct rp_sockets *sockets, uint32_t inode) {
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->list[i].inode == inode) return true;
    return false;
}

int rp_dealer_seat(struct rp_dealer *dealer, const struct rp_sockets *sockets) {
    for (size_t i = 0; i < RP_DEALER_SEATS; i++)
        if (dealer->inodes[i] && !has(sockets, dealer->inodes[i])) dealer->inodes[i] = 0;
    for (size_t i = 0; i < sockets->count; i++) {
        const struct rp_socket *socket = &sockets->list[i];
        if (seat_of(dealer, socket->inode) != NOBODY) continue;
        const uint32_t seat = seat_of(dealer, 0);
        const int error = seat == NOBODY ? ENOSPC : put(dealer, seat, socket);
        if (error) return error;
        dealer->inodes[seat] = socket->inode;
    }
    return 0;
}

/* Takes note of what has been dealt, unless that was more than the table knows. */
static void catch_up(struct rp_dealer *dealer) {
    const uint32_t dealt = dealer->table->dealt;
    if (dealt - dealer->known > PLACES) dealer->known = dealt - PLACES;
    while (dealer->known != dealt) {
        dealer->last = dealer->table->seats[dealer->known++ % PLACES];
        dealer->recent[dealer->last]++;
    }
}

void rp_dealer_look(struct rp_dealer *dealer) {
    catch_up(dealer);
    memset(dealer->recent, 0, sizeof(dealer->recent));
}

/* In rounds, which begin after the seat that was last dealt to: each brings the shortest queues to
 * one more. */
static void fill(const struct rp_dealer *dealer, const uint8_t *seats, long *queues, size_t count) {
    size_t turn = 0, filled = 0;
    long level = LONG_MAX;
    for (size_t i = 0; i < count; i++) {
        if (seats[i] == dealer->last) turn = i + 1;
        if (queues[i] < level) level = queues[i];
    }
    for (; filled < PLACES; level++)
        for (size_t i = turn; i < turn + count && filled < PLACES; i++) {
            if (queues[i % count] > level) continue;
            const uint32_t place = dealer->known + (uint32_t)filled++;
            dealer->table->seats[place % PLACES] = seats[i % count];
            queues[i % count]++;
        }
}

void rp_dealer_choose(struct rp_dealer *dealer, const struct rp_player *players, size_t count) {
    uint8_t seats[RP_DEALER_SEATS];
    long queues[RP_DEALER_SEATS];
    size_t seated = 0;
    catch_up(dealer);
    for (size_t i = 0; i < count; i++) {
        const uint32_t seat = seat_of(dealer, players[i].inode);
        if (seat == NOBODY) continue;
        seats[seated] = (uint8_t)seat;
        queues[seated++] = players[i].queue + dealer->recent[seat];
    }
    if (seated) fill(dealer, seats, queues, seated);
}

void rp_dealer_renew(struct rp_dealer *dealer) {
    dealer->table->until = (uint64_t)((rp_now() + RP_DEALER_TIME) * 1e9);
}

uint32_t rp_dealer_dealt(const struct rp_dealer *dealer) {
    return dealer->table->dealt;
}

int rp_dealer_attach(const struct rp_dealer *dealer, const struct rp_socket *like,
                     const struct rp_sockets *sockets) {
    const int program = load(dealer);
    if (program < 0) return errno;
    const int error = rp_group_attach(like, sockets, program);
    close(program);
    return error;
}
