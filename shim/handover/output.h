/* SPDX-License-Identifier: MIT */
/* The new server's standard output and error, which outlive this command. */
#ifndef RP_OUTPUT_H
#define RP_OUTPUT_H

/* Opens a file to append to, or creates it with mode 0600. Does not follow a symbolic link, nor
 * wait for the reader of a FIFO. Returns a descriptor above 2, close-on-exec, or -1 and errno
 * (open(2)): ELOOP for a symbolic link, ENXIO for a FIFO that nobody reads. Async-signal-safe. */
int rp_output_open(const char *file);

/* Whether that would succeed, as far as it is known without creating the file: returns 0 or an
 * errno. Not async-signal-safe. */
int rp_output_try(const char *file);

/* Makes it the standard output and error of this process, across execve(2). Returns 0 or an errno
 * of dup2(2). Async-signal-safe. */
int rp_output_use(int output);

/* Says in a line if standard output or error is a pipe, whose reader would wait for the new server
 * to end. Not async-signal-safe. */
void rp_output_warn(void);

#endif
