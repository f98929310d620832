/* SPDX-License-Identifier: MIT */
/* Attaches a program to a group and detaches it, through one of its members (socket(7),
 * SO_ATTACH_REUSEPORT_CBPF), which requires no privilege; and lets members leave without losing a
 * SYN. Each function requires a process with one thread. None is async-signal-safe. */
#ifndef RP_GROUP_STEER_H
#define RP_GROUP_STEER_H

#include "inspect/sockets.h"

#include <linux/filter.h>

/* Attaches the program to the group of the sockets like that one, or with NULL detaches what is
 * attached, through the first of the sockets, with owners, that is in the group and can be
 * duplicated (pidfd_getfd(2)). Returns 0 or an errno: EPERM if none can be, or ENOSYS
 * before Linux 5.6; EINVAL if no second socket has ever joined a listener that got SO_REUSEPORT
 * after listen(2); EOPNOTSUPP for MPTCP. */
int rp_group_steer(const struct rp_socket *like, const struct rp_sockets *sockets,
                   const struct sock_fprog *program);

/* Attaches an eBPF program by its descriptor (SO_ATTACH_REUSEPORT_EBPF), as rp_group_steer() does
 * and with its result. */
int rp_group_attach(const struct rp_socket *like, const struct rp_sockets *sockets, int program);

/* Does what rp_group_steer() does, for TCP, by a visit: a socket of like's user joins the group and
 * leaves. Requires no right over any process, and works where the members are MPTCP's; only binding
 * a port below net.ipv4.ip_unprivileged_port_start requires the capability, as it does for any
 * socket.
 *
 * The visitor takes no connection: it drops what arrives (IP_MINTTL of 255; a SYN's client repeats
 * it a second later). If the group has a program, that sends it nothing; if it has none yet, or
 * with NULL, the kernel may pick the visitor for some microseconds. Returns 0 or an errno. */
int rp_group_visit(const struct rp_socket *like, const struct sock_fprog *program);

/* Detaches what is attached to the group, whoever did it, by a duplicate or else a visit.
 * Returns 0; ENOENT if nothing was attached; or an errno, for UDP as above. */
int rp_group_unsteer(const struct rp_socket *like, const struct rp_sockets *sockets);

/* Makes a listener invisible through the first owner that can be asked (SO_BINDTOIFINDEX, Linux
 * 5.0, set without privilege, taken back only with CAP_NET_RAW), right before it is closed. The
 * kernel takes a closing listener out of its group's array before it takes it out of the hash; a
 * look-up that starts at it in between would find no group and lose the SYN to it. An invisible
 * one stays in the array: the group must be steered away from it until it has left. Returns 0 or
 * an errno. */
int rp_group_hide(const struct rp_socket *socket);

#endif
