/* SPDX-License-Identifier: MIT */
/* group/program: what a program answers to packets, by an interpreter of it. Makes no system call.
 * Prints what is not as it should be, and how many checks were made. */
#include "group/program.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8, SOURCES = 256 };

/* From the network header on. */
struct packet {
    unsigned char bytes[64];
};

static uint32_t big_endian(const unsigned char *bytes, size_t size) {
    uint32_t value = 0;
    for (size_t i = 0; i < size; i++) value = value << 8 | bytes[i];
    return value;
}

static void set(unsigned char *bytes, size_t size, uint32_t value) {
    for (; size; value >>= 8) bytes[--size] = (unsigned char)value;
}

/* words: of header, in 32 bits: five, or more with options. */
static struct packet ipv4(uint32_t address, uint16_t port, unsigned words) {
    struct packet packet = {{(unsigned char)(0x40 | words)}};
    set(packet.bytes + 12, 4, address);
    set(packet.bytes + (size_t)4 * words, 2, port);
    return packet;
}

static struct packet ipv6(const uint32_t *address, uint16_t port) {
    struct packet packet = {{0x6f}}; /* half of the traffic class, too */
    for (size_t i = 0; i < 4; i++) set(packet.bytes + 8 + 4 * i, 4, address[i]);
    set(packet.bytes + 40, 2, port);
    return packet;
}

static uint32_t at(const struct packet *packet, uint32_t place, size_t size) {
    const uint32_t offset = place - (uint32_t)SKF_NET_OFF;
    if (offset + size > sizeof(packet->bytes)) exit(2);
    return big_endian(packet->bytes + offset, size);
}

/* As the kernel runs it (net/core/filter.c), which draws that number at random. */
static uint32_t answer(const struct sock_fprog *program, const struct packet *packet,
                       uint32_t drawn) {
    uint32_t a = 0, x = 0;
    for (const struct sock_filter *step = program->filter; step < program->filter + program->len;
         step++) {
        const uint32_t k = step->k;
        switch (step->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            a = k == (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM) ? drawn : at(packet, k, 4);
            break;
        case BPF_LD | BPF_H | BPF_ABS:
            a = at(packet, k, 2);
            break;
        case BPF_LD | BPF_B | BPF_ABS:
            a = at(packet, k, 1);
            break;
        case BPF_LD | BPF_H | BPF_IND:
            a = at(packet, k + x, 2);
            break;
        case BPF_LDX | BPF_B | BPF_MSH:
            x = 4 * (at(packet, k, 1) & 15);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= k;
            break;
        case BPF_ALU | BPF_ADD: /* BPF_K is 0 as well */
            a += k;
            break;
        case BPF_ALU | BPF_MUL | BPF_K:
            a *= k;
            break;
        case BPF_ALU | BPF_MOD | BPF_K:
            a %= k;
            break;
        case BPF_ALU | BPF_RSH | BPF_K:
            a >>= k;
            break;
        case BPF_ALU | BPF_XOR | BPF_X:
            a ^= x;
            break;
        case BPF_MISC | BPF_TAX:
            x = a;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            step += a == k ? step->jt : step->jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            step += a > k ? step->jt : step->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            step += a >= k ? step->jt : step->jf;
            break;
        case BPF_RET | BPF_K:
            return k;
        case BPF_RET | BPF_A:
            return a;
        default:
            exit(2);
        }
    }
    exit(2);
}

/* chosen: bits by number. */
static struct sock_fprog make(enum rp_proto proto, unsigned bits, size_t count,
                              const struct rp_exception *exceptions, size_t exception_count) {
    bool chosen[MOST];
    struct sock_fprog program;
    for (size_t i = 0; i < count; i++) chosen[i] = bits >> i & 1;
    const struct rp_choice choice = {proto, chosen, count, exceptions, exception_count};
    if (!rp_program_make(&choice, &program)) exit(2);
    return program;
}

/* Draw r leads to the chosen number that r others are below, and any number may be drawn. */
static void check_draws(void) {
    const struct packet packet = ipv4(0x7f000001, 1024, 5);
    for (unsigned bits = 1; bits < 1 << MOST; bits++) {
        struct sock_fprog program = make(RP_TCP, bits, MOST, NULL, 0);
        unsigned below = 0;
        bool good = true;
        const unsigned chosen = (unsigned)__builtin_popcount(bits);
        for (unsigned number = 0; number < MOST; number++) {
            if (!(bits >> number & 1)) continue;
            good = good && answer(&program, &packet, below) == number &&
                   answer(&program, &packet, below + 1000 * chosen) == number;
            below++;
        }
        check(good, "a draw");
        free(program.filter);
    }
}

