/* What a long operation says of itself while it goes on. */
#ifndef RP_PROGRESS_H
#define RP_PROGRESS_H

#include <stdbool.h>

/* Where things stand, in printf(3)'s formats: on a terminal one line that changes, elsewhere a line
 * for each step. again: the same step as before, in which only numbers changed; shown on a terminal
 * alone. */
void rp_step(bool again, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Clears the line on a terminal, for a message or for the end. */
void rp_steps_end(void);

#endif
