/* From a command to the program that is run in the end, and what stands between it and a preload. */
#include "launch/preflight.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
    SCRIPTS_MAX = 5,   /* the kernel follows no more (execve(2), ELOOP) */
    CAP_EFFECTIVE = 1, /* VFS_CAP_FLAGS_EFFECTIVE of the kernel */
    FINE = 0,
    NO_PRELOAD = 1 << RP_PRELOAD,
    NO_SECCOMP = 1 << RP_SECCOMP,
    NO_WAY = 1 << RP_PRELOAD | 1 << RP_SECCOMP,
};

static void find(struct rp_preflight *reach, unsigned hinders, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void rp_make_plain(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f) *text = '?';
}

static void find(struct rp_preflight *reach, unsigned hinders, const char *format, ...) {
    reach->hindered |= hinders;
    if (reach->count == RP_FINDINGS_MAX) return;
    struct rp_finding *finding = &reach->findings[reach->count++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->text, sizeof(finding->text), format, arguments);
    va_end(arguments);
    rp_make_plain(finding->text);
    finding->hinders = hinders;
}

static int try_file(const char *path) {
    struct stat status;
    if (stat(path, &status)) return errno;
    if (!S_ISREG(status.st_mode) || access(path, X_OK)) return EACCES;
    return 0;
}

int rp_find_command(const char *command, char path[PATH_MAX]) {
    const char *directory = getenv("PATH");
    int error = ENOENT;
    if (!*command || strlen(command) >= PATH_MAX) return ENOENT;
    if (strchr(command, '/')) return try_file(memcpy(path, command, strlen(command) + 1));
    for (directory = directory ? directory : "/bin:/usr/bin"; directory;) {
        const size_t length = strcspn(directory, ":");
        const int size = snprintf(path, PATH_MAX, "%.*s/%s", length ? (int)length : 1,
                                  length ? directory : ".", command);
        const int result = size < PATH_MAX ? try_file(path) : ENOENT;
        if (!result) return 0;
        if (result == EACCES) error = EACCES;
        directory = directory[length] ? directory + length + 1 : NULL;
    }
    return error;
}

/* Whether execve(2) makes the process a secure one for the file's capabilities: it does so for effective
 * ones even where no_new_privs withholds them (capabilities(7), xattr(7)). */
static bool has_capabilities(const char *path, bool no_new_privileges) {
    uint32_t data[6] = {0}; /* struct vfs_ns_cap_data of the kernel, little-endian */
    if (getuid() == 0 || getxattr(path, "security.capability", data, sizeof(data)) < 4)
        return false;
    return (le32toh(data[0]) & CAP_EFFECTIVE) ||
           (!no_new_privileges && (data[1] || data[3])); /* permitted ones */
}

