/* SPDX-License-Identifier: MIT */
/* reuseport check PID: whether a running process shares its ports, and what is in the way. All is
 * read below one descriptor of /proc/PID, and the library is known by device and inode. */
#include "command/check.h"

#include "base/die.h"
#include "core/procnet.h"
#include "inspect/environ.h"
#include "inspect/holders.h"
#include "inspect/process.h"
#include "inspect/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void print_unreadable(const char *process, const char *name) {
    printf("%s: its %s: %s; ask as root, or as its user\n", process, name, strerror(errno));
}

/* Whether the library's file is mapped; *namesake: another one of its name is. */
static bool is_mapped(FILE *maps, const struct stat *library, bool *namesake) {
    unsigned major_number, minor_number;
    unsigned long long inode;
    bool mapped = false;
    size_t size = 0;
    char *line = NULL;
    while (!mapped && getline(&line, &size, maps) > 0) {
        if (sscanf(line, "%*s %*s %*s %x:%x %llu", &major_number, &minor_number, &inode) != 3)
            continue;
        mapped = inode == library->st_ino && major_number == major(library->st_dev) &&
                 minor_number == minor(library->st_dev);
        if (strstr(line, "/libreuseport.so")) *namesake = true;
    }
    free(line);
    return mapped;
}

static bool check_maps(int directory, const char *process, const char *library, bool shares) {
    struct stat status;
    bool namesake = false;
    const int fd = openat(directory, "maps", O_RDONLY | O_CLOEXEC);
    FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
    if (!maps) {
        print_unreadable(process, "maps");
        return false;
    }
    const bool mapped = !stat(library, &status) && is_mapped(maps, &status, &namesake);
    fclose(maps);
    if (mapped)
        printf("%s: the library is loaded\n", process);
    else if (namesake)
        printf("%s: a file named libreuseport.so is loaded, but not %s; name the one meant with "
               "--library\n",
               process, library);
    else
        printf("%s: the library is not loaded%s\n", process,
               shares ? "" : "; start it by \"reuseport run\"");
    return mapped;
}

/* The environment that the process started with. *watched: by a watcher of run -m seccomp. Returns
 * whether it has a list for the library. */
static bool check_environment(int directory, const char *process, bool *watched) {
    static const char ports[] = "REUSEPORT_PORTS=", seccomp[] = "REUSEPORT_SECCOMP=";
    size_t size;
    bool list = false;
    char *text = rp_environ_read(directory, &size);
    if (!text) {
        print_unreadable(process, "environ");
        return false;
    }
    for (char *entry = text; entry < text + size; entry += strlen(entry) + 1) {
        if (!strncmp(entry, seccomp, sizeof(seccomp) - 1)) *watched = true;
        if (strncmp(entry, ports, sizeof(ports) - 1) != 0 || !entry[sizeof(ports) - 1]) continue;
        list = true;
        printf("%s: started with %s\n", process, rp_make_plain(entry));
    }
    if (!list) /* nginx and redis overwrite it with their title for ps(1) */
        printf("%s: no REUSEPORT_PORTS in its environment, unless that was overwritten\n", process);
    free(text);
    return list;
}

/* Whether it has a seccomp filter that this process has not: those of a container all have. */
static bool check_filters(pid_t pid, const char *process, bool shares, bool *watched) {
    const int filters = rp_process_filters(pid), own = rp_process_filters(getpid());
    *watched = *watched && filters > 0;
    if (*watched)
        printf("%s: has a seccomp filter, and was started by \"reuseport run -m seccomp\"\n",
               process);
    else if (filters > own && !shares)
        printf("%s: has a seccomp filter, which may keep the library from sharing; \"reuseport run "
               "-m seccomp\" goes round that\n",
               process);
    return filters > own;
}

/* Whether the process and its descendants share all that they listen on, whoever sees to that. */
static bool check_listeners(pid_t pid, const char *process) {
    const struct rp_wanted wanted = {.protos = RP_TCP | RP_UDP};
    struct rp_sockets sockets = {0};
    struct rp_tree tree = {0};
    char name[RP_SOCKET_TEXT], last[RP_SOCKET_TEXT] = "";
    bool shared = false, unshared = false;
    if (!rp_tree_plant(&tree, pid)) return false;
    rp_tree_grow(&tree);
    rp_sockets_find(&wanted, &sockets);
    rp_sockets_find_members(&sockets, &tree);
    rp_sockets_sort(&sockets);
    for (size_t i = 0; i < sockets.count; i++) {
        struct rp_socket *socket = &sockets.list[i];
        if (!socket->owner_count || socket->remote.port) continue;
        rp_socket_read_option(socket, &sockets.why_unknown);
        shared = shared || socket->shares == RP_YES;
        unshared = unshared || (socket->state == RP_LISTEN && socket->shares != RP_YES);
        if (socket->shares != RP_YES || !strcmp(last, rp_socket_text(socket, name))) continue;
        printf("%s: it, or what it has started, shares %s\n", process, name);
        memcpy(last, name, sizeof(last));
    }
    rp_sockets_free(&sockets);
    rp_tree_free(&tree);
    return shared && !unshared;
}

bool rp_check_process(pid_t pid, const char *library, enum rp_method method) {
    struct rp_process before;
    unsigned long long start = 0;
    char name[RP_NAME_SIZE], process[RP_NAME_SIZE + 32];
    bool watched = false;
    if (!rp_process_find(pid, &before, NULL))
        rp_die("check: %d: %s", (int)pid, rp_missing_reason(pid));
    const int directory = rp_process_open(pid);
    snprintf(process, sizeof(process), "pid %d (%s)", (int)pid, rp_process_name(&before, name));
    const bool shares = check_listeners(pid, process);
    const bool mapped = check_maps(directory, process, library, shares);
    const bool list = check_environment(directory, process, &watched);
    const bool filtered = check_filters(pid, process, shares, &watched);
    if (!rp_process_start(directory, &start) || start != before.start)
        rp_die("check: %s has ended", process);
    close(directory);
    const bool preloaded = mapped && list && !filtered;
    return shares || (method == RP_SECCOMP ? watched : preloaded || (method == RP_AUTO && watched));
}
