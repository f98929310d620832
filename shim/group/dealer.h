/* SPDX-License-Identifier: MIT */
/* Deals a group's connections to the member with the shortest queue, in turn where queues are even:
 * by an eBPF program (bpf(2), BPF_PROG_TYPE_SK_REUSEPORT) over a map of sockets, so that no
 * member's number has to be known. None of these functions is async-signal-safe. */
#ifndef RP_DEALER_H
#define RP_DEALER_H

#include "inspect/sockets.h"

enum { RP_DEALER_SEATS = 255, RP_DEALER_TIME = 1 /* seconds */ };

struct rp_dealer;

struct rp_player {
    uint32_t inode;
    long queue; /* connections that waited at the last look */
};

/* Creates the maps: descriptors that are closed on exec, and pinned nowhere. Returns NULL and
 * errno: EPERM without CAP_BPF and CAP_NET_ADMIN (capabilities(7)), or where a seccomp filter kills
 * callers of bpf(2); EINVAL before Linux 5.11, or
 * ENOSYS; EOPNOTSUPP in a time namespace, as programs have the clock of the first
 * (time_namespaces(7)). Exits with 125 if memory runs out. */
struct rp_dealer *rp_dealer_open(void);

/* Seats each of those TCP sockets, which have owners, and frees the seats of others. Returns 0 or
 * an errno: EPERM if no owner's descriptor can be duplicated, EBUSY if the socket is in somebody's
 * map already, ENOSPC. A socket that is closed leaves the map by itself. */
int rp_dealer_seat(struct rp_dealer *dealer, const struct rp_sockets *sockets);

/* To be called right after a look at the queues. */
void rp_dealer_look(struct rp_dealer *dealer);

/* Deals to those players alone, as far as they are seated: each connection to the shortest queue,
 * where what has been dealt since the last look counts, and in turn where queues are even. Without
 * a seated player nothing changes. */
void rp_dealer_choose(struct rp_dealer *dealer, const struct rp_player *players, size_t count);

/* Deals for RP_DEALER_TIME from now. After that, and for a connection whose turn comes to a socket
 * that has been closed, the kernel's hash chooses among all members. */
void rp_dealer_renew(struct rp_dealer *dealer);

/* How many connections have been dealt. */
uint32_t rp_dealer_dealt(const struct rp_dealer *dealer);

/* Attaches the program to the group of the sockets like that one, as rp_group_steer() does and with
 * its result, or that of bpf(2). Keeps no descriptor of it: the group alone has it. */
int rp_dealer_attach(const struct rp_dealer *dealer, const struct rp_socket *like,
                     const struct rp_sockets *sockets);

/* Does not detach the program. NULL is ignored. */
void rp_dealer_close(struct rp_dealer *dealer);

#endif
