/* SPDX-License-Identifier: MIT */
/* Which addresses of the old server the new one does not receive from, according to a look. Nothing
 * here makes a system call; nothing is async-signal-safe. */
#ifndef RP_COVERAGE_H
#define RP_COVERAGE_H

#include "look/groups.h"

enum { RP_ADDRESSES_TEXT = 320 };

/* Whether the new server's sockets together receive everything that the group's do. Sockets count
 * that are on the same port and bound to the same interface or to none: for an IPv4 address those
 * on that address, on 0.0.0.0, or on [::] without IPV6_V6ONLY; for an IPv6 address those on it or
 * on [::]. A group on [::] without IPV6_V6ONLY receives from both families (ipv6(7)), so it
 * requires another such socket, or both [::] with IPV6_V6ONLY and 0.0.0.0. */
bool rp_group_is_covered(const struct rp_group *group, const struct rp_look *look);

/* Lists the addresses of groups that are not covered, separated by commas; "" if all are. Returns
 * text. */
const char *rp_uncovered(const struct rp_groups *groups, const struct rp_look *look,
                         char text[RP_ADDRESSES_TEXT]);

/* Lists in the same way the addresses of groups on whose port the new server has fewer sockets than
 * copies, at whatever address. */
const char *rp_missing(const struct rp_groups *groups, const struct rp_look *look, unsigned copies,
                       char text[RP_ADDRESSES_TEXT]);

#endif
