/* SPDX-License-Identifier: MIT */
/* The kernel does not show which program a group has, but a process that holds one may have
 * attached it. */
#include "inspect/programs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of enum bpf_prog_type, which older kernel headers lack in part. */
enum { SOCKET_FILTER = 1, SK_REUSEPORT = 21 };

static bool is_program(int descriptors, const char *fd) {
    static const char program[] = "anon_inode:bpf-prog";
    char target[64];
    const ssize_t length = readlinkat(descriptors, fd, target, sizeof(target));
    return length == (ssize_t)strlen(program) && !memcmp(target, program, strlen(program));
}

static const char *type_of(int directory, const char *fd) {
    char path[sizeof(((struct dirent *)0)->d_name) + 16], line[128];
    unsigned type = 0;
    snprintf(path, sizeof(path), "fdinfo/%s", fd);
    const int info = openat(directory, path, O_RDONLY | O_CLOEXEC);
    FILE *file = info < 0 ? NULL : fdopen(info, "r");
    if (!file && info >= 0) close(info);
    while (file && fgets(line, sizeof(line), file) && sscanf(line, "prog_type: %u", &type) != 1) {
    }
    if (file) fclose(file);
    return type == SK_REUSEPORT ? "sk_reuseport" : type == SOCKET_FILTER ? "socket_filter" : NULL;
}

const char *rp_process_program(const struct rp_process *process) {
    unsigned long long start;
    const char *type = NULL;
    const int directory = rp_process_open(process->pid);
    const bool same =
        directory >= 0 && rp_process_start(directory, &start) && start == process->start;
    const int descriptors = same ? openat(directory, "fd", O_RDONLY | O_CLOEXEC) : -1;
    DIR *list = descriptors < 0 ? NULL : fdopendir(descriptors);
    if (!list && descriptors >= 0) close(descriptors);
    for (const struct dirent *entry; list && !type && (entry = readdir(list));)
        if (is_program(descriptors, entry->d_name)) type = type_of(directory, entry->d_name);
    if (list) closedir(list);
    if (directory >= 0) close(directory);
    return type;
}
