/* SPDX-License-Identifier: MIT */
/* Walks /proc/PID/fd. The process's directory stays open meanwhile, so that all that is read
 * belongs to one process, even if its PID is reused. */
#include "inspect/holders.h"

#include "base/hurry.h"
#include "base/memory.h"
#include "core/lines.h"
#include "core/owners.h"
#include "inspect/pidfd.h"
#include "inspect/trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* The inode of the socket that the link names, or 0. */
static uint32_t inode_of(int directory, const char *link) {
    char text[32] = {0};
    if (readlinkat(directory, link, text, sizeof(text) - 1) < 0) return 0;
    return strncmp(text, "socket:[", 8) != 0 ? 0 : rp_number(text + 8, 10, 10);
}

/* The socket of that inode, unless the process is noted as its owner already. */
static struct rp_socket *find(const struct rp_sockets *sockets, uint32_t inode, pid_t pid) {
    struct rp_socket *socket = rp_sockets_get(sockets, inode);
    const size_t count = socket ? socket->owner_count : 0;
    return count && socket->owners[count - 1].process.pid == pid ? NULL : socket;
}

static void walk_files(const struct rp_sockets *sockets, int directory, DIR *files, pid_t pid,
                       unsigned most) {
    struct rp_owner owner = {.process.pid = pid};
    bool known = false; /* whether owner has its start, which is read once */
    for (const struct dirent *entry; most && (entry = readdir(files));) {
        if (entry->d_name[0] == '.') continue;
        const uint32_t inode = inode_of(dirfd(files), entry->d_name);
        struct rp_socket *socket = find(sockets, inode, pid);
        most--;
        known = known || (socket && rp_process_start(directory, &owner.process.start));
        if (!socket || !known) continue;
        owner.fd = atoi(entry->d_name);
        socket->owners = rp_grow(socket->owners, socket->owner_count, sizeof(owner));
        socket->owners[socket->owner_count++] = owner;
    }
}

/* Notes the sockets among the `most` lowest descriptors of a process. */
static void walk_process(const struct rp_sockets *sockets, pid_t pid, unsigned most) {
    const int directory = rp_process_open(pid);
    const int fd = directory < 0 ? -1 : openat(directory, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *files = fd < 0 ? NULL : fdopendir(fd);
    if (files) walk_files(sockets, directory, files, pid, most);
    if (files)
        closedir(files);
    else if (fd >= 0)
        close(fd);
    if (directory >= 0) close(directory);
}

/* /proc lists processes by rising PID. */
static void walk_all(struct rp_sockets *sockets, unsigned most) {
    DIR *proc = sockets->count ? opendir("/proc") : NULL;
    if (!proc) return;
    rp_sockets_index(sockets);
    for (size_t i = 0; i < sockets->count; i++) sockets->list[i].owner_count = 0;
    for (const struct dirent *entry; (entry = readdir(proc));)
        if (atoi(entry->d_name) > 0) walk_process(sockets, atoi(entry->d_name), most);
    closedir(proc);
}

void rp_sockets_find_owners(struct rp_sockets *sockets) {
    walk_all(sockets, UINT_MAX);
    for (size_t i = 0; i < sockets->count; i++) sockets->list[i].searched = true;
}

void rp_sockets_find_members(struct rp_sockets *sockets, const struct rp_tree *tree) {
    rp_sockets_index(sockets);
    for (size_t i = 0; i < tree->count; i++) walk_process(sockets, tree->members[i].pid, UINT_MAX);
}

bool rp_owner_has(const struct rp_owner *owner, const struct rp_socket *socket) {
    char link[48];
    snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)owner->process.pid, owner->fd);
    return inode_of(AT_FDCWD, link) == socket->inode;
}

bool rp_socket_is_stopped(const struct rp_socket *socket) {
    for (size_t i = 0; i < socket->owner_count; i++)
        if (rp_process_state(&socket->owners[i].process) != 'T') return false;
    return socket->owner_count > 0;
}

int rp_socket_take(const struct rp_socket *socket, const struct rp_owner *owner) {
    struct stat status;
    const int process = (int)syscall(SYS_pidfd_open, owner->process.pid, 0);
    if (process < 0) return -1;
    const int fd = rp_getfd(process, owner->fd);
    const int error = errno;
    close(process);
    errno = error;
    if (fd < 0) return -1;
    /* The owner may have closed it or ended, and its number been reused. */
    if (!fstat(fd, &status) && S_ISSOCK(status.st_mode) && (uint32_t)status.st_ino == socket->inode)
        return fd;
    rp_close_hurriedly(fd); /* it may be anything, and be closed by its owner meanwhile */
    errno = EBADF;
    return -1;
}

/* Reads SO_REUSEPORT, whether it is MPTCP, which sock_diag tells of listeners only and to those who
 * ask for MPTCP alone, and what /proc/net does not show. Returns false and errno if it cannot. */
static bool read_through(int fd, struct rp_socket *socket) {
    int value;
    socklen_t size = sizeof(value);
    if (getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &size)) return false;
    socket->shares = value ? RP_YES : RP_NO;
    if (socket->ipv6 && !getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, &size))
        socket->ipv6_only = value;
    if (!getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &value, &size))
        socket->interface = (uint32_t)value;
    if (!getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &size))
        socket->mptcp = value == IPPROTO_MPTCP ? RP_YES : RP_NO;
    return true;
}

void rp_socket_read_option(struct rp_socket *socket, int *why_unknown) {
    for (size_t i = 0; i < socket->owner_count && socket->shares == RP_UNKNOWN; i++) {
        const int fd = rp_socket_take(socket, &socket->owners[i]);
        if (fd < 0 || !read_through(fd, socket)) *why_unknown = errno;
        if (fd >= 0) rp_close_hurriedly(fd);
    }
    if (!socket->owner_count) *why_unknown = RP_NO_OWNER;
}

/* Sockets may have been asked for twice, as by "80 80/tcp". */
static void drop_twins(struct rp_sockets *sockets) {
    size_t kept = 0;
    rp_sockets_index(sockets);
    for (size_t i = 0; i < sockets->count; i++)
        if (!kept || sockets->list[i].inode != sockets->list[kept - 1].inode)
            sockets->list[kept++] = sockets->list[i];
    sockets->count = kept;
}

void rp_sockets_examine(struct rp_sockets *sockets, bool quickly) {
    bool found = quickly;
    drop_twins(sockets);
    if (quickly) walk_all(sockets, RP_LOW_DESCRIPTORS);
    for (size_t i = 0; i < sockets->count; i++) found = found && sockets->list[i].owner_count;
    if (!found) rp_sockets_find_owners(sockets);
    for (size_t i = 0; i < sockets->count; i++)
        rp_socket_read_option(&sockets->list[i], &sockets->why_unknown);
}
