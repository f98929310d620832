/* One-line messages to stderr: built on the stack, sent with one write(2), and only while stderr can
 * take them without harm to the program. All of it is async-signal-safe, and sending keeps errno. */
#ifndef RP_MESSAGE_H
#define RP_MESSAGE_H

#include "ports.h"

struct rp_message {
    unsigned length;
    char text[400];
};
#define RP_MESSAGE                                                                                 \
    { .length = 14, .text = "libreuseport: " }

/* Remembers which file descriptor 2 is, and may change errno; until then, and once it is another, nothing is sent. */
void rp_message_init(void);

/* Append; what does not fit is left out. An endpoint reads as in REUSEPORT_PORTS: "0.0.0.0:80/tcp". */
void rp_say(struct rp_message *message, const char *text);
void rp_say_number(struct rp_message *message, uint32_t number);
void rp_say_endpoint(struct rp_message *message, const struct rp_endpoint *where, enum rp_proto);

/* Appends text in double quotes, its first 48 bytes; other than printable ASCII becomes \xHH. */
void rp_say_quoted(struct rp_message *message, const char *text);

/* Writes the message and a newline, unless stderr is full, closed or no longer the file it was at
 * load. Never blocks, never raises SIGPIPE (poll(2), pipe(7)). */
void rp_send(struct rp_message *message);

#endif
