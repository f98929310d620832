/* SPDX-License-Identifier: MIT */
/* group/dealer: who gets which connection, by real ones. Requires root. Prints what is not as it
 * should be, and how many checks were made. */
#include "group/dealer.h"
#include "check.h"
#include "core/procnet.h"
#include "group/steer.h"
#include "inspect/holders.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MEMBERS = 4, CALLS = 400 };

struct group {
    struct sockaddr_in6 address;
    int fds[MEMBERS];
    uint32_t inodes[MEMBERS];
    struct rp_sockets sockets; /* of those that are open, with owners */
    struct rp_dealer *dealer;
};

static void find(struct group *group) {
    rp_sockets_free(&group->sockets);
    rp_sockets_find(&(struct rp_wanted){RP_TCP, ntohs(group->address.sin6_port), 1 << RP_LISTEN},
                    &group->sockets);
    rp_sockets_find_owners(&group->sockets);
}

static struct group begin(void) {
    struct group group = {.address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}};
    socklen_t size = sizeof(group.address);
    for (size_t i = 0; i < MEMBERS; i++) {
        struct stat status;
        const int on = 1, fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
        if (bind(fd, (struct sockaddr *)&group.address, size) || listen(fd, CALLS) ||
            getsockname(fd, (struct sockaddr *)&group.address, &size) || fstat(fd, &status))
            exit(2);
        group.fds[i] = fd;
        group.inodes[i] = (uint32_t)status.st_ino;
    }
    find(&group);
    group.dealer = rp_dealer_open();
    if (!group.dealer) {
        perror("rp_dealer_open");
        exit(2);
    }
    check(!rp_dealer_seat(group.dealer, &group.sockets), "seats for all");
    check(!rp_dealer_attach(group.dealer, &group.sockets.list[0], &group.sockets), "attached");
    return group;
}

static void end(struct group *group) {
    for (size_t i = 0; i < MEMBERS; i++)
        if (group->fds[i] >= 0) close(group->fds[i]);
    rp_dealer_close(group->dealer);
    rp_sockets_free(&group->sockets);
}

/* Queues by member; negative: not among the players, but behind them. One more has no seat. */
static void choose(struct group *group, const long *queues, bool looked) {
    struct rp_player players[MEMBERS + 1] = {{UINT32_MAX, 0}};
    size_t count = 1, last = MEMBERS + 1;
    for (size_t i = 0; i < MEMBERS; i++)
        players[queues[i] < 0 ? --last : count++] = (struct rp_player){group->inodes[i], queues[i]};
    if (looked) rp_dealer_look(group->dealer);
    rp_dealer_choose(group->dealer, players, count);
    rp_dealer_renew(group->dealer);
}

/* Calls, and stores how many of those each member got. Returns false if one failed. */
static bool call(const struct group *group, int calls, unsigned *got) {
    int clients[CALLS];
    bool good = true;
    for (int i = 0; i < calls; i++) {
        clients[i] = socket(AF_INET6, SOCK_STREAM, 0);
        good = good && !connect(clients[i], (const struct sockaddr *)&group->address,
                                sizeof(group->address));
    }
    for (size_t i = 0; i < MEMBERS; i++)
        for (got[i] = 0; group->fds[i] >= 0; got[i]++) {
            const int fd = accept(group->fds[i], NULL, NULL);
            if (fd < 0) break;
            close(fd);
        }
    for (int i = 0; i < calls; i++) close(clients[i]);
    return good;
}

static bool gets(const struct group *group, int calls, unsigned a, unsigned b, unsigned c,
                 unsigned d) {
    unsigned got[MEMBERS];
    const bool all = call(group, calls, got);
    const bool good = all && got[0] == a && got[1] == b && got[2] == c && got[3] == d;
    if (!good) printf("%d calls: %u %u %u %u\n", calls, got[0], got[1], got[2], got[3]);
    return good;
}

static void check_turns(void) {
    struct group group = begin();
    choose(&group, (const long[]){0, 0, 0, 0}, true);
    check(gets(&group, CALLS, CALLS / 4, CALLS / 4, CALLS / 4, CALLS / 4), "in turn");
    check(rp_dealer_dealt(group.dealer) == CALLS, "the number dealt");
    for (int i = 0; i < 6; i++) { /* one call at a time, in between a look */
        unsigned sum[MEMBERS] = {0};
        for (int j = 0; j < MEMBERS; j++) {
            unsigned got[MEMBERS];
            choose(&group, (const long[]){0, 0, 0, 0}, true);
            call(&group, 1, got);
            for (size_t k = 0; k < MEMBERS; k++) sum[k] += got[k];
        }
        check(sum[0] == 1 && sum[1] == 1 && sum[2] == 1 && sum[3] == 1, "turns go on at a look");
    }
    choose(&group, (const long[]){-1, 0, -1, 0}, true);
    check(gets(&group, CALLS, 0, CALLS / 2, 0, CALLS / 2), "some excluded");
    choose(&group, (const long[]){-1, -1, 7, -1}, true);
    check(gets(&group, CALLS, 0, 0, CALLS, 0), "one alone");
    rp_dealer_choose(group.dealer, NULL, 0);
    check(gets(&group, CALLS, 0, 0, CALLS, 0), "without players nothing changes");
    choose(&group, (const long[]){0, 0, 0, -1}, true);
    check(gets(&group, 3, 1, 1, 1, 0), "each of three once");
    choose(&group, (const long[]){-1, -1, -1, 0}, true);
    check(gets(&group, 1, 0, 0, 0, 1), "the fourth");
    choose(&group, (const long[]){0, 0, 0, 0}, true);
    choose(&group, (const long[]){0, 0, 0, -1}, true);
    check(gets(&group, 1, 1, 0, 0, 0), "the first, as the last to get one plays no more");
    group.sockets.count--; /* its last socket stands behind the list then */
    check(!rp_dealer_seat(group.dealer, &group.sockets), "seats for three");
    choose(&group, (const long[]){0, 0, 0, 0}, true);
    check(gets(&group, CALLS, CALLS / 3, CALLS / 3 + 1, CALLS / 3, 0), "none for the fourth");
    group.sockets.count++;
    end(&group);
}

