/* SPDX-License-Identifier: MIT */
/* inspect/sockets without sock_diag: what is read of the tables in /proc/net, which are this test's
 * here, in a mount namespace of its own. Prints what is not as it should be, and how many checks
 * were made. */
#include "check.h"
#include "core/procnet.h"
#include "inspect/sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ESTABLISHED = 1, SYN_RECV = 3, CLOSE = 7, PORT = 0x1f90 };

static const struct row {
    unsigned state, queue, timeouts, inode;
    bool repeated;
} rows[] = {
    {RP_LISTEN, 3, 0, 11, false}, {RP_LISTEN, 0, 2, 12, false},   {SYN_RECV, 0, 0, 13, false},
    {SYN_RECV, 0, 1, 14, true},   {ESTABLISHED, 5, 0, 15, false}, {ESTABLISHED, 0, 4, 16, false},
};

/* Instead of libc's: a kernel without sock_diag. */
int socket(int domain, int type, int protocol) {
    if (domain != AF_NETLINK) return (int)syscall(SYS_socket, domain, type, protocol);
    errno = EPROTONOSUPPORT;
    return -1;
}

/* Writes a table of the rows and of one more on another port. */
static void write_table(FILE *file) {
    static const char head[] = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
                               "retrnsmt   uid  timeout inode\n";
    static const char format[] = "%4zu: 0100007F:%04X 0200007F:%04X %02X 00000000:%08X 00:00000000 "
                                 "%08X  1000        0 %u 1 0 100 0 0 10 0\n";
    fputs(head, file);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        fprintf(file, format, i, PORT, 0, rows[i].state, rows[i].queue, rows[i].timeouts,
                rows[i].inode);
    fprintf(file, format, (size_t)9, PORT + 1, 0, RP_LISTEN, 0, 0, 99U);
}

/* The kernel detaches what is mounted over a table, but not what is over their directory. */
static void mount_tables(const char *directory) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/tcp", directory);
    FILE *file = fopen(path, "we");
    if (!file) exit(2);
    write_table(file);
    fclose(file);
    check(!mount(directory, "/proc/self/net", NULL, MS_BIND, NULL), "mounting the tables");
}

static void check_socket(const struct rp_socket *socket, const struct row *row) {
    const bool listens = row->state == RP_LISTEN;
    check(socket->proto == RP_TCP && !socket->ipv6 && socket->uid == 1000, "what it is");
    check(socket->local.port == PORT && socket->inode == row->inode, "which it is");
    check(socket->state == row->state, "its state");
    check(socket->repeated == row->repeated, "whether its SYN-ACK was sent again");
    check(socket->queue == (listens ? (long)row->queue : -1) && socket->limit == -1, "its queue");
}

/* The wanted ones are found, in the order of the table, and no others. */
static void check_states(unsigned states) {
    struct rp_sockets found = {NULL, 0, 0};
    size_t count = 0;
    rp_sockets_find_family(&(struct rp_wanted){RP_TCP, PORT, states}, AF_INET, &found);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (!(states >> rows[i].state & 1)) continue;
        check(count < found.count, "one that is wanted is missing");
        if (count < found.count) check_socket(&found.list[count++], &rows[i]);
    }
    check(count == found.count, "one that is not wanted");
    rp_sockets_free(&found);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    mount_tables(argv[1]);
    check_states(1U << RP_LISTEN);
    check_states(1U << SYN_RECV);
    check_states(1U << RP_LISTEN | 1U << SYN_RECV | 1U << ESTABLISHED);
    check_states(1U << CLOSE);
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
