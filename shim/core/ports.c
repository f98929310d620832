/* Parsing and matching of the list of ports. Whatever does not fit the grammar to the letter is an
 * error: a typo must never widen what is shared. */
#include "core/ports.h"

#include <arpa/inet.h>
#include <string.h>

/* Cuts "ADDRESS:" off the front of *word, if it is there. */
static const char *parse_address(struct rp_entry *entry, char **word) {
    char *close = strchr(*word, ']'), *colon = strchr(*word, ':');
    unsigned char ipv4[4];
    entry->any_address = !colon;
    if (**word == '[') {
        if (!close) return "no ] after the address";
        *close = '\0';
        if (inet_pton(AF_INET6, *word + 1, &entry->address) != 1) return "not an IPv6 address";
        if (close[1] != ':') return "no :PORT after the address";
        colon = close + 1;
    } else if (colon) {
        if (strchr(colon + 1, ':')) return "an IPv6 address needs brackets, as in [::1]:80";
        *colon = '\0';
        if (inet_pton(AF_INET, *word, ipv4) != 1) return "not an IPv4 address";
        rp_map_ipv4(&entry->address, ipv4);
    }
    *word = colon ? colon + 1 : *word;
    return NULL;
}

/* No leading zero: some would read it as octal. */
static const char *parse_port(const char *word, uint16_t *port) {
    unsigned value = 0;
    if (!*word || word[strspn(word, "0123456789")] || (*word == '0' && word[1]))
        return "not a port";
    for (; *word && value <= UINT16_MAX; word++) value = value * 10 + (unsigned)(*word - '0');
    if (value < 1 || value > UINT16_MAX) return "not a port from 1 to 65535";
    *port = (uint16_t)value;
    return NULL;
}

static const char *parse_range(struct rp_entry *entry, char *word) {
    char *dash = strchr(word, '-');
    entry->first = 1;
    entry->last = UINT16_MAX;
    entry->any_port = !strcmp(word, "all");
    if (entry->any_port) return NULL;
    if (dash) *dash = '\0';
    const char *wrong = parse_port(word, &entry->first);
    if (!wrong) wrong = parse_port(dash ? dash + 1 : word, &entry->last);
    return !wrong && entry->last < entry->first ? "the range ends before it begins" : wrong;
}

static const char *parse_entry(struct rp_entry *entry, char *word) {
    char *slash = strchr(word, '/');
    if (!*word) return "empty entry";
    entry->protos = RP_TCP | RP_UDP;
    if (slash) {
        if (strcmp(slash, "/tcp") != 0 && strcmp(slash, "/udp") != 0)
            return "the protocol is neither tcp nor udp";
        entry->protos = slash[1] == 't' ? RP_TCP : RP_UDP;
        *slash = '\0';
    }
    entry->deny = *word == '!';
    word += entry->deny;
    const char *wrong = parse_address(entry, &word);
    return wrong ? wrong : parse_range(entry, word);
}

static bool is_all_tcp(const struct rp_entry *entry) {
    return !entry->deny && entry->any_address && entry->any_port && (entry->protos & RP_TCP);
}

/* Copies the entry at text without the blanks around it. Returns false if it had to be cut short. */
static bool copy_entry(char to[RP_ENTRY_SIZE], const char *text, size_t length) {
    const size_t lead = strspn(text, " \t");
    text += lead;
    length -= lead;
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\t')) length--;
    const bool fits = length < RP_ENTRY_SIZE;
    memset(to, 0, RP_ENTRY_SIZE);
    memcpy(to, text, fits ? length : RP_ENTRY_SIZE - 1);
    return fits;
}

const char *rp_ports_parse(struct rp_ports *list, const char *text, char bad[RP_ENTRY_SIZE]) {
    list->all_tcp = false;
    for (list->count = 0;; text++) {
        const size_t length = strcspn(text, ",");
        const char *wrong = "not a port, far too long";
        struct rp_entry entry;
        char word[RP_ENTRY_SIZE];
        if (copy_entry(bad, text, length))
            wrong = parse_entry(&entry, memcpy(word, bad, sizeof(word)));
        if (!wrong && list->count == RP_ENTRIES_MAX) wrong = "more than 64 entries";
        if (wrong) {
            list->count = 0;
            return wrong;
        }
        list->all_tcp = list->all_tcp || is_all_tcp(&entry);
        list->entries[list->count++] = entry;
        text += length;
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

void rp_map_ipv4(struct in6_addr *mapped, const void *ipv4) {
    *mapped = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(mapped->s6_addr + 12, ipv4, 4);
}

bool rp_is_wildcard(const struct in6_addr *address) {
    return IN6_IS_ADDR_UNSPECIFIED(address) ||
           (IN6_IS_ADDR_V4MAPPED(address) && !address->s6_addr32[3]);
}
