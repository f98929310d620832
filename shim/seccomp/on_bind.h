/* SPDX-License-Identifier: MIT */
/* A notified bind(2). */
#ifndef RP_ON_BIND_H
#define RP_ON_BIND_H

#include "seccomp/notification.h"

/* Does to the socket what the library does before the real bind: reads the address, matches it
 * against the list, takes a duplicate of the socket, and sets the option. The call itself then goes
 * on. Where a trial (inspect/trial.h) says that it is going to be refused, explains why and leaves
 * the socket as it was. Whoever takes or frees the port between trial and bind makes that wrong:
 * the option is left on after a refused bind, or off after a successful one. */
void rp_on_bind(struct rp_notification *notification);

#endif
