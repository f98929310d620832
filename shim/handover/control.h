/* SPDX-License-Identifier: MIT */
/* systemd's control process, which ExecReload= starts: systemd believes it even under
 * NotifyAccess=exec. It is not the new server's parent, so that systemd can become that. */
#ifndef RP_CONTROL_H
#define RP_CONTROL_H

#include <sys/types.h>

/* Forks, and returns in the child, which is to start the new server and do everything else. The
 * parent stays as the control process: tells the manager what the child asks for, passes INT, TERM
 * and HUP on, and exits with the child's status. Before that it names the new main process again,
 * which became systemd's child when that child ended: for a main process that is not its own child,
 * systemd does not wait, but sends KILL right after TERM. manager: its socket, as NOTIFY_SOCKET
 * names it; old: the old main process. Returns the channel for rp_control_tell; exits with 125 if
 * it cannot fork. Not async-signal-safe. */
int rp_control_split(const char *manager, pid_t old);

/* Has the control process tell the manager that this is the main process (MAINPID= of
 * sd_notify(3)), and unless it is the old one, wait until that has been read, at most 5 seconds.
 * Returns 0 or an errno: those of rp_notify, or EPIPE if the control process has ended. Not
 * async-signal-safe. */
int rp_control_tell(int channel, pid_t pid);

#endif
