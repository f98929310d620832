/* Switching SO_REUSEPORT in a socket that other processes have. */
#ifndef RP_SHARE_H
#define RP_SHARE_H

#include "sockets.h"

/* Switches the option on or off by way of the first owner that lets us, and reads it back. *changed says
 * whether it stood otherwise before. Makes sure that it is the socket that was found: of its inode,
 * family, type and port. Returns 0, or an errno as pidfd_getfd(2) has it; EBADF if the socket is gone.
 * Keeps no descriptor. */
int rp_share_switch(const struct rp_socket *socket, bool wanted, bool *changed);

/* What that errno means here, and what to do about it; static. */
const char *rp_share_reason(int error);

#endif
