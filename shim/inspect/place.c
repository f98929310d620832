/* SPDX-License-Identifier: MIT */
/* Reads files that anybody may read, except exe and environ. Lines are recognized by their starts,
 * which no name can fake: status escapes newlines, and paths of control groups cannot contain them.
 */
#include "inspect/place.h"

#include "inspect/environ.h"
#include "inspect/sockets.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static FILE *open_file(pid_t pid, const char *name) {
    const int directory = rp_process_open(pid);
    const int fd = directory < 0 ? -1 : openat(directory, name, O_RDONLY | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file && fd >= 0) close(fd);
    if (directory >= 0) close(directory);
    return file;
}

pid_t rp_process_inner_pid(pid_t pid) {
    char line[1024];
    FILE *file = open_file(pid, "status");
    pid_t inner = 0;
    while (file && !inner && fgets(line, sizeof(line), file)) {
        const char *last = strncmp(line, "NSpid:", 6) != 0 ? NULL : strrchr(line, '\t');
        if (last) inner = (pid_t)strtol(last, NULL, 10);
    }
    if (file) fclose(file);
    return inner;
}

/* Stores the path if the line is of that hierarchy, and the path is not just "/". */
static void read_path(const char *line, const char *hierarchy, char path[RP_CGROUP_SIZE]) {
    const char *from = strchr(line, ':');
    if (!from || strncmp(from, hierarchy, strlen(hierarchy)) != 0) return;
    from += strlen(hierarchy);
    const size_t length = strcspn(from, "\n");
    if (length > 1 && from[length] && length < RP_CGROUP_SIZE)
        snprintf(path, RP_CGROUP_SIZE, "%.*s", (int)length, from);
}

const char *rp_process_cgroup(pid_t pid, char path[RP_CGROUP_SIZE]) {
    char line[RP_CGROUP_SIZE + 64];
    FILE *file = open_file(pid, "cgroup");
    *path = '\0';
    /* The unified one stands last. */
    while (file && fgets(line, sizeof(line), file)) {
        read_path(line, ":name=systemd:", path);
        if (!strncmp(line, "0::", 3)) read_path(line, "::", path);
    }
    if (file) fclose(file);
    return path;
}

static bool find_file(pid_t pid, const char *name, struct stat *file) {
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return !stat(path, file);
}

/* Whether a link of both processes leads to one file, or to two. */
static enum rp_answer leads_to_one(pid_t one, pid_t other, const char *name) {
    struct stat first, second;
    if (!find_file(one, name, &first) || !find_file(other, name, &second)) return RP_UNKNOWN;
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino ? RP_YES : RP_NO;
}

bool rp_process_is_apart(pid_t one, pid_t other) {
    return leads_to_one(one, other, "ns/pid") == RP_NO;
}

bool rp_process_is_same_program(pid_t one, pid_t other) {
    return leads_to_one(one, other, "exe") == RP_YES;
}

bool rp_process_is_shell(pid_t pid) {
    static const char *const names[] = {"sh", "dash", "bash", "ash", "busybox", "ksh", "zsh"};
    char path[32], file[1024] = "";
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    if (readlink(path, file, sizeof(file) - 1) < 0) return false;
    const char *name = strrchr(file, '/');
    for (size_t i = 0; name && i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(name + 1, names[i])) return true;
    return false;
}

bool rp_process_variable(pid_t pid, const char *name, char value[RP_VALUE_SIZE]) {
    const size_t length = strlen(name);
    size_t size = 0;
    bool found = false;
    const int directory = rp_process_open(pid);
    char *text = directory < 0 ? NULL : rp_environ_read(directory, &size);
    for (const char *at = text; at && !found && at < text + size; at += strlen(at) + 1)
        if (!strncmp(at, name, length) && at[length] == '=')
            found = snprintf(value, RP_VALUE_SIZE, "%s", at + length + 1) < RP_VALUE_SIZE;
    free(text);
    if (directory >= 0) close(directory);
    return found;
}

/* Reads process group, session and terminal, the fields behind state and parent. */
static bool read_stat(pid_t pid, int *group, int *session, int *terminal) {
    char text[512];
    FILE *file = open_file(pid, "stat");
    const size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file) fclose(file);
    text[length] = '\0';
    const char *end = strrchr(text, ')'); /* of the name, which may have more of them */
    return end && sscanf(end, ") %*c %*d %d %d %d", group, session, terminal) == 3;
}

pid_t rp_process_group(pid_t pid) {
    int group, session, terminal;
    return read_stat(pid, &group, &session, &terminal) ? group : -1;
}

bool rp_process_is_job(pid_t shell, pid_t child) {
    int group, session, terminal;
    return read_stat(shell, &group, &session, &terminal) && terminal &&
           (session == shell || rp_process_is_shell(shell)) && rp_process_group(child) != group;
}

struct elders {
    const struct rp_process *process;
    pid_t parent;
    rp_sibling_test *test;
    const void *context;
    bool any;
};

/* PIDs rise within a clock tick, except where they begin anew. */
static bool is_older(const struct rp_process *one, const struct rp_process *other) {
    return one->start != other->start ? one->start < other->start : one->pid < other->pid;
}

static void compare(void *context, pid_t pid) {
    struct elders *elders = context;
    struct rp_process sibling;
    struct rp_status status;
    if (elders->any || !rp_process_find(pid, &sibling, &status)) return;
    elders->any = status.parent == elders->parent && status.state != 'Z' &&
                  is_older(&sibling, elders->process) &&
                  (!elders->test || elders->test(elders->context, pid));
}

bool rp_process_has_elder(const struct rp_process *process, pid_t parent, rp_sibling_test *test,
                          const void *context) {
    struct elders elders = {process, parent, test, context, false};
    rp_process_visit_children(parent, compare, &elders);
    return elders.any;
}
