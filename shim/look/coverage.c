/* SPDX-License-Identifier: MIT */
/* A socket receives from one family or both, at one address or all. */
#include "look/coverage.h"

#include <stdio.h>

static bool receives_ipv4(const struct rp_socket *socket) {
    return rp_is_ipv4(&socket->local.address) ||
           (rp_is_wildcard(&socket->local.address) && !socket->ipv6_only);
}

static bool receives_ipv6(const struct rp_socket *socket) {
    return !rp_is_ipv4(&socket->local.address);
}

/* Whether the socket receives what arrives at the other's address, in a family that both serve. */
static bool is_beside(const struct rp_socket *socket, const struct rp_socket *like) {
    return rp_is_receiver(socket) && socket->proto == like->proto &&
           socket->local.port == like->local.port &&
           (!socket->interface || socket->interface == like->interface) &&
           (rp_is_wildcard(&socket->local.address) ||
            IN6_ARE_ADDR_EQUAL(&socket->local.address, &like->local.address));
}

bool rp_group_is_covered(const struct rp_group *group, const struct rp_look *look) {
    const struct rp_sockets *news = &look->of[RP_NEW];
    bool ipv4 = !receives_ipv4(&group->like), ipv6 = !receives_ipv6(&group->like);
    for (size_t i = 0; i < news->count; i++) {
        if (!is_beside(&news->list[i], &group->like)) continue;
        ipv4 = ipv4 || receives_ipv4(&news->list[i]);
        ipv6 = ipv6 || receives_ipv6(&news->list[i]);
    }
    return ipv4 && ipv6;
}

/* Appends the group's address, or "..." if there is no room. */
static void append(char text[RP_ADDRESSES_TEXT], size_t *length, const struct rp_group *group) {
    char address[RP_SOCKET_TEXT];
    const size_t room = RP_ADDRESSES_TEXT - *length;
    const char *comma = *length ? ", " : "";
    if (room < 2 * (RP_SOCKET_TEXT + sizeof(", "))) {
        if (text[*length - 1] != '.') *length += (size_t)snprintf(text + *length, room, ", ...");
        return;
    }
    *length += (size_t)snprintf(text + *length, room, "%s%s", comma,
                                rp_socket_text(&group->like, address));
}

const char *rp_uncovered(const struct rp_groups *groups, const struct rp_look *look,
                         char text[RP_ADDRESSES_TEXT]) {
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < groups->count; i++)
        if (!rp_group_is_covered(&groups->list[i], look)) append(text, &length, &groups->list[i]);
    return text;
}

const char *rp_missing(const struct rp_groups *groups, const struct rp_look *look, unsigned copies,
                       char text[RP_ADDRESSES_TEXT]) {
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < groups->count; i++)
        if (rp_port_news(&groups->list[i], look) < copies) append(text, &length, &groups->list[i]);
    return text;
}
