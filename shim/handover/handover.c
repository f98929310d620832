/* Two servers on the same ports: which sockets are whose, and who gets what arrives. */
#include "handover/handover.h"

#include "base/die.h"
#include "core/procnet.h"
#include "handover/steer.h"
#include "inspect/option.h"
#include "inspect/process.h"
#include "inspect/trial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Sets of the kernel's states of TCP sockets. HOLDING: those in the way of a bind. */
enum {
    ESTABLISHED = 1 << 1,
    SYN_RECV = 1 << 3,
    CLOSE_WAIT = 1 << 8,
    HOLDING = 0xffe & ~SYN_RECV & ~(1 << RP_LISTEN),
};

enum side { OLD, NEW, OTHER };

static enum side side_of(const struct rp_handover *handover, const struct rp_socket *socket) {
    for (size_t i = 0; i < socket->owner_count; i++) {
        if (rp_process_is_below(socket->owners[i].pid, handover->old)) return OLD;
        if (handover->new &&rp_process_is_below(socket->owners[i].pid, handover->new)) return NEW;
    }
    return OTHER;
}

static bool is_in(const struct rp_group *group, const struct rp_socket *socket) {
    return group->like.proto == socket->proto && group->like.ipv6 == socket->ipv6 &&
           group->like.ipv6_only == socket->ipv6_only &&
           group->like.local.port == socket->local.port &&
           group->like.interface == socket->interface &&
           IN6_ARE_ADDR_EQUAL(&group->like.local.address, &socket->local.address);
}

static struct rp_group *find_group(const struct rp_handover *handover,
                                   const struct rp_socket *socket) {
    for (size_t i = 0; i < handover->count; i++)
        if (is_in(&handover->groups[i], socket)) return &handover->groups[i];
    return NULL;
}

static void add_group(struct rp_handover *handover, const struct rp_socket *socket) {
    struct rp_group *more = realloc(handover->groups, (handover->count + 1) * sizeof(*more));
    if (!more) rp_die("%s", strerror(errno));
    handover->groups = more;
    more[handover->count] = (struct rp_group){.like = *socket};
    more[handover->count++].like.owners = NULL;
}

/* A socket that nobody else could share, and that carries what arrives: a listener, or UDP. */
static bool counts(const struct rp_socket *socket) {
    return socket->proto == RP_UDP || socket->state == RP_LISTEN;
}

void rp_handover_find(struct rp_handover *handover, const struct rp_ports *list,
                      struct rp_sockets *held) {
    size_t kept = 0;
    rp_sockets_find(&(struct rp_wanted){RP_TCP | RP_UDP, 0, 1U << RP_LISTEN}, held);
    rp_sockets_find_owners(held);
    for (size_t i = 0; i < held->count; i++) {
        struct rp_socket *socket = &held->list[i];
        const bool wanted =
            !list->count || rp_ports_match(list, &socket->local, socket->proto) == RP_SHARE;
        if (!wanted || !counts(socket) || side_of(handover, socket) != OLD) {
            free(socket->owners);
            continue;
        }
        if (!find_group(handover, socket)) add_group(handover, socket);
        held->list[kept++] = *socket;
    }
    held->count = kept;
}

/* TCP sockets in the given states on the ports of the groups; with listeners, the UDP sockets, too. */
static void find_in_states(const struct rp_handover *handover, unsigned states,
                           struct rp_sockets *sockets) {
    for (size_t i = 0; i < handover->count; i++) {
        const struct rp_socket *like = &handover->groups[i].like;
        bool asked = like->proto == RP_UDP && states != 1U << RP_LISTEN;
        for (size_t j = 0; j < i; j++)
            asked = asked || (handover->groups[j].like.local.port == like->local.port &&
                              handover->groups[j].like.proto == like->proto);
        if (!asked)
            rp_sockets_find(&(struct rp_wanted){like->proto, like->local.port, states}, sockets);
    }
}

/* All listeners and UDP sockets on the ports of the groups, with owners. */
static void find_all(const struct rp_handover *handover, struct rp_sockets *sockets) {
    find_in_states(handover, 1U << RP_LISTEN, sockets);
    rp_sockets_find_owners(sockets);
}

