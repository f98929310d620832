/* SPDX-License-Identifier: MIT */
/* As an ordinary user, makes binds that freeze whoever looks into them: what it touches belongs to
 * a FUSE file system whose daemon answers neither reads nor writes nor closing:
 *
 *     frozen FUSE-DEVICE PORT HOW [COUNT]
 *     frozen FUSE-DEVICE run COMMAND...
 *
 * HOW: memory, the address, which only users of its namespace can read; call, the arguments of
 * socketcall(2) there; socket, a UDP socket locked by a sendto(2) from there; file, a file instead
 * of a socket; error, that file as standard error. run: runs COMMAND, which the daemon outlives,
 * with the file as descriptor 9, which is a FUSE-DEVICE, too; only watchers freeze as they write or
 * close.
 * Prints the daemon's PID, then each bind's result, and waits for standard input. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, FILE_FD = 9 };

static const size_t file_size = 64UL * PAGE;
static bool only_watchers;

static void fail(const char *what) {
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static void write_file(const char *path, const char *text) {
    const int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) fail(path);
    close(fd);
}

static void reply(int fd, uint64_t unique, int error, const void *data, size_t size) {
    char buffer[256];
    const struct fuse_out_header head = {(uint32_t)(sizeof(head) + size), error, unique};
    memcpy(buffer, &head, sizeof(head));
    if (size) memcpy(buffer + sizeof(head), data, size);
    if (write(fd, buffer, sizeof(head) + size) < 0) return;
}

static struct fuse_attr attributes(uint64_t node) {
    return (struct fuse_attr){.ino = node,
                              .mode = node == 1 ? S_IFDIR | 0755 : S_IFREG | 0666,
                              .nlink = 1,
                              .size = file_size,
                              .blksize = PAGE};
}

/* Whether to let that process write and close. */
static bool spares(unsigned pid) {
    char path[32], comm[32] = "";
    snprintf(path, sizeof(path), "/proc/%u/comm", pid);
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, comm, sizeof(comm) - 1) < 0) comm[0] = '\0';
    close(fd);
    return only_watchers && strcmp(comm, "reuseport-watch\n") != 0;
}

static void answer(int fd, const struct fuse_in_header *in) {
    const struct fuse_init_out init = {
        .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = PAGE};
    const struct fuse_entry_out entry = {
        .nodeid = 2, .entry_valid = 1000, .attr_valid = 1000, .attr = attributes(2)};
    const struct fuse_attr_out attr = {.attr_valid = 1000, .attr = attributes(in->nodeid)};
    const struct fuse_open_out opened = {.fh = 0};
    const struct fuse_write_out written = {
        .size = in->opcode == FUSE_WRITE ? ((const struct fuse_write_in *)(in + 1))->size : 0};
    switch (in->opcode) {
    case FUSE_INIT:
        reply(fd, in->unique, 0, &init, sizeof(init));
        break;
    case FUSE_LOOKUP:
        reply(fd, in->unique, 0, &entry, sizeof(entry));
        break;
    case FUSE_GETATTR:
        reply(fd, in->unique, 0, &attr, sizeof(attr));
        break;
    case FUSE_OPEN:
        reply(fd, in->unique, 0, &opened, sizeof(opened));
        break;
    case FUSE_WRITE:
        if (spares(in->pid)) reply(fd, in->unique, 0, &written, sizeof(written));
        break;
    case FUSE_FLUSH:
        if (spares(in->pid)) reply(fd, in->unique, 0, NULL, 0);
        break;
    case FUSE_READ:
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
        break;
    default:
        reply(fd, in->unique, -ENOSYS, NULL, 0);
    }
}

static void serve(int fd) {
    static _Alignas(8) char buffer[1 << 20];
    for (;;) {
        const ssize_t got = read(fd, buffer, sizeof(buffer));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) _exit(0);
        answer(fd, (const void *)buffer);
    }
}

/* Mounts the file system, and returns its one file. */
static int mount_frozen(const char *device) {
    char map[64], options[128];
    const unsigned user = getuid(), group = getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) fail("unshare");
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "0 %u 1", user);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "0 %u 1", group);
    write_file("/proc/self/gid_map", map);
    const int fuse = open(device, O_RDWR | O_CLOEXEC);
    if (fuse < 0) fail(device);
    snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
    if (mount("frozen", "/mnt", "fuse", MS_NOSUID | MS_NODEV, options)) fail("mount");
    const pid_t daemon = fork();
    if (daemon == 0 && !only_watchers) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (daemon == 0) serve(fuse);
    close(fuse);
    const int file = open("/mnt/file", O_RDWR);
    if (file < 0) fail("/mnt/file");
    printf("daemon=%d\n", (int)daemon);
    return file;
}

/* The bytes reach sendto(2), which holds the socket's lock while it waits for them. */
static void lock_socket(int fd, const char *memory) {
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sendto(fd, memory, PAGE, MSG_MORE, (const void *)&to, sizeof(to));
        _exit(0);
    }
    poll(NULL, 0, 300);
}

/* bind(2) with its arguments in that memory, where there is such a call. */
static int call_bind(const char *memory) {
#ifdef SYS_socketcall
    return (int)syscall(SYS_socketcall, 2L, memory);
#else
    (void)memory;
    errno = ENOSYS;
    return -1;
#endif
}

static int freeze(const char *how, int port, int file, const char *memory) {
    const struct sockaddr_in here = {.sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
    if (!strcmp(how, "error")) dup2(file, STDERR_FILENO);
    const int fd = socket(AF_INET, strcmp(how, "socket") ? SOCK_STREAM : SOCK_DGRAM, 0);
    if (!strcmp(how, "memory")) return bind(fd, (const void *)memory, sizeof(here));
    if (!strcmp(how, "call")) return call_bind(memory);
    if (!strcmp(how, "file")) return bind(file, (const void *)&here, sizeof(here));
    if (!strcmp(how, "socket")) lock_socket(fd, memory);
    return bind(fd, (const void *)&here, sizeof(here));
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 4) return 2;
    only_watchers = !strcmp(argv[2], "run");
    const int file = strcmp(argv[1], "9") ? mount_frozen(argv[1]) : FILE_FD;
    if (only_watchers) {
        dup2(file, FILE_FD);
        execv(argv[3], argv + 3);
        fail(argv[3]);
    }
    char *memory = mmap(NULL, file_size, PROT_READ, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED || madvise(memory, file_size, MADV_RANDOM)) fail("mmap");
    for (int i = 0; i < (argc > 4 ? atoi(argv[4]) : 1); i++) {
        if (fork()) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        printf("binding\n");
        const int result = freeze(argv[3], atoi(argv[2]), file, memory + (ptrdiff_t)PAGE * i);
        printf("bind=%s\n", result ? strerror(errno) : "ok");
        pause();
    }
    return getchar() == EOF ? 0 : 1;
}
