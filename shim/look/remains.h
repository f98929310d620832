/* SPDX-License-Identifier: MIT */
/* Who keeps the old server's sockets open once it has ended: a parent that started it with them, or
 * systemd for a socket unit. Not async-signal-safe. */
#ifndef RP_REMAINS_H
#define RP_REMAINS_H

#include "look/look.h"

enum { RP_HOLDERS_MAX = 4, RP_REMAINS_TEXT = 512 };

struct rp_remains {
    struct rp_process holders[RP_HOLDERS_MAX]; /* of neither server */
    unsigned count;                            /* 0: this process may not see them */
};

/* Whether sockets of held still exist though no process of the old server has them. Call it once
 * PID itself has ended (rp_old_has_ended). Also false as long as that is unknown: only the second
 * look that finds a socket without an owner searches all processes for one, and while a process of
 * the old server lives, a socket of no visible process may be its. Reads /proc. */
bool rp_remains_find(const struct rp_look *look, const struct rp_servers *servers,
                     const struct rp_sockets *held, struct rp_remains *remains);

/* Names the holders, such as "pid 1 (systemd)". Returns text. */
const char *rp_remains_text(const struct rp_remains *remains, char text[RP_REMAINS_TEXT]);

#endif
