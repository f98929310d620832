/* SPDX-License-Identifier: MIT */
/* A notified socket(2). */
#ifndef RP_ON_SOCKET_H
#define RP_ON_SOCKET_H

#include "seccomp/notification.h"

/* Makes the socket in the program's place, with the option set, and answers the call with it.
 * Returns false if that cannot be done and the call is still to go on: also where the socket would
 * differ from the program's own in its user, group, namespaces, cgroup or security label. */
bool rp_on_socket(struct rp_notification *notification);

#endif
