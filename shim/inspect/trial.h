/* SPDX-License-Identifier: MIT */
/* Sockets created as another user, to hand over or to try a bind. Each function requires a process
 * with one thread, as it acts as that user meanwhile (setfsuid(2)). */
#ifndef RP_TRIAL_H
#define RP_TRIAL_H

#include "inspect/sockets.h"

#include <sys/socket.h>

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62 /* Linux 5.0 */
#endif

/* The number of an interface that no machine has: the kernel counts up from 1. No packet finds a
 * socket that is bound to it. */
enum { RP_NOWHERE = INT32_MAX };

/* The socket whose bind is tried. SO_REUSEPORT is set for the trial. */
struct rp_trial {
    enum rp_proto proto;
    bool ipv6, ipv6_only; /* IPV6_V6ONLY */
    bool reuseaddr;       /* SO_REUSEADDR */
    bool freebind;        /* IP_FREEBIND or IP_TRANSPARENT: the address need not exist */
    struct rp_endpoint where;
    int interface; /* SO_BINDTOIFINDEX, or 0 */
    uid_t user;
    gid_t group;
};

/* The errno of such a bind(2), tried by a socket that is then closed: 0, EADDRINUSE, EADDRNOTAVAIL;
 * any other may be a failure of the trial alone.
 *
 * The trial receives nothing. For TCP it does not listen. For UDP it is bound to an interface that
 * does not exist: the kernel counts it as in the way of sockets that are bound to no interface, and
 * finds it for no datagram. So UDP sockets bound to an interface are overlooked. The kernel refuses
 * IPv6 addresses on such an interface; there "::" is tried, and the address itself only if the port
 * is not free on another one: then, for some microseconds, a datagram may be lost.
 *
 * Meanwhile the port is taken for those who do not share it, as by any bind. */
int rp_trial_bind(const struct rp_trial *trial);

/* The trial of a socket like that one, of its user and this process's group. */
struct rp_trial rp_trial_like(const struct rp_socket *like);

/* Sets the trial's options on fd, a fresh socket of its family and type, and binds it. Returns 0 or
 * the errno of bind(2). */
int rp_trial_bind_fd(int fd, const struct rp_trial *trial);

/* Whether binding a TCP socket of like's user to like's address would fail with EADDRINUSE, given
 * SO_REUSEPORT and, if reuseaddr, SO_REUSEADDR. False if that cannot be tried. */
bool rp_trial_in_use(const struct rp_socket *like, bool reuseaddr);

/* Creates a socket that belongs to that user and group (socket(2)), close-on-exec. Returns -1 and
 * errno; EPERM if this process may not act as them. */
int rp_socket_of_user(uid_t user, gid_t group, int domain, int type, int protocol);

#endif
