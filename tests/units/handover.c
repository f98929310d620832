/* SPDX-License-Identifier: MIT */
/* What look/groups and look/traffic tell of looks that are made up here. Prints what is not
 * as it should be, and how many checks were made. */
#include "check.h"
#include "look/traffic.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ESTABLISHED = 1, SYN_RECV = 3, TIME_WAIT = 6, CLOSE = 7, CLOSE_WAIT = 8, LISTEN = 10 };

/* A socket on an address of IPv4 or IPv6, all of whose other parts stand for "nothing". */
static struct rp_socket at(enum rp_proto proto, const char *address, uint16_t port,
                           unsigned state) {
    static uint32_t inodes = 100;
    const uint32_t inode = ++inodes;
    struct rp_socket socket = {.proto = proto,
                               .ipv6 = strchr(address, ':') != NULL,
                               .state = state,
                               .local.port = port,
                               .inode = inode,
                               .position = 100000 - inode, /* newest first */
                               .queue = -1,
                               .limit = -1};
    char mapped[64];
    snprintf(mapped, sizeof(mapped), socket.ipv6 ? "%s" : "::ffff:%s", address);
    if (inet_pton(AF_INET6, mapped, &socket.local.address) != 1) exit(2);
    return socket;
}

static struct rp_socket listener(const char *address, uint16_t port) {
    struct rp_socket socket = at(RP_TCP, address, port, LISTEN);
    socket.queue = 0;
    socket.limit = 16;
    return socket;
}

static struct rp_socket connection(unsigned state, uint16_t remote_port) {
    struct rp_socket socket = at(RP_TCP, "127.0.0.1", 80, state);
    socket.remote = socket.local;
    socket.remote.port = remote_port;
    return socket;
}

static void put(struct rp_look *look, enum rp_side side, struct rp_socket socket) {
    rp_sockets_add(&look->of[side], &socket);
    rp_sockets_index(&look->of[side]);
}

/* A look at an old server on 127.0.0.1:80/tcp, and the group that it makes. */
static void begin(struct rp_look *look, struct rp_groups *groups) {
    memset(look, 0, sizeof(*look));
    memset(groups, 0, sizeof(*groups));
    put(look, RP_OLD, listener("127.0.0.1", 80));
    rp_groups_make(groups, &look->of[RP_OLD]);
}

static void finish(struct rp_look *look, struct rp_groups *groups) {
    rp_look_free(look);
    for (size_t i = 0; i < groups->count; i++) rp_members_free(&groups->list[i].members);
    free(groups->list);
}

static void check_membership(void) {
    struct rp_look look;
    struct rp_groups groups;
    begin(&look, &groups);
    struct rp_socket same = listener("127.0.0.1", 80);
    check(groups.count == 1 && rp_groups_find(&groups, &same), "the same address is another group");
    struct rp_socket others[8];
    for (int i = 0; i < 8; i++) others[i] = same;
    others[0].proto = RP_UDP;
    others[1].local.port = 81;
    others[2].ipv6 = true;
    others[3].ipv6_only = true;
    others[4].interface = 7;
    others[5] = listener("127.0.0.2", 80);
    others[6] = listener("0.0.0.0", 80);
    others[7] = listener("::1", 80);
    for (int i = 0; i < 8; i++) {
        check(!rp_groups_find(&groups, &others[i]), "another address is in the group");
        put(&look, RP_OLD, others[i]);
    }
    put(&look, RP_OLD, same);
    free(groups.list);
    memset(&groups, 0, sizeof(groups));
    rp_groups_make(&groups, &look.of[RP_OLD]);
    check(groups.count == 9, "groups of nine addresses");
    finish(&look, &groups);
}

static void check_counts(void) {
    struct rp_look look;
    struct rp_groups groups;
    begin(&look, &groups);
    const struct rp_group *group = groups.list;
    put(&look, RP_OLD, listener("127.0.0.1", 80));
    put(&look, RP_NEW, listener("127.0.0.1", 80));
    put(&look, RP_NEW, listener("127.0.0.2", 80));
    put(&look, RP_NEW, connection(ESTABLISHED, 5));
    put(&look, RP_OTHERS, connection(ESTABLISHED, 6));
    rp_groups_count(&groups, &look);
    check(group->olds == 2 && group->news == 1 && group->others == 0, "2 old, 1 new, no others");
    put(&look, RP_OTHERS, listener("127.0.0.1", 80));
    rp_groups_count(&groups, &look);
    check(group->olds == 2 && group->news == 1 && group->others == 1, "2 old, 1 new, 1 other");
    put(&look, RP_NOBODY, listener("127.0.0.1", 80));
    rp_groups_count(&groups, &look);
    check(group->others == 2, "nobody's member is not another's");
    finish(&look, &groups);
}