static void check_exceptions(void) {
    const struct rp_exception exceptions[] = {{0x7f4d4d4d, 4}, {0x7f4d4d4e, 5}};
    const struct packet first = ipv4(0x7f4d4d4d, 1024, 5), second = ipv4(0x7f4d4d4e, 1024, 15),
                        third = ipv4(0x7f4d4d4f, 1024, 5);
    const struct packet six = ipv6((const uint32_t[]){0x7f000000, 0x7f4d4d4d, 0, 0}, 1024);
    struct sock_fprog program = make(RP_TCP, 2, 2, exceptions, 2);
    check(answer(&program, &first, 0) == 4 && answer(&program, &second, 0) == 5, "exceptions");
    check(answer(&program, &third, 0) == 1, "another address");
    check(answer(&program, &six, 0) == 1, "an IPv6 address with the same bytes there");
    free(program.filter);
}

/* A flow is known by address and port, whatever else is in its packets. */
static void check_flows(void) {
    struct sock_fprog program = make(RP_UDP, 0xff, MOST, NULL, 0);
    const uint32_t address[] = {0x20010db8, 0, 0, 1};
    struct packet four = ipv4(0xc0000201, 5060, 5), six = ipv6(address, 5060);
    const struct packet options = ipv4(0xc0000201, 5060, 15);
    const uint32_t of_four = answer(&program, &four, 0), of_six = answer(&program, &six, 0);
    check(of_four == answer(&program, &options, 0), "one flow, with options and without");
    memset(four.bytes + 1, 0xaa, 11);
    memset(four.bytes + 16, 0xaa, 4);
    memset(four.bytes + 22, 0xaa, sizeof(four.bytes) - 22);
    check(of_four == answer(&program, &four, 1), "one flow, of IPv4");
    memset(six.bytes + 1, 0xaa, 7);
    memset(six.bytes + 24, 0xaa, 16);
    memset(six.bytes + 42, 0xaa, sizeof(six.bytes) - 42);
    check(of_six == answer(&program, &six, 1), "one flow, of IPv6");
    free(program.filter);
}

/* Sources that differ in that bit and the seven above, of the address and of the port where one is
 * given. Whether each member gets between a quarter of its share and twice that. */
static bool spreads(int version, unsigned word, int address_bit, int port_bit, unsigned members) {
    struct sock_fprog program = make(RP_UDP, 0xff, members, NULL, 0);
    unsigned got[MOST] = {0};
    bool good = true;
    for (uint32_t i = 0; i < SOURCES; i++) {
        uint32_t address[] = {0x20010db8, 0x00010002, 0xc0000200, 0x0a000001};
        const uint32_t port = port_bit < 0 ? 5060 : 1024 ^ i << port_bit;
        if (address_bit >= 0) address[word] ^= i << address_bit;
        const struct packet packet =
            version == 4 ? ipv4(address[word], (uint16_t)port, 5) : ipv6(address, (uint16_t)port);
        const uint32_t number = answer(&program, &packet, 0);
        if (number < members) got[number]++;
    }
    free(program.filter);
    for (unsigned i = 0; i < members; i++)
        good = good && 4 * members * got[i] >= SOURCES && members * got[i] <= 2 * SOURCES;
    if (!good) {
        printf("IPv%d, word %u, bits %d and %d:", version, word, address_bit, port_bit);
        for (unsigned i = 0; i < members; i++) printf(" %u", got[i]);
        putchar('\n');
    }
    return good;
}

static void check_spread(void) {
    for (int version = 4; version <= 6; version += 2)
        for (unsigned members = 2; members <= MOST; members++)
            for (int port_bit = -1; port_bit <= 8; port_bit++) {
                check(port_bit < 0 || spreads(version, 3, -1, port_bit, members), "by port");
                for (int bit = 0; bit <= 24; bit++)
                    for (unsigned word = version == 4 ? 3 : 0; word < 4; word++)
                        check(spreads(version, word, bit, port_bit, members), "by address");
            }
}

/* So many numbers, every second one chosen, are so many instructions; 4096 may be. */
static void check_length(void) {
    enum { EVEN = 4096 - 36 };
    static bool chosen[EVEN + 2];
    struct sock_fprog program;
    struct rp_choice choice = {RP_UDP, chosen, EVEN, NULL, 0};
    for (size_t i = 1; i < sizeof(chosen); i += 2) chosen[i] = true;
    check(rp_program_make(&choice, &program) && program.len == BPF_MAXINSNS, "the longest");
    free(program.filter);
    choice.count += 2;
    check(!rp_program_make(&choice, &program), "a longer one");
    choice = (struct rp_choice){RP_TCP, chosen, 1, NULL, 0};
    check(!rp_program_make(&choice, &program), "one for nobody");
}

int main(void) {
    check_draws();
    check_exceptions();
    check_flows();
    check_spread();
    check_length();
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
