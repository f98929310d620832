/* SPDX-License-Identifier: MIT */
/* Reading of addresses, as strict as inet_pton(3): the suite compares the two. */
#include "core/address.h"

#include <stdint.h>
#include <string.h>

bool rp_parse_ipv4(const char *at, const char *end, unsigned char bytes[4]) {
    for (int i = 0; i < 4; i++) {
        unsigned value = 0;
        const char *start = at;
        for (; at < end && *at >= '0' && *at <= '9' && value <= UINT8_MAX; at++)
            value = value * 10 + (unsigned)(*at - '0');
        if (at == start || value > UINT8_MAX || (*start == '0' && at > start + 1)) return false;
        bytes[i] = (unsigned char)value;
        if (i < 3 && (at == end || *at != '.')) return false;
        if (i < 3) at++;
    }
    return at == end;
}

/* Its value, or -1. */
static int hex_digit(char c) {
    const int lower = c | 0x20;
    if (c >= '0' && c <= '9') return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool rp_parse_ipv6(const char *at, const char *end, unsigned char bytes[16]) {
    int count = 0, gap = -1; /* bytes read; where "::" stands among them */
    while (at < end) {
        if (*at == ':' && end - at > 1 && at[1] == ':' && gap < 0) {
            gap = count;
            at += 2;
            if (at == end) break;
        } else if (count && *at++ != ':') {
            return false;
        }
        const char *group = at;
        unsigned value = 0;
        for (; at < end && hex_digit(*at) >= 0 && value < 0x1000; at++)
            value = value << 4 | (unsigned)hex_digit(*at);
        if (at == group || at - group > 4 || count > 14) return false;
        bytes[count++] = (unsigned char)(value >> 8);
        bytes[count++] = (unsigned char)value;
        if (at == end || *at != '.') continue;
        count -= 2;
        if (count > 12 || !rp_parse_ipv4(group, end, bytes + count)) return false;
        count += 4;
        break;
    }
    if (gap < 0 || count == 16) return gap < 0 && count == 16;
    memmove(bytes + 16 - count + gap, bytes + gap, (size_t)(count - gap));
    memset(bytes + gap, 0, (size_t)(16 - count));
    return true;
}

void rp_map_ipv4(struct in6_addr *mapped, const void *ipv4) {
    *mapped = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(mapped->s6_addr + 12, ipv4, 4);
}

/* Without IN6_IS_ADDR_V4MAPPED, which calls htonl(3) where nothing is optimised. */
bool rp_is_ipv4(const struct in6_addr *address) {
    static const unsigned char prefix[12] = {[10] = 0xff, [11] = 0xff};
    return !memcmp(address, prefix, sizeof(prefix));
}

bool rp_is_wildcard(const struct in6_addr *address) {
    return IN6_IS_ADDR_UNSPECIFIED(address) || (rp_is_ipv4(address) && !address->s6_addr32[3]);
}
