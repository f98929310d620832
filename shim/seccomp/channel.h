/* SPDX-License-Identifier: MIT */
/* Bytes and descriptors over a socket, between the process that becomes COMMAND and its guard. */
#ifndef RP_CHANNEL_H
#define RP_CHANNEL_H

#include <stdbool.h>

/* Sends one byte, and with it a descriptor unless that is negative (unix(7), SCM_RIGHTS). Returns
 * false if the other side has gone. Async-signal-safe. */
bool rp_channel_send(int socket, unsigned char byte, int fd);

/* Receives one byte, and with it a descriptor, close-on-exec, into *fd unless fd is NULL; *fd stays
 * as it is if none came. Returns -1 if the other side has gone. Async-signal-safe. */
int rp_channel_receive(int socket, int *fd);

#endif
