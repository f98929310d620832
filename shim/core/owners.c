/* SPDX-License-Identifier: MIT */
/* The walk through /proc, by raw system calls on buffers on the stack: the library makes it in
 * bind(). */
#include "core/owners.h"

#include "core/lines.h"
#include "core/message.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A directory of numbers, read by getdents(2). */
struct directory {
    int fd;
    long start, end;
    char buffer[512];
};

static bool open_directory(struct directory *directory, const char *path) {
    directory->start = directory->end = 0;
    directory->fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    return directory->fd >= 0;
}

/* The name of the next entry that is a number, or NULL. It stands 19 bytes into a
 * linux_dirent64. */
static const char *next_number(struct directory *directory) {
    for (;;) {
        if (directory->start >= directory->end) {
            directory->start = 0;
            directory->end = syscall(SYS_getdents64, directory->fd, directory->buffer,
                                     sizeof(directory->buffer));
            if (directory->end <= 0) return NULL;
        }
        const char *entry = directory->buffer + directory->start;
        unsigned short size;
        memcpy(&size, entry + 16, sizeof(size));
        directory->start += size;
        if (entry[19] >= '0' && entry[19] <= '9') return entry + 19;
    }
}

/* Sets path to /proc/PID and what is behind it. */
static void say_path(struct rp_message *path, uint32_t pid, const char *behind) {
    path->length = 0;
    rp_say(path, "/proc/");
    rp_say_number(path, pid);
    rp_say(path, behind);
    path->text[path->length] = '\0';
}

bool rp_owners_of(uint32_t pid, struct rp_range range, struct rp_budget *budget,
                  rp_owner_visit *visit, void *context) {
    enum { OPENING = 8, READING = 3 }; /* microseconds */
    struct rp_message path;
    struct directory files;
    const char *name;
    bool go_on = rp_budget_left(budget, OPENING);
    say_path(&path, pid, "/fd");
    if (!go_on || !open_directory(&files, path.text)) return go_on;
    while (go_on && (name = next_number(&files))) {
        char link[32] = {0};
        const uint32_t fd = rp_number(name, 10, 10);
        if (fd < range.from) continue;
        if (fd >= range.to) break;
        syscall(SYS_readlinkat, files.fd, name, link, sizeof(link) - 1);
        if (!memcmp(link, "socket:[", 8))
            go_on = visit(context, (int)pid, (int)fd, rp_number(link + 8, 10, 10));
        go_on = go_on && rp_budget_left(budget, READING);
    }
    syscall(SYS_close, files.fd);
    return go_on;
}

unsigned rp_owners_list(uint32_t *pids, unsigned most) {
    struct directory proc;
    const char *name;
    unsigned count = 0;
    if (!open_directory(&proc, "/proc")) return 0;
    while ((name = next_number(&proc))) pids[count++ % most] = rp_number(name, 10, 10);
    syscall(SYS_close, proc.fd);
    return count;
}

/* What follows "KEY:" and blanks, or NULL if the line has another key. */
static const char *value_of(const char *line, const char *key) {
    while (*key && *line == *key) {
        line++;
        key++;
    }
    if (*key || *line != ':') return NULL;
    do line++;
    while (*line == ' ' || *line == '\t');
    return line;
}

const char *rp_owner_status(struct rp_lines *lines, uint32_t pid, const char *key) {
    struct rp_message path;
    const char *line, *value = NULL;
    say_path(&path, pid, "/status");
    if (!rp_lines_open(lines, path.text)) return NULL;
    while (!value && (line = rp_lines_next(lines))) value = value_of(line, key);
    rp_lines_close(lines);
    return value;
}
