/* The list of ports in REUSEPORT_PORTS: parsed once, strictly, into a table that answers whether a
 * socket about to be bound shares its port. Pure: no system call, no allocation, no errno. */
#ifndef RP_PORTS_H
#define RP_PORTS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { RP_ENTRIES_MAX = 64, RP_ENTRY_SIZE = 96 };
enum rp_proto { RP_TCP = 1, RP_UDP = 2 };
enum rp_verdict { RP_LEAVE, RP_SHARE, RP_DENY };

/* Where a socket is bound: port in host byte order, an IPv4 address in its IPv4-mapped form. */
struct rp_endpoint {
    struct in6_addr address;
    uint16_t port;
};

struct rp_entry {
    uint16_t first, last;
    unsigned char protos; /* of enum rp_proto */
    bool deny, any_address, any_port;
    struct in6_addr address;
};

struct rp_ports {
    unsigned count;
    bool all_tcp; /* has a plain "all" or "all/tcp" for any address */
    struct rp_entry entries[RP_ENTRIES_MAX];
};

/* Parses text, a list as in libreuseport(7). Returns NULL, or what is wrong with the first bad entry:
 * bad then holds that entry, cut short if long, and the list is empty. Async-signal-safe but for
 * inet_pton(3), which no libc makes unsafe. */
const char *rp_ports_parse(struct rp_ports *list, const char *text, char bad[RP_ENTRY_SIZE]);

/* What the list says of a socket of that protocol; port 0 is always left. Async-signal-safe. */
enum rp_verdict rp_ports_match(const struct rp_ports *list, const struct rp_endpoint *where,
                               enum rp_proto proto);

/* An IPv4 address (4 bytes) in its IPv4-mapped form, RFC 4291 2.5.5.2. Async-signal-safe. */
void rp_map_ipv4(struct in6_addr *mapped, const void *ipv4);

/* Whether it is 0.0.0.0, in its IPv4-mapped form, or ::. Async-signal-safe. */
bool rp_is_wildcard(const struct in6_addr *address);

#endif
