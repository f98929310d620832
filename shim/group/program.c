/* SPDX-License-Identifier: MIT */
/* A program draws r below the count of chosen members, and adds one for each number not above the
 * result that is not chosen. */
#include "group/program.h"

#include "base/die.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct code {
    struct sock_filter *list;
    size_t count;
};

enum {
    NETWORK = SKF_NET_OFF,
    IPV4_SOURCE = SKF_NET_OFF + 12,
    IPV6_SOURCE = SKF_NET_OFF + 8,
    IPV6_SOURCE_PORT = SKF_NET_OFF + 40,
    IPV4 = 0x40, /* the version, in the first byte of either header */
};

/* What the kernel would refuse for its length is counted, and not kept. */
static void add(struct code *code, struct sock_filter instruction) {
    if (code->count < BPF_MAXINSNS) code->list[code->count] = instruction;
    code->count++;
}

static void statement(struct code *code, unsigned operation, uint32_t value) {
    add(code, (struct sock_filter)BPF_STMT((uint16_t)operation, value));
}

static void branch(struct code *code, unsigned condition, uint32_t value, size_t if_true,
                   size_t if_false) {
    add(code, (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | condition | BPF_K), value,
                                           (uint8_t)if_true, (uint8_t)if_false));
}

static void load_version(struct code *code) {
    statement(code, BPF_LD | BPF_B | BPF_ABS, (uint32_t)NETWORK);
    statement(code, BPF_ALU | BPF_AND | BPF_K, 0xf0);
}

/* Each exception tests for IPv4 itself, as a conditional jump spans 255 instructions at most. */
static void except(struct code *code, const struct rp_exception *exception) {
    load_version(code);
    branch(code, BPF_JEQ, IPV4, 0, 3);
    statement(code, BPF_LD | BPF_W | BPF_ABS, (uint32_t)IPV4_SOURCE);
    branch(code, BPF_JEQ, exception->address, 0, 1);
    statement(code, BPF_RET | BPF_K, exception->number);
}

/* A = A * factor ^ the packet's word at that place; X is lost. */
static void mix(struct code *code, uint32_t place) {
    statement(code, BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1);
    statement(code, BPF_MISC | BPF_TAX, 0);
    statement(code, BPF_LD | BPF_W | BPF_ABS, place);
    statement(code, BPF_ALU | BPF_XOR | BPF_X, 0);
}

/* Has the instruction at that place jump to the next one to be added, if its condition is false. */
static void land(struct code *code, size_t from) {
    if (from < BPF_MAXINSNS) code->list[from].jf = (uint8_t)(code->count - from - 1);
}

/* A = A ^ A >> 16: mixes the high bits into the low ones; X is lost. */
static void fold(struct code *code) {
    statement(code, BPF_MISC | BPF_TAX, 0);
    statement(code, BPF_ALU | BPF_RSH | BPF_K, 16);
    statement(code, BPF_ALU | BPF_XOR | BPF_X, 0);
}

/* A = a hash of source address and port. Classic BPF has no access to the kernel's own hash. */
static void hash_source(struct code *code) {
    load_version(code);
    const size_t is_ipv4 = code->count;
    branch(code, BPF_JEQ, IPV4, 0, 0);
    statement(code, BPF_LDX | BPF_B | BPF_MSH, (uint32_t)NETWORK); /* X = the header's length */
    statement(code, BPF_LD | BPF_H | BPF_IND, (uint32_t)NETWORK);
    mix(code, (uint32_t)IPV4_SOURCE);
    const size_t done = code->count;
    branch(code, BPF_JGT, UINT32_MAX, 0, 0); /* never true */
    land(code, is_ipv4);
    statement(code, BPF_LD | BPF_H | BPF_ABS, (uint32_t)IPV6_SOURCE_PORT);
    for (unsigned word = 0; word < 4; word++) mix(code, (uint32_t)IPV6_SOURCE + 4 * word);
    land(code, done);
    fold(code); /* a product's low bits know nothing of high ones */
    statement(code, BPF_ALU | BPF_MUL | BPF_K, 0x85ebca6b);
    fold(code);
}

/* A = A + the length of each run of numbers that are not chosen and not above A. */
static void step_over(struct code *code, const struct rp_choice *choice) {
    for (size_t end, begin = 0; begin < choice->count; begin = end) {
        for (end = begin; end < choice->count && choice->chosen[end] == choice->chosen[begin];)
            end++;
        if (choice->chosen[begin] || end == choice->count) continue;
        branch(code, BPF_JGE, (uint32_t)begin, 0, 1);
        statement(code, BPF_ALU | BPF_ADD, (uint32_t)(end - begin)); /* BPF_K is 0 */
    }
}

bool rp_program_make(const struct rp_choice *choice, struct sock_fprog *program) {
    struct code code = {calloc(BPF_MAXINSNS, sizeof(*code.list)), 0};
    uint32_t chosen = 0;
    if (!code.list) rp_die("%s", strerror(errno));
    for (size_t i = 0; i < choice->count; i++) chosen += choice->chosen[i];
    for (size_t i = 0; i < choice->exception_count; i++) except(&code, &choice->exceptions[i]);
    if (choice->proto == RP_TCP)
        statement(&code, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
    else
        hash_source(&code);
    statement(&code, BPF_ALU | BPF_MOD | BPF_K, chosen ? chosen : 1);
    step_over(&code, choice);
    statement(&code, BPF_RET | BPF_A, 0);
    *program = (struct sock_fprog){(uint16_t)code.count, code.list};
    if (chosen && code.count <= BPF_MAXINSNS) return true;
    free(code.list);
    return false;
}
