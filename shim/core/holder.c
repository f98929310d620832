/* SPDX-License-Identifier: MIT */
/* The search for the holder: sockets by sock_diag(7), or by /proc/net where the kernel does not
 * answer; their process by /proc/PID/fd. */
#include "core/holder.h"

#include "core/diag.h"
#include "core/owners.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of descriptors, in the order in which they are looked at: standard input and output are last. */
static const struct rp_range ranges[] = {
    {3, RP_LOW_DESCRIPTORS}, {RP_LOW_DESCRIPTORS, UINT_MAX}, {0, 3}, {0, 0}};

/* A bind(2) that failed, and what has been found out about it. */
struct search {
    const struct rp_endpoint *where;
    uint32_t user;
    enum rp_proto proto;
    struct rp_budget budget;
    struct rp_holder *holder;
};

/* A wildcard is in the way of all addresses of its family, :: also in that of IPv4 ones. */
static bool is_in_way(const struct rp_net_socket *socket, const struct rp_endpoint *where) {
    const struct in6_addr *a = &socket->local.address, *b = &where->address;
    if (socket->local.port != where->port) return false;
    if (rp_is_ipv4(a) != rp_is_ipv4(b))
        return IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_UNSPECIFIED(b);
    return rp_is_wildcard(a) || rp_is_wildcard(b) || IN6_ARE_ADDR_EQUAL(a, b);
}

/* A socket that somebody has explains better than what is left of connections, and one of another
 * user's best of all. */
static bool is_better(const struct search *search, const struct rp_net_socket *socket) {
    const struct rp_net_socket *than = &search->holder->socket;
    const bool connection = rp_is_connection(socket, search->proto);
    const bool was_connection = rp_is_connection(than, search->proto);
    if (!than->state || connection != was_connection) return !than->state || was_connection;
    return than->uid == search->user && socket->uid != search->user;
}

static void consider(void *context, const struct rp_net_socket *socket) {
    struct search *search = context;
    if (is_in_way(socket, search->where) && is_better(search, socket))
        search->holder->socket = *socket;
}

/* Asks for sockets of the address's family, then, if both are wanted or nothing was found, for
 * those of the other. Returns false if the kernel does not tell. */
static bool ask(struct search *search, uint32_t states, bool both) {
    enum { ASKING = 100 }; /* microseconds, but milliseconds where there are many connections */
    const int first = rp_is_ipv4(&search->where->address) ? AF_INET : AF_INET6;
    const int families[] = {first, AF_INET + AF_INET6 - first, 0};
    for (int i = 0; families[i] && (both || !search->holder->socket.state); i++) {
        if (!rp_budget_left(&search->budget, ASKING)) break;
        if (!rp_diag_sockets(families[i], search->proto, search->where->port, states, consider,
                             search))
            return false;
    }
    return true;
}

static void read_table(struct search *search, const char *table) {
    enum { LINE = 3 }; /* microseconds */
    struct rp_lines lines;
    struct rp_net_socket socket;
    const bool opened = rp_lines_open(&lines, table);
    while (opened && rp_procnet_next(&lines, &socket) && rp_budget_left(&search->budget, LINE))
        consider(search, &socket);
    rp_lines_close(&lines);
}

/* Listeners first: they cost the kernel microseconds, but connections milliseconds where there are
 * many. */
static void find_socket(struct search *search) {
    const bool udp = search->proto == RP_UDP;
    bool told = ask(search, udp ? UINT32_MAX : 1U << RP_LISTEN, true);
    if (told && !udp) told = ask(search, UINT32_MAX, false);
    if (told) return;
    read_table(search, udp ? "/proc/net/udp" : "/proc/net/tcp");
    read_table(search, udp ? "/proc/net/udp6" : "/proc/net/tcp6");
}

static bool visit_owner(void *context, int pid, int fd, uint32_t inode) {
    struct rp_holder *holder = context;
    (void)fd;
    if (inode == holder->socket.inode) holder->pid = (uint32_t)pid;
    return !holder->pid;
}

/* Looks into the process that binds, for a quarter of the time: it may have any number of
 * descriptors. */
static void look_into_binder(struct search *search, uint32_t binder) {
    struct rp_budget part;
    rp_budget_start(&part, search->budget.most / 4);
    for (int i = 0; ranges[i].to && !search->holder->pid; i++)
        rp_owners_of(binder, ranges[i], &part, visit_owner, search->holder);
}

/* Starts at the highest PID: kernel threads have the lowest. */
static void find_process(struct search *search, uint32_t binder) {
    enum { PIDS = 4096 };
    static uint32_t pids[PIDS];
    if (binder) look_into_binder(search, binder);
    const unsigned count = search->holder->pid ? 0 : rp_owners_list(pids, PIDS);
    const unsigned least = count > PIDS ? count - PIDS : 0;
    bool go_on = true;
    for (int i = 0; ranges[i].to; i++)
        for (unsigned j = count; j > least && go_on; j--)
            go_on = rp_owners_of(pids[(j - 1) % PIDS], ranges[i], &search->budget, visit_owner,
                                 search->holder);
}

static bool descends(uint32_t pid, uint32_t ancestor) {
    enum { GENERATIONS = 32 };
    struct rp_lines lines;
    for (int i = 0; i < GENERATIONS && pid > 1; i++) {
        const char *parent = rp_owner_status(&lines, pid, "PPid");
        pid = parent ? rp_number(parent, 10, 10) : 0;
        if (pid == ancestor) return true;
    }
    return false;
}

uint32_t rp_own_pid(void) {
    char link[16] = {0};
    syscall(SYS_readlinkat, AT_FDCWD, "/proc/self", link, sizeof(link) - 1);
    return rp_number(link, 10, 10);
}

void rp_holder_find(struct rp_holder *holder, const struct rp_endpoint *where, enum rp_proto proto,
                    uint32_t user, uint32_t pid, uint32_t microseconds) {
    struct search search = {.where = where, .user = user, .proto = proto, .holder = holder};
    holder->socket.state = holder->pid = 0;
    holder->kin = RP_STRANGER;
    rp_budget_start(&search.budget, microseconds);
    find_socket(&search);
    if (holder->socket.state && !rp_is_connection(&holder->socket, proto))
        find_process(&search, pid);
    holder->in_time = !search.budget.spent;
    if (holder->pid && holder->pid == pid)
        holder->kin = RP_ONESELF;
    else if (pid && descends(holder->pid, pid))
        holder->kin = RP_DESCENDANT;
}