static void check_up(void) {
    struct rp_look look;
    struct rp_groups groups = {.count = 0};
    memset(&look, 0, sizeof(look));
    put(&look, RP_OLD, listener("127.0.0.1", 80));
    put(&look, RP_OLD, at(RP_UDP, "127.0.0.1", 80, CLOSE));
    rp_groups_make(&groups, &look.of[RP_OLD]);
    put(&look, RP_NEW, listener("127.0.0.1", 80));
    rp_groups_count(&groups, &look);
    check(!rp_groups_are_up(&groups, 1), "up on TCP alone");
    check(!rp_ports_are_up(&groups, &look, 1), "up on TCP's port alone");
    put(&look, RP_OTHERS, at(RP_UDP, "127.0.0.1", 80, CLOSE));
    put(&look, RP_NOBODY, at(RP_UDP, "127.0.0.1", 80, CLOSE));
    rp_groups_count(&groups, &look);
    check(!rp_groups_are_up(&groups, 1) && !rp_ports_are_up(&groups, &look, 1),
          "up by a stranger's socket");
    put(&look, RP_NEW, at(RP_UDP, "127.0.0.2", 80, CLOSE));
    put(&look, RP_NEW, at(RP_UDP, "127.0.0.1", 81, CLOSE));
    put(&look, RP_NEW, connection(ESTABLISHED, 5));
    rp_groups_count(&groups, &look);
    check(!rp_groups_are_up(&groups, 1), "up on another address");
    check(rp_ports_are_up(&groups, &look, 1), "not up on the port by another address");
    check(!rp_ports_are_up(&groups, &look, 2), "one copy for two");
    put(&look, RP_NEW, at(RP_UDP, "127.0.0.1", 80, CLOSE));
    rp_groups_count(&groups, &look);
    check(rp_groups_are_up(&groups, 1) && !rp_groups_are_up(&groups, 2), "one copy, as counted");
    finish(&look, &groups);
}

/* The members that are steered to, as "0110" in the order of joining; "-": unknown. */
static bool goes(struct rp_groups *groups, const struct rp_look *look, enum rp_way way,
                 const char *expected) {
    bool chosen[8];
    char text[9] = "-";
    rp_groups_count(groups, look);
    const size_t count = groups->list->members.count;
    if (rp_group_choose(groups->list, look, way, chosen)) {
        for (size_t i = 0; i < count; i++) text[i] = chosen[i] ? '1' : '0';
        text[count] = '\0';
    }
    return !strcmp(text, expected);
}

static void check_ways(void) {
    struct rp_look look;
    struct rp_groups groups;
    begin(&look, &groups);
    check(goes(&groups, &look, RP_TO_OLD, "1"), "to the old one, before another is there");
    check(goes(&groups, &look, RP_TO_NEW, "-"), "to the new, before it is there");
    put(&look, RP_NEW, listener("127.0.0.1", 80));
    put(&look, RP_NEW, listener("127.0.0.1", 80));
    check(goes(&groups, &look, RP_TO_OLD, "100"), "to the old: the first");
    check(goes(&groups, &look, RP_TO_NEW, "011"), "to the new: behind the old");
    check(goes(&groups, &look, RP_TO_FIRST, "010"), "to the first of the new");
    check(goes(&groups, &look, RP_BY_HASH, "-"), "nowhere");
    put(&look, RP_OTHERS, listener("127.0.0.1", 80));
    check(goes(&groups, &look, RP_TO_OLD, "1001"), "away from the new: others keep their share");
    check(goes(&groups, &look, RP_TO_NEW, "0111"), "away from the old: others keep their share");
    finish(&look, &groups);
    /* The numbers of those who were there at first are unknown. */
    begin(&look, &groups);
    put(&look, RP_OTHERS, listener("127.0.0.1", 80));
    check(goes(&groups, &look, RP_TO_OLD, "-"), "others may be steered themselves, at first");
    put(&look, RP_NEW, listener("127.0.0.1", 80));
    check(goes(&groups, &look, RP_TO_NEW, "-"), "the old cannot be told from the others");
    check(goes(&groups, &look, RP_TO_OLD, "-"), "others may be steered themselves");
    finish(&look, &groups);
    begin(&look, &groups);
    put(&look, RP_NEW, listener("127.0.0.1", 80));
    check(goes(&groups, &look, RP_TO_NEW, "-"), "both were there at first, in unknown order");
    finish(&look, &groups);
}

