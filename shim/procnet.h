/* Files of the kernel and of /etc read line by line, without stdio or allocation, and the sockets that
 * /proc/net shows (proc_net_tcp(5)). All of it is async-signal-safe and may change errno. */
#ifndef RP_PROCNET_H
#define RP_PROCNET_H

#include "ports.h"

#include <stddef.h>

enum { RP_LISTEN = 10 }; /* the kernel's TCP_LISTEN */

struct rp_lines {
    int fd;
    size_t budget, start, end;
    char buffer[1024];
};

struct rp_net_socket {
    struct rp_endpoint local, remote;
    unsigned state;
    uint32_t uid;
    uint32_t queue; /* of a listener: connections waiting to be accepted */
    uint32_t inode; /* 0: no process has it, as in TIME_WAIT */
};

/* Opens path to read at most budget bytes of it; false if it cannot (open(2)). */
bool rp_lines_open(struct rp_lines *lines, const char *path, size_t budget);

/* The next line without its newline, good until the next call. NULL at the end, once the budget is
 * spent, or at a line that exceeds the buffer. */
char *rp_lines_next(struct rp_lines *lines);
void rp_lines_close(struct rp_lines *lines);

/* The number that text starts with, of so many digits at the most, base 10 or 16 in capitals. */
uint32_t rp_number(const char *text, unsigned base, int digits);

/* The next socket in /proc/net/tcp, tcp6, udp or udp6; false after the last. */
bool rp_procnet_next(struct rp_lines *lines, struct rp_net_socket *socket);

#endif