void rp_handover_count(struct rp_handover *handover) {
    struct rp_sockets sockets = {NULL, 0, 0};
    for (size_t i = 0; i < handover->count; i++)
        handover->groups[i].olds = handover->groups[i].news = handover->groups[i].others = 0;
    find_all(handover, &sockets);
    for (size_t i = 0; i < sockets.count; i++) {
        struct rp_group *group = find_group(handover, &sockets.list[i]);
        if (!group || !counts(&sockets.list[i])) continue;
        const enum side side = side_of(handover, &sockets.list[i]);
        ++*(side == OLD ? &group->olds : side == NEW ? &group->news : &group->others);
    }
    rp_sockets_free(&sockets);
}

bool rp_handover_is_up(const struct rp_handover *handover, unsigned copies, bool by_port) {
    struct rp_sockets sockets = {NULL, 0, 0};
    bool up = true;
    if (by_port) find_all(handover, &sockets);
    for (size_t i = 0; i < handover->count; i++) {
        const struct rp_group *group = &handover->groups[i];
        unsigned news = by_port ? 0 : group->news;
        for (size_t j = 0; j < sockets.count; j++) {
            const struct rp_socket *socket = &sockets.list[j];
            if (socket->local.port == group->like.local.port &&
                socket->proto == group->like.proto && counts(socket) &&
                side_of(handover, socket) == NEW)
                news++;
        }
        up = up && news >= copies;
    }
    rp_sockets_free(&sockets);
    return up;
}

/* A duplicate of a socket in the group, of the new server if it has one there; or -1. Close it at once:
 * it would keep the group's member alive. */
static int take_member(const struct rp_handover *handover, const struct rp_group *group) {
    struct rp_sockets sockets = {NULL, 0, 0};
    int fd = -1;
    rp_sockets_find(&(struct rp_wanted){group->like.proto, group->like.local.port, 1U << RP_LISTEN},
                    &sockets);
    rp_sockets_find_owners(&sockets);
    for (enum side side = NEW;; side = OLD) {
        for (size_t i = 0; i < sockets.count && fd < 0; i++) {
            const struct rp_socket *socket = &sockets.list[i];
            if (!is_in(group, socket) || !counts(socket) || side_of(handover, socket) != side)
                continue;
            for (size_t j = 0; j < socket->owner_count && fd < 0; j++)
                fd = rp_socket_take(socket, &socket->owners[j]);
        }
        if (fd >= 0 || side == OLD) break;
    }
    rp_sockets_free(&sockets);
    return fd;
}

int rp_handover_steer(struct rp_handover *handover, enum rp_way way) {
    int error = 0;
    for (size_t i = 0; i < handover->count; i++) {
        struct rp_group *group = &handover->groups[i];
        if (!group->olds || !group->news || group->others) continue;
        if (!group->steered) group->first = group->olds; /* stays good while old ones leave */
        const unsigned first = way == RP_TO_OLD ? 0 : group->first;
        const unsigned count = way == RP_TO_OLD ? group->olds : way == RP_TO_NEW ? group->news : 1;
        const int fd = take_member(handover, group);
        const int result = fd < 0 ? EBADF : rp_steer(fd, first, count);
        if (fd >= 0) close(fd);
        group->steered = group->steered || !result;
        if (result) error = result;
    }
    return error;
}

void rp_handover_release(struct rp_handover *handover) {
    for (size_t i = 0; i < handover->count; i++) {
        if (!handover->groups[i].steered) continue;
        const int fd = take_member(handover, &handover->groups[i]);
        if (fd < 0) continue;
        rp_steer_no_more(fd);
        close(fd);
        handover->groups[i].steered = false;
    }
}

bool rp_handover_still_holds(const struct rp_handover *handover, const struct rp_sockets *held) {
    struct rp_sockets sockets = {NULL, 0, 0};
    bool holds = false;
    find_in_states(handover, 1U << RP_LISTEN, &sockets);
    for (size_t i = 0; i < sockets.count; i++)
        for (size_t j = 0; j < held->count; j++)
            holds = holds || sockets.list[i].inode == held->list[j].inode;
    rp_sockets_free(&sockets);
    return holds;
}

