/* SPDX-License-Identifier: MIT */
/* Parsing and matching of the list of ports. Whatever does not fit the grammar to the letter is an
 * error: a typo must never widen what is shared. */
#include "core/ports.h"

#include <string.h>

/* The first such character from at up to end, or NULL. */
static const char *find(const char *at, const char *end, char wanted) {
    while (at < end && *at != wanted) at++;
    return at < end ? at : NULL;
}

static bool is(const char *at, const char *end, const char *word) {
    for (; at < end && *at == *word; at++) word++;
    return at == end && !*word;
}

/* Reads "ADDRESS:", if it is there, and moves *at behind it. */
static const char *parse_address(struct rp_entry *entry, const char **at, const char *end) {
    const char *close = find(*at, end, ']'), *colon = find(*at, end, ':');
    unsigned char ipv4[4];
    entry->any_address = !colon;
    if (**at == '[') { /* nor does such a one follow an entry */
        if (!close) return "no ] after the address";
        if (!rp_parse_ipv6(*at + 1, close, entry->address.s6_addr)) return "not an IPv6 address";
        colon = close + 1;
        if (colon == end || *colon != ':') return "no :PORT after the address";
    } else if (colon) {
        if (find(colon + 1, end, ':')) return "an IPv6 address needs brackets, as in [::1]:80";
        if (!rp_parse_ipv4(*at, colon, ipv4)) return "not an IPv4 address";
        rp_map_ipv4(&entry->address, ipv4);
    }
    if (colon) *at = colon + 1;
    return NULL;
}

/* No leading zero: some would read it as octal. */
static const char *parse_port(const char *at, const char *end, uint16_t *port) {
    unsigned value = 0;
    if (at == end || (*at == '0' && at + 1 < end)) return "not a port";
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') return "not a port";
        if (value <= UINT16_MAX) value = value * 10 + (unsigned)(*at - '0');
    }
    *port = (uint16_t)value;
    return value < 1 || value > UINT16_MAX ? "not a port from 1 to 65535" : NULL;
}

static const char *parse_range(struct rp_entry *entry, const char *at, const char *end) {
    const char *dash = find(at, end, '-');
    entry->first = 1;
    entry->last = UINT16_MAX;
    entry->any_port = is(at, end, "all");
    if (entry->any_port) return NULL;
    const char *wrong = parse_port(at, dash ? dash : end, &entry->first);
    if (!wrong) wrong = parse_port(dash ? dash + 1 : at, end, &entry->last);
    return !wrong && entry->last < entry->first ? "the range ends before it begins" : wrong;
}

static const char *parse_entry(struct rp_entry *entry, const char *at, const char *end) {
    const char *slash = find(at, end, '/');
    if (at == end) return "empty entry";
    if (end - at >= RP_ENTRY_SIZE) return "not a port, far too long";
    entry->protos = RP_TCP | RP_UDP;
    if (slash) {
        entry->protos = is(slash, end, "/tcp") ? RP_TCP : is(slash, end, "/udp") ? RP_UDP : 0;
        if (!entry->protos) return "the protocol is neither tcp nor udp";
        end = slash;
    }
    entry->deny = *at == '!';
    at += entry->deny;
    const char *wrong = parse_address(entry, &at, end);
    return wrong ? wrong : parse_range(entry, at, end);
}

static bool is_all_tcp(const struct rp_entry *entry) {
    return !entry->deny && entry->any_address && entry->any_port && (entry->protos & RP_TCP);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Copies the entry, truncated if long. Returns wrong. */
static const char *copy(char to[RP_ENTRY_SIZE], const char *at, const char *end,
                        const char *wrong) {
    size_t length = (size_t)(end - at);
    if (length >= RP_ENTRY_SIZE) length = RP_ENTRY_SIZE - 1;
    memcpy(to, at, length);
    to[length] = '\0';
    return wrong;
}

const char *rp_ports_parse(struct rp_ports *list, const char *text, char bad[RP_ENTRY_SIZE]) {
    list->count = 0;
    list->all_tcp = false;
    for (;; text++) {
        struct rp_entry entry;
        while (is_blank(*text)) text++;
        const char *start = text, *end = text;
        for (; *text && *text != ','; text++)
            if (!is_blank(*text)) end = text + 1;
        const char *wrong = parse_entry(&entry, start, end);
        if (!wrong && list->count == RP_ENTRIES_MAX) wrong = "more than 64 entries";
        if (wrong) {
            list->count = 0;
            list->all_tcp = false;
            return copy(bad, start, end, wrong);
        }
        list->all_tcp = list->all_tcp || is_all_tcp(&entry);
        list->entries[list->count++] = entry;
        if (!*text) return NULL;
    }
}

enum rp_verdict rp_ports_match(const struct rp_ports *list, const struct rp_endpoint *where,
                               enum rp_proto proto) {
    enum rp_verdict verdict = RP_LEAVE;
    for (unsigned i = 0; i < list->count; i++) {
        const struct rp_entry *entry = &list->entries[i];
        if (where->port < entry->first || where->port > entry->last || !(entry->protos & proto))
            continue;
        if (!entry->any_address && !IN6_ARE_ADDR_EQUAL(&entry->address, &where->address)) continue;
        if (entry->deny) return RP_DENY;
        verdict = RP_SHARE;
    }
    return verdict;
}
