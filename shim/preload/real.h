/* SPDX-License-Identifier: MIT */
/* The socket and bind that the program would call without this library: the next ones that the
 * loader knows, or the system calls themselves where the loader cannot be asked. */
#ifndef RP_REAL_H
#define RP_REAL_H

#include <sys/socket.h>

/* Finds both, so that no later call has to take the loader's locks. */
void rp_real_resolve(void);

/* As socket(2) and bind(2), in result and errno. Async-signal-safe once resolved; until then as
 * safe as dlsym(3). */
int rp_real_socket(int domain, int type, int protocol);
int rp_real_bind(int fd, const struct sockaddr *address, socklen_t length);

#endif
