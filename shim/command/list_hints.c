/* SPDX-License-Identifier: MIT */
/* The hints of reuseport list: what makes a group share less than it seems to. */
#include "command/list.h"
#include "core/procnet.h"
#include "inspect/option.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

size_t rp_group_end(const struct rp_sockets *sockets, size_t start) {
    const struct rp_socket *first = &sockets->list[start];
    size_t end = start + 1;
    while (end < sockets->count && sockets->list[end].local.port == first->local.port &&
           sockets->list[end].proto == first->proto)
        end++;
    return end;
}

/* Whether the kernel delivers new traffic to the socket. */
static bool is_receiver(const struct rp_socket *socket) {
    return socket->state == RP_LISTEN ||
           (socket->proto == RP_UDP && socket->state != RP_ESTABLISHED);
}

/* Prints what is wrong with one socket. */
static void hint_at_socket(const struct rp_socket *socket) {
    const unsigned port = socket->local.port;
    char name[RP_NAME_SIZE];
    if (!socket->owner_count) return;
    const int pid = (int)socket->owners[0].process.pid;
    rp_process_name(&socket->owners[0].process, name);
    if (socket->shares == RP_NO)
        printf("%s %u: pid %d (%s) does not share it, so nobody can join: \"reuseport adopt "
               "%u/%s\" changes that\n",
               rp_proto_name(socket), port, pid, name, port, rp_proto_name(socket));
    if (socket->shares == RP_NO && rp_process_filters(pid) > rp_process_filters(getpid()) &&
        rp_process_exists(&socket->owners[0].process))
        printf("%s %u: pid %d (%s) has a seccomp filter, which may be why it does not share: "
               "\"reuseport run -m seccomp\" goes round that\n",
               rp_proto_name(socket), port, pid, name);
    if (socket->limit >= 0 && socket->queue > socket->limit)
        printf("%s %u: the accept queue of pid %d (%s) is full, %ld of %ld: new connections to it "
               "wait or fail; "
               "is it stuck, or its backlog too small?\n",
               rp_proto_name(socket), port, pid, name, socket->queue, socket->limit);
    if (is_receiver(socket) && rp_socket_is_stopped(socket))
        printf("%s %u: pid %d (%s) is stopped, and still gets its share: \"kill -CONT %d\", or end "
               "it\n",
               rp_proto_name(socket), port, pid, name, pid);
}

/* Families of traffic that a socket receives, or-ed. */
enum { IPV4 = 1, IPV6 = 2 };

static unsigned families_of(const struct rp_socket *socket) {
    const struct in6_addr *address = &socket->local.address;
    if (!socket->ipv6 || IN6_IS_ADDR_V4MAPPED(address)) return IPV4;
    return IN6_IS_ADDR_UNSPECIFIED(address) && !socket->ipv6_only ? IPV4 | IPV6 : IPV6;
}

static bool are_alike(const struct rp_socket *left, const struct rp_socket *right) {
    return left->ipv6 == right->ipv6 &&
           IN6_ARE_ADDR_EQUAL(&left->local.address, &right->local.address);
}

/* Whether traffic of one family and interface could reach either. */
static bool are_rivals(const struct rp_socket *left, const struct rp_socket *right) {
    return is_receiver(left) && is_receiver(right) && families_of(left) & families_of(right) &&
           (left->interface == right->interface || !left->interface || !right->interface);
}

/* Whether who holds one socket holds one of the address of number `at`, too. Those of one address
 * stand together: anybody may have thousands of others. */
static bool holds_both(const struct rp_socket *group, size_t count, const struct rp_socket *one,
                       size_t at) {
    size_t i = at;
    if (!one->owner_count) return false;
    while (i && are_alike(&group[i - 1], &group[at])) i--;
    for (; i < count && are_alike(&group[i], &group[at]); i++)
        if (group[i].owner_count && group[i].owners[0].process.pid == one->owners[0].process.pid)
            return true;
    return false;
}

/* Whether a holder lacks an address of others that takes traffic from its own. The group is sorted
 * by address, of which the first socket suffices. */
static bool are_addresses_mixed(const struct rp_socket *group, size_t count) {
    for (size_t j = 0; j < count; j++) {
        if (j && are_alike(&group[j], &group[j - 1]) &&
            group[j].interface == group[j - 1].interface)
            continue;
        for (size_t i = 0; i < count; i++)
            if (are_rivals(&group[i], &group[j]) && !are_alike(&group[i], &group[j]) &&
                !holds_both(group, count, &group[i], j))
                return true;
    }
    return false;
}

static void hint_at_group(const struct rp_socket *group, size_t count) {
    bool users = false, interfaces = false;
    for (size_t i = 1; i < count; i++) {
        users = users || group[i].uid != group[0].uid;
        for (size_t j = 0; j < i; j++)
            interfaces = interfaces ||
                         (are_rivals(&group[i], &group[j]) && are_alike(&group[i], &group[j]) &&
                          group[i].interface != group[j].interface);
    }
    if (users)
        printf("%s %u: its sockets are of different users, who cannot share an address: start all "
               "copies as one user\n",
               rp_proto_name(group), group->local.port);
    if (are_addresses_mixed(group, count))
        printf("%s %u: its sockets are on different addresses: they share the port, not the "
               "traffic, which goes to the "
               "most exact one; give all copies the same address\n",
               rp_proto_name(group), group->local.port);
    /* Measured on Linux 6.18: the kernel takes the group that it comes across first, and keeps IPv4
     * sockets newest first, IPv6 sockets oldest first. */
    if (interfaces)
        printf("%s %u: of its sockets on one address some are bound to an interface, some are not: "
               "those of one kind get all of its traffic, the kind of the last to join (IPv6: the "
               "first); bind all copies to the same interface, or none\n",
               rp_proto_name(group), group->local.port);
    for (size_t i = 0; i < count; i++) hint_at_socket(&group[i]);
}

void rp_list_hints(const struct rp_sockets *sockets) {
    bool unknown = false;
    for (size_t start = 0, end; start < sockets->count; start = end) {
        end = rp_group_end(sockets, start);
        hint_at_group(&sockets->list[start], end - start);
        for (size_t i = start; i < end; i++)
            unknown = unknown || sockets->list[i].shares == RP_UNKNOWN;
    }
    if (unknown)
        printf("unknown: %s\n", sockets->why_unknown == RP_NO_OWNER
                                    ? rp_no_owner_reason("list")
                                    : rp_option_reason(sockets->why_unknown));
}
