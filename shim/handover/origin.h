/* SPDX-License-Identifier: MIT */
/* What the end of the old server means to its ancestors: an init, a unit, a master, a supervisor.
 */
#ifndef RP_ORIGIN_H
#define RP_ORIGIN_H

#include "handover/unit.h"

/* Exits with 125 after a line that says why and what to do instead, if the old server
 *   - has a parent with the same listener and executable: it is a worker of that one;
 *   - is the init of its PID namespace, or a child with which its init ends, so that the kernel
 *     ends everything there (pid_namespaces(7));
 *   - is the main process of a systemd unit whose manager cannot be told (rp_unit_find).
 * With --to, a new server that is outside that namespace or unit does not end with it. forced lets
 * the latter two pass. Warns, or if the plan is strict exits, if it has another parent that may
 * start it again or end with it: not one that is also an ancestor of this process, nor the shell of
 * a terminal. Stores the unit. To be called before anything is changed; not async-signal-safe. */
void rp_origin_check(const struct rp_replacement *replacement, bool forced, struct rp_unit *unit);

#endif
