/* SPDX-License-Identifier: MIT */
/* The list of ports in REUSEPORT_PORTS: parsed once, strictly, into a table that tells whether a
 * socket shares its port. Pure: no system call, no allocation, no errno; async-signal-safe. */
#ifndef RP_PORTS_H
#define RP_PORTS_H

#include "core/address.h"
#include "core/rare.h"

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

/* Parses text, a list as in libreuseport(7). Returns NULL, or what is wrong with the first bad
 * entry: bad then holds that entry, truncated if long, and the list is empty. */
RP_RARE const char *rp_ports_parse(struct rp_ports *list, const char *text,
                                   char bad[RP_ENTRY_SIZE]);

/* What the list says of a socket of that protocol; port 0 is always left alone. */
enum rp_verdict rp_ports_match(const struct rp_ports *list, const struct rp_endpoint *where,
                               enum rp_proto proto);

#endif
