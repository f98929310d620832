/* From a command to the program that is run in the end, and what stands between it and a preload. */
#include "reach.h"

#include <elf.h>
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

enum { SCRIPTS_MAX = 5 }; /* the kernel follows no more (execve(2), ELOOP) */

static void find(struct rp_reach *reach, bool hinders, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void find(struct rp_reach *reach, bool hinders, const char *format, ...) {
    if (reach->count == RP_FINDINGS_MAX) return;
    struct rp_finding *finding = &reach->findings[reach->count++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->text, sizeof(finding->text), format, arguments);
    va_end(arguments);
    finding->hinders = hinders;
    if (hinders) reach->reached = false;
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
    if (strchr(command, '/')) return try_file(strcpy(path, command));
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

/* Whether execve(2) would let the file's set-user-id, set-group-id or capabilities take effect. */
static bool may_gain_rights(int fd) {
    struct statvfs mount;
    return prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) != 1 &&
           (fstatvfs(fd, &mount) || !(mount.f_flag & ST_NOSUID));
}

static void examine_rights(struct rp_reach *reach, const char *path, int fd,
                           const struct stat *status) {
    if (!may_gain_rights(fd)) return;
    if ((status->st_mode & S_ISUID) && status->st_uid != getuid())
        find(reach, true,
             "%s: set-user-id: the loader ignores LD_PRELOAD; start it as its owner, uid %u, or "
             "without that bit",
             path, (unsigned)status->st_uid);
    if ((status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
        status->st_gid != getgid())
        find(reach, true,
             "%s: set-group-id: the loader ignores LD_PRELOAD; start it in its group, gid %u, or "
             "without that bit",
             path, (unsigned)status->st_gid);
    if (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
        find(reach, true,
             "%s: has file capabilities: the loader ignores LD_PRELOAD; take them away (setcap -r) "
             "and start it with ambient ones (setpriv --inh-caps +net_bind_service --ambient-caps "
             "+net_bind_service), or for low ports lower net.ipv4.ip_unprivileged_port_start",
             path);
}

static const char *machine_text(const struct rp_program *program, char text[32]) {
    const char *name = rp_machine_name(program->machine, program->elf_class);
    if (name) return name;
    snprintf(text, 32, "machine %u", program->machine);
    return text;
}

static void examine_program(struct rp_reach *reach, const char *path,
                            const struct rp_program *program, const struct rp_program *library) {
    char text[32], other[32];
    const char *machine = machine_text(program, text);
    const char *libc = program->libc == RP_LIBC_GLIBC  ? "glibc"
                       : program->libc == RP_LIBC_MUSL ? "musl"
                                                       : "another libc";
    if (program->is_library) {
        reach->error = ENOEXEC;
        find(reach, true, "%s: a shared library, no program", path);
    } else if (library &&
               (program->elf_class != library->elf_class || program->machine != library->machine ||
                program->foreign_order != library->foreign_order)) {
        find(reach, true,
             "%s: for %s, and the library is for %s; build the library for %s and name it with "
             "--library",
             path, machine, machine_text(library, other), machine);
    } else if (program->is_go) {
        find(reach, true, "%s: a Go program: it makes its own system calls, which no preload sees",
             path);
    } else if (!program->is_dynamic) {
        find(reach, true, "%s: static: there is no loader to read LD_PRELOAD", path);
    } else if (access(program->interpreter, X_OK)) {
        reach->error = ENOENT;
        find(reach, true, "%s: its loader %s is not there; install its libc", path,
             program->interpreter);
    } else {
        find(reach, false, "%s: dynamic, %s, %s: the library reaches it", path, libc, machine);
    }
}

/* "env" runs the next word that is neither an option nor a setting; -S splits one argument into words. */
static const char *env_command(struct rp_reach *reach, const char *path, char *argument) {
    char *rest = NULL;
    for (char *word = strtok_r(argument, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        if (!strcmp(word, "-i") || !strcmp(word, "-") || !strcmp(word, "--ignore-environment"))
            find(reach, true, "%s: env %s empties the environment, and LD_PRELOAD with it", path,
                 word);
        if (*word != '-' && !strchr(word, '=')) return word;
    }
    return NULL;
}

/* Finds what a script is run by: *path becomes that. Returns false if it cannot be told. */
static bool follow(struct rp_reach *reach, char path[PATH_MAX], struct rp_script *script) {
    const char *slash = strrchr(script->interpreter, '/');
    const char *command = script->interpreter;
    char found[PATH_MAX];
    find(reach, false, "%s: a script, run by %s%s%s", path, script->interpreter,
         *script->argument ? " " : "", script->argument);
    if (!strcmp(slash ? slash + 1 : script->interpreter, "env"))
        command = env_command(reach, path, script->argument);
    const int error = command ? rp_find_command(command, found) : ENOENT;
    if (error) {
        reach->error = error;
        find(reach, true, "%s: what runs it, %s: %s", path,
             command ? command : "env without a command", strerror(error));
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

void rp_reach_examine(const char *name, const struct rp_program *library, struct rp_reach *reach) {
    char path[PATH_MAX];
    bool again = true;
    memset(reach, 0, sizeof(*reach));
    reach->reached = true;
    snprintf(path, sizeof(path), "%s", name);
    for (int depth = 0; again; depth++) {
        struct rp_program program;
        struct rp_script script;
        struct stat status;
        const char *why;
        const int fd = open_regular(path, &status);
        again = false;
        if (fd < 0) {
            reach->error = try_file(path);
            find(reach, reach->error != 0, "%s: %s", path,
                 reach->error ? strerror(reach->error)
                              : "cannot be read, so nobody knows whether the library reaches it");
            break;
        }
        switch (depth > SCRIPTS_MAX ? RP_BROKEN : rp_program_read(fd, &program, &script, &why)) {
        case RP_SCRIPT:
            again = follow(reach, path, &script);
            break;
        case RP_ELF:
            examine_rights(reach, path, fd, &status);
            examine_program(reach, path, &program, library);
            break;
        case RP_BROKEN:
            reach->error = depth > SCRIPTS_MAX ? ELOOP : ENOEXEC;
            find(reach, true, "%s: %s", path,
                 depth > SCRIPTS_MAX ? "scripts run by scripts, more than the kernel follows"
                                     : why);
            break;
        }
        close(fd);
    }
}

const char *rp_reach_hindrance(const struct rp_reach *reach) {
    for (unsigned i = 0; i < reach->count; i++)
        if (reach->findings[i].hinders) return reach->findings[i].text;
    return NULL;
}
