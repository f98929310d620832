/* SPDX-License-Identifier: MIT */
/* reuseport adopt --unsteer: detaches the BPF programs that distribute a port's connections. */
#ifndef RP_UNSTEER_H
#define RP_UNSTEER_H

#include "inspect/sockets.h"

#include <stdbool.h>

/* Detaches the program from each of the port's groups, whoever attached it, and prints a line for
 * each group. text: the port as it was given. Returns whether none is steered now. Exits with 125
 * if nothing holds the port. Not async-signal-safe. */
bool rp_unsteer(struct rp_wanted wanted, const char *text);

#endif
