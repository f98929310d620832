/* Which members of a group of sockets get what arrives: a classic BPF program on the group (socket(7),
 * SO_ATTACH_REUSEPORT_CBPF; no privilege is needed). */
#ifndef RP_STEER_H
#define RP_STEER_H

#include <stdbool.h>

/* Sends new connections (or datagrams) to members first ... first+count-1 of the group that fd belongs
 * to, at random. Members are numbered as they joined; past the last one the kernel falls back to its
 * hash. Returns 0 or an errno. */
int rp_steer(int fd, unsigned first, unsigned count);

/* Leaves it to the kernel's hash again. Returns 0 or an errno; 0 also if nothing was attached. */
int rp_steer_no_more(int fd);

#endif
