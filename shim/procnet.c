/* Lines and sockets by raw system calls: libc's read is a cancellation point, and other preloads
 * intercept it. */
#include "procnet.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool rp_lines_open(struct rp_lines *lines, const char *path, size_t budget) {
    lines->fd =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    lines->budget = budget;
    lines->start = lines->end = 0;
    return lines->fd >= 0;
}

/* Moves what is left to the front and reads behind it. */
static bool refill(struct rp_lines *lines) {
    lines->end -= lines->start;
    memmove(lines->buffer, lines->buffer + lines->start, lines->end);
    lines->start = 0;
    const size_t room = sizeof(lines->buffer) - lines->end;
    const long got = syscall(SYS_read, lines->fd, lines->buffer + lines->end,
                             room < lines->budget ? room : lines->budget);
    lines->end += got > 0 ? (size_t)got : 0;
    lines->budget -= got > 0 ? (size_t)got : 0;
    return got > 0;
}

char *rp_lines_next(struct rp_lines *lines) {
    do {
        char *line = lines->buffer + lines->start;
        char *newline = memchr(line, '\n', lines->end - lines->start);
        if (newline) {
            *newline = '\0';
            lines->start = (size_t)(newline + 1 - lines->buffer);
            return line;
        }
    } while (refill(lines));
    return NULL;
}

void rp_lines_close(struct rp_lines *lines) {
    syscall(SYS_close, lines->fd);
}

uint32_t rp_number(const char *text, unsigned base, int digits) {
    uint32_t value = 0;
    for (; digits; digits--, text++) {
        const bool decimal = *text >= '0' && *text <= '9';
        if (!decimal && (base == 10 || *text < 'A' || *text > 'F')) break;
        value = value * base + (uint32_t)(decimal ? *text - '0' : *text - 'A' + 10);
    }
    return value;
}

/* The address in words of 32 bits, each printed as a number of this machine; behind it the port. */
static void read_endpoint(const char *const fields[2], bool ipv6, struct rp_endpoint *endpoint) {
    uint32_t words[4];
    for (int i = 0; i < 4; i++) words[i] = rp_number(fields[0] + (ipv6 ? 8 * i : 0), 16, 8);
    memcpy(&endpoint->address, words, sizeof(endpoint->address));
    if (!ipv6) rp_map_ipv4(&endpoint->address, words);
    endpoint->port = (uint16_t)rp_number(fields[1], 16, 4);
}

bool rp_procnet_next(struct rp_lines *lines, struct rp_net_socket *socket) {
    enum { LOCAL = 1, REMOTE = 3, STATE = 5, QUEUE = 7, UID = 11, INODE = 13, FIELDS };
    const char *at = rp_lines_next(lines), *fields[FIELDS];
    if (at && strstr(at, "local_address")) at = rp_lines_next(lines);
    for (int i = 0; at && i < FIELDS; i++) {
        at += strspn(at, " :");
        fields[i] = at;
        at += strcspn(at, " :");
    }
    if (!at || fields[REMOTE] < fields[LOCAL] + 14) return false;
    const bool ipv6 = fields[REMOTE] >= fields[LOCAL] + 38;
    read_endpoint(&fields[LOCAL], ipv6, &socket->local);
    read_endpoint(&fields[REMOTE], ipv6, &socket->remote);
    socket->state = rp_number(fields[STATE], 16, 2);
    socket->queue = rp_number(fields[QUEUE], 16, 8);
    socket->uid = rp_number(fields[UID], 10, 10);
    socket->inode = rp_number(fields[INODE], 10, 10);
    return true;
}
