/* SPDX-License-Identifier: MIT */
/* Keeps a supervisor apart from strangers: children that this process had before it executed
 * reuseport, as a start script has, and those that PID 1 of a container adopts. */
#ifndef RP_APART_H
#define RP_APART_H

#include <stdbool.h>

/* Whether this process has, or may be given, children that it did not start (waitid(2),
 * pid_namespaces(7)). */
bool rp_has_strangers(void);

/* Forks: returns true in the child, which has a process group of its own, dies with its parent, and
 * is never given a child that does not descend from it, once it is a subreaper. The parent stays
 * behind as the process that others know: it passes signals on to the child, reaps, and returns
 * false when nothing of the child is left that has not executed another program, with *status the
 * child's exit status. A service manager listens to its main process, so the parent also sends
 * `manager`, a NOTIFY_SOCKET or NULL, each text that the child sends on *relay, a nonblocking
 * socket: send(2) fails with EAGAIN while too many wait. To be called after rp_signals_block().
 * Exits with 125 if there is no memory or process to be had. Not async-signal-safe. */
bool rp_go_apart(const char *manager, int *relay, int *status);

#endif