static bool excepts(struct rp_group *group, uint32_t inode, unsigned number) {
    struct rp_exception exception = {0, 0};
    group->guest = (struct rp_guest){0x7f000009, inode};
    return rp_group_except(group, &exception) && exception.address == 0x7f000009 &&
           exception.number == number;
}

static void check_exceptions(void) {
    struct rp_look look;
    struct rp_groups groups;
    begin(&look, &groups);
    rp_groups_count(&groups, &look);
    const struct rp_socket new = listener("127.0.0.1", 80);
    put(&look, RP_NEW, new);
    put(&look, RP_OTHERS, listener("127.0.0.1", 80));
    rp_groups_count(&groups, &look);
    check(excepts(groups.list, new.inode, 1), "the guest is not sent to the new server");
    check(!excepts(groups.list, 0, 0), "nobody is a guest");
    check(!excepts(groups.list, new.inode - 1000, 0), "a guest is sent to who is not there");
    finish(&look, &groups);
    begin(&look, &groups);
    put(&look, RP_NEW, new);
    rp_groups_count(&groups, &look);
    check(!excepts(groups.list, new.inode, 0) && !excepts(groups.list, new.inode, 1),
          "a guest is sent by a number that is unknown");
    finish(&look, &groups);
}

static const char *weakness(struct rp_groups *groups, const struct rp_look *look) {
    rp_groups_count(groups, look);
    return rp_group_weakness(groups->list, look);
}

static void check_weakness(void) {
    struct rp_look look;
    struct rp_groups groups;
    begin(&look, &groups);
    check(weakness(&groups, &look), "another address is not weak");
    put(&look, RP_NEW, listener("127.0.0.1", 80));
    check(!weakness(&groups, &look), "one for one is weak");
    put(&look, RP_NEW, listener("127.0.0.1", 80));
    check(!weakness(&groups, &look), "two for one is weak");
    put(&look, RP_OTHERS, listener("127.0.0.1", 80));
    check(!weakness(&groups, &look), "a stranger who joined later is weak");
    put(&look, RP_OLD, listener("127.0.0.1", 80));
    put(&look, RP_OLD, listener("127.0.0.1", 80));
    check(weakness(&groups, &look), "two for three is not weak");
    finish(&look, &groups);
    begin(&look, &groups);
    put(&look, RP_NEW, listener("127.0.0.1", 80));
    check(weakness(&groups, &look), "an unknown order is not weak");
    finish(&look, &groups);
    memset(&look, 0, sizeof(look));
    memset(&groups, 0, sizeof(groups));
    put(&look, RP_OLD, at(RP_UDP, "127.0.0.1", 80, CLOSE));
    put(&look, RP_OLD, at(RP_UDP, "127.0.0.1", 80, CLOSE));
    rp_groups_make(&groups, &look.of[RP_OLD]);
    rp_groups_count(&groups, &look);
    put(&look, RP_NEW, at(RP_UDP, "127.0.0.1", 80, CLOSE));
    check(!weakness(&groups, &look), "UDP, one for two, is weak");
    finish(&look, &groups);
}

static void check_waiting(void) {
    struct rp_look look;
    struct rp_groups groups;
    begin(&look, &groups);
    struct rp_socket udp = at(RP_UDP, "127.0.0.1", 80, CLOSE), tcp = listener("127.0.0.1", 80),
                     busy = connection(ESTABLISHED, 5);
    busy.unread = 100;
    put(&look, RP_OLD, busy);
    put(&look, RP_OLD, udp);
    check(rp_waiting(&look, RP_OLD) == 0, "nothing waits, and it is counted");
    udp.inode++;
    udp.unread = 1280;
    put(&look, RP_OLD, udp);
    check(rp_waiting(&look, RP_OLD) == 1, "unread datagrams do not wait");
    tcp.queue = 3;
    put(&look, RP_OLD, tcp);
    check(rp_waiting(&look, RP_OLD) == 4, "a queue of three does not wait");
    check(rp_waiting(&look, RP_NEW) == 0, "the old server's queue waits for the new one");
    finish(&look, &groups);
}

