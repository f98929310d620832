/* SPDX-License-Identifier: MIT */
/* Messages to a service manager, as sd_notify(3) sends them. */
#ifndef RP_NOTIFY_H
#define RP_NOTIFY_H

/* Sends the text, such as "MAINPID=1", to the manager's socket, as NOTIFY_SOCKET names it: a path,
 * or @ and an abstract name (unix(7)). Then sends BARRIER=1 with a pipe's end, and waits until the
 * manager closes it, having read everything before it (sd_notify_barrier(3); managers that do not
 * know it close it as well). Waits for at most so many seconds; signals do not end the wait.
 * Returns 0 or an errno: ETIMEDOUT if the text was sent but not read, ENOENT and ECONNREFUSED if
 * nobody is there, EAFNOSUPPORT if the name is not of these two forms. Not async-signal-safe. */
int rp_notify(const char *name, const char *text, int seconds);

#endif
