/* SPDX-License-Identifier: MIT */
/* The systemd unit whose main process the old server is: it would end with it, so its manager is
 * told of the new one first. */
#ifndef RP_UNIT_H
#define RP_UNIT_H

#include "handover/replacement.h"

enum { RP_UNIT_SIZE = 256 };

struct rp_unit {
    char name[RP_UNIT_SIZE]; /* "": it is not known to be a unit's main process */
    char *manager;           /* the socket at which the unit's manager listens to this process, as
                                NOTIFY_SOCKET names it; NULL: it does not */
};

/* Whether the process is a manager of units: it is in a control group named init.scope, which
 * systemd makes for itself (systemd.special(7)). */
bool rp_unit_is_manager(pid_t pid);

/* Finds the unit whose main process has that PID: the one that MAINPID names if this process was
 * started by the unit (systemd.exec(5)), else the oldest of the manager's children in the unit's
 * control group. NOTIFY_SOCKET counts only if this process is in that unit, too. Then removes
 * MAINPID, and NOTIFY_SOCKET unless it counts, from the environment, so that COMMAND does not take
 * them for its own. Exits with 125 if memory runs out. */
void rp_unit_find(pid_t pid, struct rp_unit *unit);

/* Tells the unit's manager that the new server is the main process, and waits until it has read
 * that; does nothing if there is no unit or no manager to tell. If it cannot, tells it that the old
 * one is, and undoes. To be called right before the old server is signalled. Returns 0 or 125. */
int rp_unit_hand_on(const struct rp_unit *unit, struct rp_replacement *replacement);

#endif
