/* Switching SO_REUSEPORT in a socket that other processes have. */
#ifndef RP_OPTION_H
#define RP_OPTION_H

#include "inspect/sockets.h"

/* Switches the option on or off by way of the first owner that lets us, and reads it back. *changed
 * says whether it stood otherwise before. Makes sure that it is the socket that was found: of its
 * inode, family, type and port. Returns 0, or an errno as pidfd_getfd(2) has it; EBADF if the
 * socket is gone. Keeps no descriptor. */
int rp_option_switch(const struct rp_socket *socket, bool wanted, bool *changed);

/* What that errno means here, and what to do about it; static. */
const char *rp_option_reason(int error);

#endif
