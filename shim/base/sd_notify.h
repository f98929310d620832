/* SPDX-License-Identifier: MIT */
/* Messages to a service manager, as sd_notify(3) sends them. */
#ifndef RP_SD_NOTIFY_H
#define RP_SD_NOTIFY_H

#include <stdbool.h>

/* They return 0 or an errno: ETIMEDOUT after so many seconds, ENOENT and ECONNREFUSED if nobody is
 * there, EAFNOSUPPORT if the name is not of the two forms. Signals do not end them. Not
 * async-signal-safe. */

/* Sends the text, such as "MAINPID=1", to the manager's socket, as NOTIFY_SOCKET names it: a path,
 * or @ and an abstract name (unix(7)). Waits until there is room for it; with 0 seconds not at
 * all. */
int rp_notify(const char *name, const char *text, int seconds);

/* The same without waiting. Returns whether it was sent, or never can be: then *told becomes true,
 * after a line on stderr that says why unless it was so before. */
bool rp_notify_now(const char *name, const char *text, bool *told);

/* Waits until the manager has read everything that was sent before: sends BARRIER=1 with a pipe's
 * end, and waits until the manager closes that (sd_notify_barrier(3)); one that does not know
 * BARRIER closes it, too. */
int rp_notify_barrier(const char *name, int seconds);

#endif
