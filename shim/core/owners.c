/* The walk through /proc, by raw system calls on buffers on the stack: the library makes it in bind. */
#include "core/owners.h"

#include "core/lines.h"
#include "core/message.h"
#include "core/procnet.h"

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

static bool open_directory(struct directory *directory, int parent, const char *path) {
    directory->start = directory->end = 0;
    directory->fd = (int)syscall(SYS_openat, parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    return directory->fd >= 0;
}

/* The name of the next entry that is a number, or NULL. It stands 19 bytes into a linux_dirent64. */
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

static bool walk_process(int proc, uint32_t pid, unsigned *budget, unsigned most,
                         rp_owner_visit *visit, void *context) {
    struct rp_message path = {0};
    struct directory files;
    const char *name = NULL;
    bool go_on = true;
    rp_say_number(&path, pid);
    rp_say(&path, "/fd");
    if (!open_directory(&files, proc, path.text)) return true;
    while (go_on && *budget && most-- && (name = next_number(&files))) {
        char link[32] = {0};
        --*budget;
        syscall(SYS_readlinkat, files.fd, name, link, sizeof(link) - 1);
        if (!memcmp(link, "socket:[", 8))
            go_on =
                visit(context, (int)pid, (int)rp_number(name, 10, 10), rp_number(link + 8, 10, 10));
    }
    syscall(SYS_close, files.fd);
    return go_on;
}

void rp_owners_walk(unsigned budget, unsigned most, rp_owner_visit *visit, void *context) {
    struct directory proc;
    const char *name;
    if (!open_directory(&proc, AT_FDCWD, "/proc")) return;
    while (budget && (name = next_number(&proc))) {
        budget--;
        if (!walk_process(proc.fd, rp_number(name, 10, 10), &budget, most, visit, context)) break;
    }
    syscall(SYS_close, proc.fd);
}
