/* SPDX-License-Identifier: MIT */
/* Sockets created as another user, to hand over or to try a bind. */
#ifndef RP_TRIAL_H
#define RP_TRIAL_H

#include "inspect/sockets.h"

#include <sys/socket.h>

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62 /* Linux 5.0 */
#endif

/* Whether binding a TCP socket of like's user to like's address would fail with EADDRINUSE
 * (bind(2)), given SO_REUSEPORT and, if reuseaddr, SO_REUSEADDR. False if that cannot be tried.
 * Requires a process with one thread, as it acts as that user meanwhile (setfsuid(2)); may change
 * errno. */
bool rp_trial_in_use(const struct rp_socket *like, bool reuseaddr);

/* Creates a socket that belongs to that user (socket(2)), close-on-exec. Returns -1 and errno;
 * EPERM if this process may not act as the user. */
int rp_socket_of_user(uid_t user, int domain, int type, int protocol);

#endif
