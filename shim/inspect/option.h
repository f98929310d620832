/* SPDX-License-Identifier: MIT */
/* Switching SO_REUSEPORT on or off in another process's socket. */
#ifndef RP_OPTION_H
#define RP_OPTION_H

#include "inspect/sockets.h"

/* Switches the option through the first owner that permits it, and reads it back. Makes sure of the
 * socket's inode, family, type and port. *changed: whether it was set differently before. Returns 0
 * or an errno as of pidfd_getfd(2); EBADF if the socket is gone. Keeps no descriptor. */
int rp_option_switch(const struct rp_socket *socket, bool wanted, bool *changed);

/* Reads the option through the first owner that permits it. Returns 0 or an errno as above; then
 * *on is false. Not async-signal-safe. */
int rp_option_read(const struct rp_socket *socket, bool *on);

/* Explains that errno, as it is for this process, and says what to do about it. Valid until the
 * next call; not async-signal-safe. */
const char *rp_option_reason(int error);

/* Explains why this process sees no owner of a socket, and what to do to have the subcommand work.
 * Otherwise the same. */
const char *rp_no_owner_reason(const char *subcommand);

#endif
