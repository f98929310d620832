/* SPDX-License-Identifier: MIT */
/* One-line messages of the command on stderr, and its own exit statuses. */
#ifndef RP_DIE_H
#define RP_DIE_H

/* As env(1), timeout(1) and stdbuf(1) have them. */
enum { RP_FAILED = 125, RP_CANNOT_RUN = 126, RP_NOT_FOUND = 127 };

/* Replaces control characters, which would break a line or steer a terminal, by '?'. Returns text.
 * Async-signal-safe. */
char *rp_make_plain(char *text);

/* Writes "reuseport: ", the text, made plain, and a newline to stderr in one write(2); format as in
 * printf(3). Text beyond 4 KiB is cut off. Not async-signal-safe. */
void rp_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, then exits with RP_FAILED. */
void rp_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