static void check_connections(void) {
    struct rp_look look;
    struct rp_groups groups;
    begin(&look, &groups);
    put(&look, RP_OLD, connection(ESTABLISHED, 1));
    put(&look, RP_OLD, connection(CLOSE_WAIT, 2));
    put(&look, RP_OLD, connection(TIME_WAIT, 3));
    put(&look, RP_OLD, at(RP_UDP, "127.0.0.1", 80, ESTABLISHED));
    put(&look, RP_NEW, connection(ESTABLISHED, 4));
    check(rp_connections(&look, RP_OLD) == 3 && rp_connections(&look, RP_NEW) == 1,
          "connections of both sides");
    struct rp_socket orphan = connection(TIME_WAIT, 5), queued = connection(ESTABLISHED, 6),
                     half = connection(SYN_RECV, 7);
    orphan.inode = queued.inode = half.inode = 0;
    put(&look, RP_NOBODY, connection(ESTABLISHED, 8)); /* on its way to a process */
    check(rp_passing(&look) == 0, "a connection with an inode is passing");
    put(&look, RP_NOBODY, orphan);
    put(&look, RP_NOBODY, queued);
    put(&look, RP_NOBODY, half);
    check(rp_passing(&look) == 2, "TIME_WAIT and one in a queue are passing");
    finish(&look, &groups);
}

static void check_unsettled(void) {
    struct rp_look look, later;
    struct rp_groups groups;
    struct rp_sockets unsettled = {NULL, 0, 0};
    begin(&look, &groups);
    memset(&later, 0, sizeof(later));
    struct rp_socket elsewhere = connection(SYN_RECV, 6), half = connection(SYN_RECV, 1);
    inet_pton(AF_INET6, "::ffff:127.0.0.2", &elsewhere.local.address);
    half.inode = 0;
    put(&look, RP_NOBODY, connection(CLOSE_WAIT, 3)); /* not in the order of their ends */
    put(&look, RP_NOBODY, connection(ESTABLISHED, 2));
    put(&look, RP_NOBODY, half);
    put(&look, RP_NOBODY, connection(TIME_WAIT, 4));
    put(&look, RP_NOBODY, elsewhere);
    put(&look, RP_OLD, connection(ESTABLISHED, 5));
    rp_unsettled(&groups, &look, &unsettled);
    check(unsettled.count == 3, "three that belong to nobody");
    check(rp_still_unsettled(&look, &unsettled) == 3, "the same look: three still");
    half.state = ESTABLISHED; /* the handshake has ended */
    put(&later, RP_NOBODY, half);
    put(&later, RP_OLD, connection(ESTABLISHED, 2));
    put(&later, RP_NOBODY, connection(TIME_WAIT, 3));
    put(&later, RP_NOBODY, connection(SYN_RECV, 7));
    check(rp_still_unsettled(&later, &unsettled) == 1, "one still, one accepted, one ended");
    half.local.port = 81;
    half.inode = 7;
    put(&later, RP_NOBODY, half);
    check(rp_still_unsettled(&later, &unsettled) == 1, "from the same end, to another port");
    rp_sockets_free(&unsettled);
    check(rp_still_unsettled(&later, &unsettled) == 0, "none of none");
    rp_look_free(&later);
    finish(&look, &groups);
}

static void check_existence(void) {
    struct rp_look look;
    struct rp_groups groups;
    struct rp_sockets held = {NULL, 0, 0};
    begin(&look, &groups);
    struct rp_socket socket = listener("127.0.0.1", 80);
    rp_sockets_add(&held, &socket);
    check(!rp_still_exist(&look, &held), "another socket exists, and stands for it");
    for (enum rp_side side = RP_OLD; side < RP_SIDES; side++) {
        struct rp_look one = {.of = {[RP_OLD] = {NULL, 0, 0}}};
        put(&one, side, socket);
        check(rp_still_exist(&one, &held), "it exists, whoever has it");
        rp_look_free(&one);
    }
    rp_sockets_free(&held);
    finish(&look, &groups);
}

int main(void) {
    check_membership();
    check_counts();
    check_up();
    check_ways();
    check_exceptions();
    check_weakness();
    check_waiting();
    check_connections();
    check_unsettled();
    check_existence();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
