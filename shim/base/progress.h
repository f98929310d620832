/* SPDX-License-Identifier: MIT */
/* Progress of a long operation, on stderr. */
#ifndef RP_PROGRESS_H
#define RP_PROGRESS_H

#include <stdbool.h>

/* Shows the current step, format as in printf(3): on a terminal in one line that changes, elsewhere
 * in a line of its own. again: the same step with other numbers; shown on a terminal only. Not
 * async-signal-safe. */
void rp_step(bool again, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Clears the line on a terminal, at the end. Not async-signal-safe. */
void rp_steps_end(void);

/* The same before a message, which rp_warn (base/die.h) then writes. Not async-signal-safe. */
void rp_steps_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