unsigned long rp_handover_waiting(const struct rp_handover *handover, bool of_new) {
    struct rp_sockets sockets = {NULL, 0, 0};
    unsigned long waiting = 0;
    find_all(handover, &sockets);
    for (size_t i = 0; i < sockets.count; i++) {
        const struct rp_socket *socket = &sockets.list[i];
        if (side_of(handover, socket) != (of_new ? NEW : OLD)) continue;
        if (socket->queue > 0) waiting += (unsigned long)socket->queue;
        if (socket->proto == RP_UDP && socket->unread) waiting++;
    }
    rp_sockets_free(&sockets);
    return waiting;
}

/* Whether a connection came in by one of the groups, as far as its address tells. */
static bool is_through(const struct rp_handover *handover, const struct rp_socket *socket) {
    for (size_t i = 0; i < handover->count; i++) {
        const struct rp_endpoint *at = &handover->groups[i].like.local;
        if (at->port == socket->local.port &&
            (rp_is_wildcard(&at->address) ||
             IN6_ARE_ADDR_EQUAL(&at->address, &socket->local.address)))
            return true;
    }
    return false;
}

/* Those that no process has as a descriptor. A process in the midst of accept(2) has none either, and may be
 * kept waiting there on a busy machine. */
void rp_handover_unsettled(const struct rp_handover *handover, struct rp_sockets *unsettled) {
    size_t kept = 0;
    find_in_states(handover, SYN_RECV | ESTABLISHED | CLOSE_WAIT, unsettled);
    rp_sockets_find_owners(unsettled);
    for (size_t i = 0; i < unsettled->count; i++) {
        if (!unsettled->list[i].owner_count && is_through(handover, &unsettled->list[i]))
            unsettled->list[kept++] = unsettled->list[i];
        else
            free(unsettled->list[i].owners);
    }
    unsettled->count = kept;
}

static int by_remote(const void *a, const void *b) {
    const struct rp_endpoint *left = &((const struct rp_socket *)a)->remote;
    const struct rp_endpoint *right = &((const struct rp_socket *)b)->remote;
    return left->port != right->port
               ? left->port - right->port
               : memcmp(&left->address, &right->address, sizeof(left->address));
}

unsigned long rp_handover_still_unsettled(const struct rp_handover *handover,
                                          struct rp_sockets *before) {
    struct rp_sockets now = {NULL, 0, 0};
    unsigned long still = 0;
    if (before->count) {
        rp_handover_unsettled(handover, &now);
        qsort(before->list, before->count, sizeof(*before->list), by_remote);
    }
    for (size_t i = 0; i < now.count; i++)
        still += bsearch(&now.list[i], before->list, before->count, sizeof(*before->list),
                         by_remote) != NULL;
    rp_sockets_free(&now);
    return still;
}

unsigned long rp_handover_share_connections(const struct rp_handover *handover, bool wanted) {
    struct rp_sockets sockets = {NULL, 0, 0};
    unsigned long changes = 0;
    find_in_states(handover, ESTABLISHED | CLOSE_WAIT, &sockets);
    rp_sockets_find_owners(&sockets);
    for (size_t i = 0; i < sockets.count; i++) {
        bool changed = false;
        if (sockets.list[i].inode && side_of(handover, &sockets.list[i]) == OLD)
            rp_option_switch(&sockets.list[i], wanted, &changed);
        changes += changed;
    }
    rp_sockets_free(&sockets);
    return changes;
}

bool rp_handover_is_blocked(const struct rp_handover *handover) {
    for (size_t i = 0; i < handover->count; i++)
        if (handover->groups[i].like.proto == RP_TCP &&
            rp_trial_in_use(&handover->groups[i].like, true))
            return true;
    return false;
}

unsigned long rp_handover_passing(const struct rp_handover *handover) {
    struct rp_sockets sockets = {NULL, 0, 0};
    unsigned long count = 0;
    find_in_states(handover, HOLDING, &sockets);
    for (size_t i = 0; i < sockets.count; i++) count += !sockets.list[i].inode;
    rp_sockets_free(&sockets);
    return count;
}

unsigned long rp_handover_connections(const struct rp_handover *handover, bool of_new) {
    struct rp_sockets sockets = {NULL, 0, 0};
    unsigned long count = 0;
    find_in_states(handover, ESTABLISHED | CLOSE_WAIT, &sockets);
    rp_sockets_find_owners(&sockets);
    for (size_t i = 0; i < sockets.count; i++)
        count += side_of(handover, &sockets.list[i]) == (of_new ? NEW : OLD);
    rp_sockets_free(&sockets);
    return count;
}
