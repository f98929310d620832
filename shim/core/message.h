/* SPDX-License-Identifier: MIT */
/* One-line messages to stderr: built on the stack, sent with one write(2), and only while stderr
 * can take them without harm to the program. All of it is async-signal-safe, and sending keeps
 * errno. */
#ifndef RP_MESSAGE_H
#define RP_MESSAGE_H

#include "core/ports.h"
#include "core/rare.h"

struct rp_message {
    unsigned length;
    char text[400];
};

/* An empty one. Sending fills in the prefix, "libreuseport: ". */
enum { RP_PREFIX_SIZE = 14 };
#define RP_MESSAGE ((struct rp_message){.length = RP_PREFIX_SIZE})

/* Remembers which file descriptor 2 is. Nothing is sent before that, nor once it is another file.
 * May change errno. Only one thread may call it. */
void rp_message_init(void);

/* Append; what does not fit is left out. An endpoint reads as in REUSEPORT_PORTS:
 * "0.0.0.0:80/tcp", without a protocol if that is 0. */
RP_RARE void rp_say(struct rp_message *message, const char *text);
RP_RARE void rp_say_number(struct rp_message *message, uint32_t number);
RP_RARE void rp_say_endpoint(struct rp_message *message, const struct rp_endpoint *where,
                             enum rp_proto);

/* Appends the first 48 bytes of a text; other than printable ASCII becomes \xHH. */
RP_RARE void rp_say_escaped(struct rp_message *message, const char *text);

/* Whether a message would be written: stderr is the file it was at load and, as poll(2) says, not
 * full. May change errno. */
RP_RARE bool rp_may_send(void);

/* Writes the message and a newline if it may. Does not block on a pipe (pipe(7); a stopped terminal
 * may block it), raises neither SIGPIPE nor SIGTTOU. */
RP_RARE void rp_send(struct rp_message *message);

#endif
