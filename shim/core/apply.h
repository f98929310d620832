/* SPDX-License-Identifier: MIT */
/* The options of a socket that is about to be bound: set by the library in bind(), by the watcher
 * from outside. All of it is async-signal-safe and may change errno. */
#ifndef RP_APPLY_H
#define RP_APPLY_H

#include "core/config.h"

/* The system call that kept SO_REUSEPORT from a socket, or NULL, and its errno. */
struct rp_failure {
    const char *call;
    int error;
};

/* Options changed on a socket, restored if bind fails. */
struct rp_change {
    enum rp_verdict verdict;   /* RP_SHARE also if the list says so of one protocol alone, and the
                                  socket's could not be asked for */
    bool reuseport, reuseaddr; /* whether the option was changed */
    struct rp_failure failure;
};

enum { RP_IPV4_SIZE = 16, RP_IPV6_SIZE = 24 };

/* Bytes to read of an address of that length given to bind(2): one of the two sizes, or 0 if no
 * inet socket can be bound to it. */
unsigned rp_endpoint_size(unsigned length);

/* Takes the address apart: bytes, of that size. Returns false if no inet socket can be bound to
 * it. */
bool rp_endpoint_read(const unsigned char *bytes, unsigned size, struct rp_endpoint *where);

/* The protocol by the socket's type (socket(7), SO_TYPE), or 0 if it is neither or hidden. */
enum rp_proto rp_ask_proto(int fd);

/* Whether the socket has SO_REUSEPORT. */
bool rp_is_shared(int fd);

/* Sets the options as the list says for a socket that is to be bound there. known: the socket is
 * known to be TCP or UDP. */
struct rp_change rp_apply(const struct rp_config *config, int fd, const struct rp_endpoint *where,
                          bool known);

/* Restores the options. */
void rp_unapply(int fd, const struct rp_change *change);

/* Writes the line of log level info: whether the socket shares; where is NULL at socket(2). */
RP_RARE void rp_tell(int fd, const struct rp_endpoint *where);

#endif
