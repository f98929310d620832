/* SPDX-License-Identifier: MIT */
/* Functions of core/, linked in, that no program can tell from outside:
 *
 *     core addresses COUNT      reads and writes so many addresses, as libc does and as we do, and
 *                               prints the number of differences
 *     core errno                prints the errno that explaining a refused bind leaves, where
 *                               nothing can be written, and what is counted of that and of an
 *                               option that was not set */
#include "core/explain.h"
#include "core/message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long differences, valid;

/* The same numbers in each run. */
static unsigned next_random(unsigned below) {
    static uint32_t state = 2463534242;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % below;
}

static void differ(const char *what, const char *text) {
    differences++;
    printf("%s: %s\n", what, text);
}

/* Groups that are often right, separated by what is often a colon. */
static void invent(char text[128], bool ipv6) {
    static const char *const groups[] = {"0",          "1",   "00",   "01",        "9",
                                         "255",        "256", "ffff", "FFFF",      "12345",
                                         "4294967297", "g",   "",     "10.0.0.255"};
    static const char *const marks[] = {":", ":", ":", "::", ".", ":::", "%", ""};
    const unsigned count = 1 + next_random(ipv6 ? 10 : 6);
    int length = 0;
    for (unsigned i = 0; i < count; i++) {
        const unsigned mark = next_random(40);
        const char *between = mark < 8 ? marks[mark] : mark < 20 && !i ? "::" : ipv6 ? ":" : ".";
        if (!i && next_random(4)) between = "";
        length += snprintf(text + length, 128 - (size_t)length, "%s%s", between,
                           groups[next_random(next_random(4) ? 8 : 14)]);
    }
}

static void compare_reading(const char *text) {
    unsigned char theirs[16] = {0}, ours[16] = {0};
    const char *end = text + strlen(text);
    const bool ipv4 = inet_pton(AF_INET, text, theirs) == 1;
    if (ipv4 != rp_parse_ipv4(text, end, ours) || (ipv4 && memcmp(ours, theirs, 4) != 0))
        differ("IPv4", text);
    const bool ipv6 = inet_pton(AF_INET6, text, theirs) == 1;
    if (ipv6 != rp_parse_ipv6(text, end, ours) || (ipv6 && memcmp(ours, theirs, 16) != 0))
        differ("IPv6", text);
    valid += ipv4 || ipv6;
}

/* Our text without "[" and "]:PORT/tcp", or ":PORT/tcp". */
static void compare_writing(const struct in6_addr *address) {
    struct rp_message message = {0};
    struct rp_endpoint where = {.address = *address, .port = 80};
    char theirs[INET6_ADDRSTRLEN], wanted[INET6_ADDRSTRLEN + 16];
    const bool ipv4 = IN6_IS_ADDR_V4MAPPED(address);
    inet_ntop(ipv4 ? AF_INET : AF_INET6, address->s6_addr + (ipv4 ? 12 : 0), theirs,
              sizeof(theirs));
    snprintf(wanted, sizeof(wanted), ipv4 ? "%s:80/tcp" : "[%s]:80/tcp", theirs);
    rp_say_endpoint(&message, &where, RP_TCP);
#ifdef __GLIBC__ /* musl shortens the last of several runs of zeros, RFC 5952 the first */
    if (strcmp(message.text, wanted) != 0) differ(wanted, message.text);
#endif
}

static void compare_addresses(long count) {
    for (long i = 0; i < count; i++) {
        char text[128];
        struct in6_addr address;
        invent(text, i % 2);
        compare_reading(text);
        /* Many zeros, but no IPv4-compatible address: those are written in two ways. */
        for (int j = 0; j < 16; j++)
            address.s6_addr[j] = next_random(3) ? 0 : (unsigned char)next_random(256);
        address.s6_addr[next_random(10)] |= 1;
        if (!next_random(8)) rp_map_ipv4(&address, &address.s6_addr32[3]);
        compare_writing(&address);
    }
    compare_writing(&in6addr_any);
    compare_writing(&in6addr_loopback);
    printf("valid=%s differences=%lu\n", valid > (unsigned long)count / 50 ? "many" : "few",
           differences);
}

int main(int argc, char **argv) {
    const struct rp_endpoint where = {.port = 80};
    unsigned told = 0;
    if (argc > 2 && !strcmp(argv[1], "addresses")) {
        compare_addresses(atol(argv[2]));
        return 0;
    }
    errno = 4242;
    rp_explain_refusal(&told, -1, NULL, &where);
    printf("errno=%d told=%u", errno, told);
    const struct rp_failure failure = {.call = "setsockopt", .error = EPERM};
    const bool reported = rp_explain_failure(&told, -1, NULL, &failure);
    printf(" failure=%d told=%u\n", reported, told);
    return 0;
}