static void check_queues(void) {
    struct group group = begin();
    choose(&group, (const long[]){0, 3, 1, 5}, true);
    check(gets(&group, 4, 2, 0, 2, 0), "the shortest first");
    choose(&group, (const long[]){0, 3, 1, 5}, true);
    check(gets(&group, 11, 5, 2, 4, 0), "filled up to one level");
    choose(&group, (const long[]){0, 3, 1, 5}, true);
    check(gets(&group, 5, 3, 0, 2, 0), "up to the next one");
    choose(&group, (const long[]){0, 3, 1, 5}, false);
    check(gets(&group, 6, 2, 2, 2, 0), "what was dealt since the look counts");
    choose(&group, (const long[]){0, 1000, 0, 0}, true);
    check(gets(&group, 240, 80, 0, 80, 80), "never the long one");
    end(&group);
}

static void check_end(void) {
    struct group group = begin();
    unsigned got[MEMBERS];
    choose(&group, (const long[]){0, 0, -1, -1}, true);
    close(group.fds[1]);
    group.fds[1] = -1;
    check(call(&group, CALLS, got) && got[0] >= CALLS / 2 && got[2] && got[3],
          "whose turn comes to a closed member goes by the hash");
    find(&group);
    check(!rp_dealer_seat(group.dealer, &group.sockets), "seats for those that are left");
    choose(&group, (const long[]){0, -1, 0, -1}, true);
    check(gets(&group, CALLS, CALLS / 2, 0, CALLS / 2, 0), "once it has lost its seat");
    poll(NULL, 0, 1000 * RP_DEALER_TIME + 100);
    check(call(&group, CALLS, got) && got[3] > CALLS / 10, "without renewal the hash deals");
    check(rp_dealer_dealt(group.dealer) == 2 * CALLS, "what the hash deals is not counted");
    end(&group);
}

static void check_refusal(void) {
    struct group group = begin();
    struct rp_dealer *other = rp_dealer_open();
    check(rp_dealer_seat(other, &group.sockets) == EBUSY, "a seat in a second map");
    group.sockets.list[2].owner_count = 0;
    check(!rp_dealer_seat(group.dealer, &group.sockets), "no owner is needed by who has a seat");
    rp_dealer_close(other);
    end(&group);
    other = rp_dealer_open();
    group = begin();
    group.sockets.list[0].owner_count = 0;
    check(rp_dealer_seat(other, &group.sockets) == EPERM, "a seat without an owner");
    rp_dealer_close(other);
    end(&group);
}

/* As many descriptors as it may have, it does with, or leaves none. */
static void check_limit(void) {
    enum { NEEDED = 3 };
    struct rlimit before, limit;
    int fds[NEEDED];
    const int count = count_descriptors();
    getrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < NEEDED; i++) fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < NEEDED; i++) close(fds[i]);
    limit = before;
    for (int i = 0; i < NEEDED; i++) {
        limit.rlim_cur = (rlim_t)fds[i];
        setrlimit(RLIMIT_NOFILE, &limit);
        errno = 0;
        check(!rp_dealer_open() && errno == EMFILE, "too few descriptors");
        setrlimit(RLIMIT_NOFILE, &before);
        check(count_descriptors() == count, "a descriptor is left");
    }
}

/* Mappings of what is no file but the kernel's. */
static unsigned count_maps(void) {
    char line[512];
    unsigned count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (fgets(line, sizeof(line), maps)) count += strstr(line, "anon_inode") != NULL;
    fclose(maps);
    return count;
}

/* Where standard input is closed, 0 is a descriptor like others. */
static void check_descriptor_0(void) {
    struct group group = begin();
    close(STDIN_FILENO);
    const unsigned maps = count_maps();
    struct rp_dealer *other = rp_dealer_open();
    check(count_maps() == maps + 1, "a dealer without memory");
    check(other && fcntl(STDIN_FILENO, F_GETFD) >= 0, "a map with descriptor 0");
    rp_dealer_close(other);
    check(fcntl(STDIN_FILENO, F_GETFD) < 0, "descriptor 0 is left");
    check(count_maps() == maps, "its memory is left");
    check(!rp_dealer_attach(group.dealer, &group.sockets.list[0], &group.sockets), "program 0");
    choose(&group, (const long[]){-1, 0, -1, -1}, true);
    check(gets(&group, CALLS, 0, CALLS, 0, 0), "what is descriptor 0 deals");
    check(open("/dev/null", O_RDONLY) == STDIN_FILENO, "descriptor 0 is left by the program");
    end(&group);
}

int main(void) {
    const int descriptors = count_descriptors();
    check_turns();
    check_queues();
    check_end();
    check_refusal();
    check_limit();
    check_descriptor_0();
    check(count_descriptors() == descriptors, "descriptors are left");
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
