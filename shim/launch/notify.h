/* SPDX-License-Identifier: MIT */
/* The socket on which a copy says that it is ready, as it would to systemd (sd_notify(3)). Only
 * READY=1 of the copy's own processes is believed; nothing is passed on. */
#ifndef RP_NOTIFY_H
#define RP_NOTIFY_H

#include "inspect/tree.h"

enum { RP_NOTIFY_NAME = 48 };

struct rp_notify {
    int fd;
    char name[RP_NOTIFY_NAME]; /* for NOTIFY_SOCKET */
    bool ready;
    bool told; /* of a READY=1 that was not believed */
};

/* Opens a datagram socket with a name of its own in the abstract namespace (unix(7)), which every
 * user can reach, whatever the copy's directories are. The name is random, so that no later socket
 * of others comes by it. Returns 0 or an errno. Not async-signal-safe, like the others. */
int rp_notify_open(struct rp_notify *notify);

/* Reads what has arrived, at most 64 datagrams, and sets ready if one of them is READY=1 of a
 * process of the tree other than its root: by the sender's PID (SCM_CREDENTIALS), if that process
 * is no younger than the message. One that has ended, and been reaped, cannot be told from others.
 * Descriptors that come along are closed by the kernel, which answers BARRIER=1; for that not to
 * take long, uses ALRM and the timer of setitimer(2) meanwhile. Says once on stderr whose READY=1
 * was ignored. Returns whether anything had arrived. Grows the tree; exits with 125 if memory runs
 * out. */
bool rp_notify_read(struct rp_notify *notify, struct rp_tree *tree);

/* Closes the socket. */
void rp_notify_close(struct rp_notify *notify);

#endif
