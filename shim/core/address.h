/* SPDX-License-Identifier: MIT */
/* IPv4 and IPv6 addresses, read without libc, whose functions the library would have to import.
 * Pure: no system call, no allocation, no errno; async-signal-safe. */
#ifndef RP_ADDRESS_H
#define RP_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>

/* Reads the text from at up to end as inet_pton(3) does: a dotted quad of decimal numbers without
 * leading zeros, or an IPv6 address (RFC 4291 2.2) without a scope. Returns false if it is neither;
 * bytes may have changed by then. */
bool rp_parse_ipv4(const char *at, const char *end, unsigned char bytes[4]);
bool rp_parse_ipv6(const char *at, const char *end, unsigned char bytes[16]);

/* An IPv4 address (4 bytes) in its IPv4-mapped form (RFC 4291 2.5.5.2). */
void rp_map_ipv4(struct in6_addr *mapped, const void *ipv4);

/* Whether it is such a form; whether it is a wildcard, 0.0.0.0 in that form or ::. */
bool rp_is_ipv4(const struct in6_addr *address);
bool rp_is_wildcard(const struct in6_addr *address);

#endif