/* By the path, as a file that may be run need not be one that may be opened. */
static void examine_rights(struct rp_preflight *reach, const char *path) {
    struct stat status;
    struct statvfs mount;
    const bool bound = prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1;
    if (stat(path, &status) || (!statvfs(path, &mount) && (mount.f_flag & ST_NOSUID))) return;
    if (!bound && (status.st_mode & S_ISUID) && status.st_uid != getuid())
        find(reach, NO_WAY,
             "%s: set-user-id: the loader ignores LD_PRELOAD; start it as its owner, uid %u, or "
             "without that bit",
             path, (unsigned)status.st_uid);
    if (!bound && (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
        status.st_gid != getgid())
        find(reach, NO_WAY,
             "%s: set-group-id: the loader ignores LD_PRELOAD; start it in its group, gid %u, or "
             "without that bit",
             path, (unsigned)status.st_gid);
    if (has_capabilities(path, bound))
        find(reach, NO_WAY,
             "%s: has file capabilities: the loader ignores LD_PRELOAD; take them away (setcap -r) "
             "and start it with ambient ones (setpriv --inh-caps +net_bind_service --ambient-caps "
             "+net_bind_service), or for low ports lower net.ipv4.ip_unprivileged_port_start",
             path);
}

static const char *machine_text(const struct rp_executable *program, char text[32]) {
    const char *name = rp_machine_name(program->machine, program->elf_class);
    if (name) return name;
    snprintf(text, 32, "machine %u", program->machine);
    return text;
}

static void examine_program(struct rp_preflight *reach, const char *path,
                            const struct rp_executable *program,
                            const struct rp_executable *library) {
    char text[32], other[32];
    const char *machine = machine_text(program, text);
    const char *libc = program->libc == RP_LIBC_GLIBC  ? "glibc"
                       : program->libc == RP_LIBC_MUSL ? "musl"
                                                       : "another libc";
    if (sizeof(void *) == 4 && program->elf_class == ELFCLASS64)
        find(reach, NO_SECCOMP,
             "%s: for %s, and this command has 32 bits: -m seccomp needs one of 64", path, machine);
    if (program->is_library) {
        reach->error = ENOEXEC;
        find(reach, NO_WAY, "%s: a shared library, no program", path);
    } else if (library &&
               (program->elf_class != library->elf_class || program->machine != library->machine ||
                program->foreign_order != library->foreign_order)) {
        find(reach, NO_PRELOAD,
             "%s: for %s, and the library is for %s; build the library for %s and name it with "
             "--library, or let -m seccomp do it",
             path, machine, machine_text(library, other), machine);
    } else if (program->is_go) {
        find(reach, NO_PRELOAD,
             "%s: a Go program: it makes its own system calls, which no preload sees; set "
             "SO_REUSEPORT in its code (net.ListenConfig), or let -m seccomp do it",
             path);
    } else if (!program->is_dynamic) {
        find(reach, NO_PRELOAD,
             "%s: static: there is no loader to read LD_PRELOAD; take a dynamically linked "
             "build, or let -m seccomp do it",
             path);
    } else if ((reach->error = try_file(program->interpreter)) != 0) {
        find(reach, NO_WAY, "%s: its loader %s: %s; install its libc", path, program->interpreter,
             strerror(reach->error));
    } else if (!(reach->hindered & NO_PRELOAD)) {
        find(reach, FINE, "%s: dynamic, %s, %s: the library reaches it", path, libc, machine);
    }
}

/* The kernel gives env(1) one argument, a command with its blanks; only after -S it is split into words.
 * Blanks out that option. Returns false if there is none. */
static bool take_split_option(char *argument) {
    static const char name[] = "--split-string=";
    const size_t flags = 1 + strspn(argument + (*argument == '-'), "iv0");
    if (!strncmp(argument, name, strlen(name))) {
        memset(argument, ' ', strlen(name));
        return true;
    }
    if (*argument != '-' || argument[flags] != 'S') return false;
    argument[flags] = ' ';
    if (flags == 1) *argument = ' ';
    return true;
}

static bool empties_environment(const char *option) {
    return !strcmp(option, "-") || !strcmp(option, "--ignore-environment") ||
           (*option == '-' && option[1 + strspn(option + 1, "v0")] == 'i');
}

/* env runs the next word that is neither an option, nor an option's value, nor a setting. */
static const char *env_command(struct rp_preflight *reach, const char *path, char *argument) {
    const char *separators = take_split_option(argument) ? " \t" : "";
    char *rest = NULL;
    bool is_value = false;
    for (char *word = strtok_r(argument, separators, &rest); word;
         word = strtok_r(NULL, separators, &rest)) {
        if (strstr(word, "LD_PRELOAD"))
            find(reach, NO_PRELOAD, "%s: env changes LD_PRELOAD", path);
        else if (!is_value && empties_environment(word))
            find(reach, NO_PRELOAD, "%s: env %s empties the environment, and LD_PRELOAD with it",
                 path, word);
        if (!is_value && *word != '-' && !strchr(word, '=')) return word;
        is_value = !strcmp(word, "-u") || !strcmp(word, "-C");
    }
    return NULL;
}

/* Finds what a script is run by: path becomes that. Only env searches PATH. Returns false if it cannot be
 * told. */
static bool follow(struct rp_preflight *reach, char path[PATH_MAX], struct rp_script *script) {
    const char *slash = strrchr(script->interpreter, '/');
    const char *command = script->interpreter;
    int error = try_file(command);
    char found[PATH_MAX];
    find(reach, FINE, "%s: a script, run by %s%s%s", path, script->interpreter,
         *script->argument ? " " : "", script->argument);
    memcpy(found, script->interpreter, sizeof(script->interpreter));
    if (!error && !strcmp(slash ? slash + 1 : command, "env")) {
        command = env_command(reach, path, script->argument);
        error = command ? rp_find_command(command, found) : ENOENT;
    }
    if (error) {
        reach->error = error;
        find(reach, NO_WAY, "%s: what runs it, %s: %s", path, command ? command : "env",
             command ? strerror(error) : "names no command");
        return false;
    }
    memcpy(path, found, sizeof(found));
    return true;
}

/* Opens a regular file. Returns -1 and sets errno: to EACCES also for whatever is none. */
static int open_regular(const char *path, struct stat *status) {
    const int error = try_file(path);
    const int fd = error ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (error) errno = error;
    if (fd >= 0 && (fstat(fd, status) || !S_ISREG(status->st_mode))) {
        close(fd);
        errno = EACCES;
        return -1;
    }
    return fd;
}

void rp_preflight_examine(const char *name, const struct rp_executable *library,
                          struct rp_preflight *reach) {
    char path[PATH_MAX];
    bool again = true;
    memset(reach, 0, sizeof(*reach));
    snprintf(path, sizeof(path), "%s", name);
    for (int depth = 0; again; depth++) {
        struct rp_executable program;
        struct rp_script script;
        struct stat status;
        const char *why;
        const int fd = open_regular(path, &status);
        again = false;
        if (fd < 0) {
            reach->error = try_file(path);
            if (!reach->error) examine_rights(reach, path);
            /* Nor may anybody but root look into such a process (proc(5), dumpable). */
            find(reach, reach->error ? NO_WAY : NO_SECCOMP, "%s: %s", path,
                 reach->error ? strerror(reach->error)
                              : "cannot be read, so nobody knows whether the library reaches it");
            break;
        }
        switch (depth > SCRIPTS_MAX ? RP_BROKEN : rp_executable_read(fd, &program, &script, &why)) {
        case RP_SCRIPT:
            again = follow(reach, path, &script);
            break;
        case RP_ELF:
            examine_rights(reach, path);
            examine_program(reach, path, &program, library);
            break;
        case RP_BROKEN:
            reach->error = depth > SCRIPTS_MAX ? ELOOP : ENOEXEC;
            find(reach, NO_WAY, "%s: %s", path,
                 depth > SCRIPTS_MAX ? "scripts run by scripts, more than the kernel follows"
                                     : why);
            break;
        }
        close(fd);
    }
}

const char *rp_preflight_hindrance(const struct rp_preflight *reach, enum rp_method method) {
    for (unsigned i = 0; i < reach->count; i++)
        if (reach->findings[i].hinders >> method & 1) return reach->findings[i].text;
    return NULL;
}

enum rp_method rp_preflight_method(const struct rp_preflight *reach, enum rp_method wanted) {
    if (wanted != RP_AUTO) return wanted;
    return reach->hindered == NO_PRELOAD ? RP_SECCOMP : RP_PRELOAD;
}
