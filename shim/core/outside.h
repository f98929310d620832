/* SPDX-License-Identifier: MIT */
/* What a container hides: users and processes outside its namespaces (namespaces(7)). All of it is
 * async-signal-safe and may change errno. */
#ifndef RP_OUTSIDE_H
#define RP_OUTSIDE_H

#include "core/rare.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether that is how the kernel shows users that this user namespace does not map: the overflow
 * uid, if /proc/self/uid_map has no user of that number (user_namespaces(7)). False if unknown. */
RP_RARE bool rp_is_outside_user(uint32_t uid);

/* Whether processes may exist that this process cannot see: it is not in the initial PID namespace.
 * False if unknown. */
RP_RARE bool rp_has_outside(void);

#endif
