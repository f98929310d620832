/* Sockets as another user would make them, to hand over or to see whether they could be bound. */
#ifndef RP_TRIAL_H
#define RP_TRIAL_H

#include "inspect/sockets.h"

#include <sys/socket.h>

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62 /* Linux 5.0 */
#endif

/* Whether a TCP socket of the same user as like, with SO_REUSEPORT and, if so wanted, SO_REUSEADDR,
 * would find its address in use (bind(2), EADDRINUSE). False also where that cannot be tried. Acts
 * as that user meanwhile (setfsuid(2)), so the process is to have one thread; may change errno. */
bool rp_trial_in_use(const struct rp_socket *like, bool reuseaddr);

/* A socket as socket(2) makes it, close-on-exec, that belongs to that user. Returns -1 and errno,
 * EPERM if this process may not act as the user. */
int rp_socket_of_user(uid_t user, int domain, int type, int protocol);

#endif
