/* What is done to a socket that is about to be bound, by the library in bind and by the watcher from outside
 * alike. All of it is async-signal-safe and may change errno. */
#ifndef RP_APPLY_H
#define RP_APPLY_H

#include "core/config.h"

/* What was done to a socket, to be undone if the bind fails. */
struct rp_change {
    enum rp_verdict verdict;
    bool reuseport, reuseaddr; /* whether the option stood otherwise before */
};

enum { RP_IPV4_SIZE = 16, RP_IPV6_SIZE = 24 };

/* How much of an address of that length, as given to bind(2), is to be read: 0 if no inet socket can be bound
 * to it, else one of the two sizes. */
unsigned rp_endpoint_size(unsigned length);

/* Takes the address apart: bytes, of that size. Returns false if no inet socket can be bound to it. */
bool rp_endpoint_read(const unsigned char *bytes, unsigned size, struct rp_endpoint *where);

/* The socket's protocol by its type (socket(7), SO_TYPE), or 0 if it is neither. */
enum rp_proto rp_ask_proto(int fd);

/* Whether the socket has SO_REUSEPORT. */
bool rp_is_shared(int fd);

/* Does what the list says of a socket that is to be bound there. known: it is known to be TCP or UDP. */
struct rp_change rp_apply(const struct rp_config *config, int fd, const struct rp_endpoint *where,
                          bool known);

/* Puts the options back as they were. */
void rp_unapply(int fd, const struct rp_change *change);

/* Writes the line of log level info: what became of the socket; where is NULL at socket(2). */
void rp_tell(int fd, const struct rp_endpoint *where);

#endif
