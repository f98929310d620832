/* SPDX-License-Identifier: MIT */
/* The systemd unit whose main process the old server is: it would end with it, so its manager is
 * told of the new one first. None of these functions is async-signal-safe. */
#ifndef RP_UNIT_H
#define RP_UNIT_H

#include "handover/replacement.h"

enum { RP_UNIT_SIZE = 256 };

struct rp_unit {
    char name[RP_UNIT_SIZE]; /* "": it is not known to be a unit's main process */
    bool is_ours;            /* its manager listens to this process, which is in the unit, too */
    int channel;             /* to the control process; -1: there is none */
};

/* Whether the process is a manager of units: it is in a control group named init.scope, which
 * systemd makes for itself (systemd.special(7)). */
bool rp_unit_is_manager(pid_t pid);

/* Finds the unit whose main process has that PID: the one that MAINPID names if this process was
 * started by the unit (systemd.exec(5)), else the oldest of the manager's children in the unit's
 * control group. NOTIFY_SOCKET counts only if this process is in that unit, too. Removes MAINPID,
 * and NOTIFY_SOCKET unless it counts, from the environment, so that COMMAND does not take them for
 * its own. */
void rp_unit_find(pid_t pid, struct rp_unit *unit);

/* If the unit is ours, leaves this process behind as its control process (rp_control_split), and
 * sets WATCHDOG_USEC for COMMAND as it was for the old main process (sd_watchdog_enabled(3)). To be
 * called before anything is changed. */
void rp_unit_prepare(struct rp_unit *unit, pid_t old);

/* Tells the unit's manager that the new server is the main process, and waits until it has read
 * that, at most 5 seconds; does nothing without a control process. If that fails, names the old one
 * again, and undoes. To be called right before the old server is signalled. Returns 0, or 125 after
 * rp_undo. */
int rp_unit_hand_on(const struct rp_unit *unit, struct rp_replacement *replacement);

#endif
