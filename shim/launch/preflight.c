/* SPDX-License-Identifier: MIT */
/* Follows a command to the program that runs in the end, and looks for what keeps a preload from
 * it. */
#include "launch/preflight.h"

#include "launch/env_script.h"
#include "launch/find_command.h"
#include "seccomp/enter.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { CAP_EFFECTIVE = 1 /* VFS_CAP_FLAGS_EFFECTIVE of the kernel */ };

/* Whether file capabilities make the process a secure one (capabilities(7), xattr(7)): effective
 * ones do so even where no_new_privs withholds them. */
static bool has_capabilities(const char *path, bool no_new_privileges) {
    uint32_t data[6] = {0}; /* struct vfs_ns_cap_data of the kernel, little-endian */
    if (getxattr(path, "security.capability", data, sizeof(data)) < 4) return false;
    return (le32toh(data[0]) & CAP_EFFECTIVE) ||
           (!no_new_privileges && (data[1] || data[3])); /* permitted ones */
}

/* What makes the loader ignore LD_PRELOAD. Goes by the path, as the file may not be readable. */
static void examine_rights(struct rp_preflight *preflight, const struct stat *status) {
    const char *path = preflight->files[preflight->depth];
    const uid_t user = getuid();
    const bool other_user = (status->st_mode & S_ISUID) && status->st_uid != user;
    const bool other_group = (status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
                             status->st_gid != getgid();
    struct statvfs mount;
    if (!other_user && !other_group && user == 0) return;
    if (!statvfs(path, &mount) && (mount.f_flag & ST_NOSUID)) return;
    const bool bound = prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1;
    if (!bound && other_user)
        rp_finding_add(preflight, RP_SET_USER_ID, (unsigned)status->st_uid, "");
    if (!bound && other_group)
        rp_finding_add(preflight, RP_SET_GROUP_ID, (unsigned)status->st_gid, "");
    if (user != 0 && has_capabilities(path, bound))
        rp_finding_add(preflight, RP_HAS_CAPABILITIES, 0, "");
}

static bool is_for_same(const struct rp_executable *a, const struct rp_executable *b) {
    return a->elf_class == b->elf_class && a->machine == b->machine &&
           a->foreign_order == b->foreign_order;
}

/* strace(1) waits with __WALL for all of its children, so the guard must not be one. */
static bool would_hang(const char *path) {
    const char *slash = strrchr(path, '/');
    return !strcmp(slash ? slash + 1 : path, "strace") && rp_seccomp_adopts();
}

void rp_preflight_judge(struct rp_preflight *preflight, const struct rp_executable *library) {
    const struct rp_executable *program = &preflight->program;
    struct stat status;
    preflight->library = library;
    if (!preflight->is_program) return;
    if (sizeof(void *) == 4 && program->elf_class == ELFCLASS64)
        rp_finding_add(preflight, RP_NEEDS_64_BITS, 0, "");
    if (would_hang(preflight->files[preflight->depth]))
        rp_finding_add(preflight, RP_WOULD_HANG, 0, "");
    if (program->is_library) {
        preflight->error = ENOEXEC;
        rp_finding_add(preflight, RP_IS_LIBRARY, 0, "");
    } else if (library && !is_for_same(program, library)) {
        rp_finding_add(preflight, RP_OTHER_MACHINE, 0, "");
    } else if (program->is_go) {
        rp_finding_add(preflight, RP_IS_GO, 0, "");
    } else if (!program->is_dynamic) {
        rp_finding_add(preflight, RP_IS_STATIC, 0, "");
    } else if ((preflight->error = rp_try_file(program->interpreter, &status)) != 0) {
        rp_finding_add(preflight, RP_NO_LOADER, (unsigned)preflight->error, "");
    } else if (!(preflight->hindered & 1 << RP_PRELOAD)) {
        rp_finding_add(preflight, RP_IS_REACHED, 0, "");
    }
}

/* Finds the next file: a script's interpreter or, for env alone, what that searches PATH for.
 * Returns false if there is none. */
static bool follow(struct rp_preflight *preflight, struct rp_script *script, struct stat *status) {
    char *next = preflight->files[preflight->depth + 1];
    const char *slash = strrchr(script->interpreter, '/');
    const char *command = script->interpreter;
    char word[RP_WORD_SIZE];
    int error = rp_try_file(command, status);
    snprintf(word, sizeof(word), "%s%s%s", command, *script->argument ? " " : "", script->argument);
    rp_finding_add(preflight, RP_IS_SCRIPT, 0, word);
    snprintf(next, PATH_MAX, "%s", command);
    if (!error && !strcmp(slash ? slash + 1 : command, "env")) {
        command = rp_env_command(preflight, script->argument);
        error = command ? rp_find_command(command, next, status) : ENOENT;
    }
    if (!error) {
        preflight->depth++;
        return true;
    }
    preflight->error = error;
    if (command)
        rp_finding_add(preflight, RP_NO_INTERPRETER, (unsigned)error, command);
    else
        rp_finding_add(preflight, RP_ENV_RUNS_NOTHING, 0, "");
    return false;
}

/* Opens the last file; it was a regular one just now, and must be still. Returns -1 and errno. */
static int open_last(const struct rp_preflight *preflight, struct stat *status) {
    const int fd =
        open(preflight->files[preflight->depth], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && (fstat(fd, status) || !S_ISREG(status->st_mode))) {
        close(fd);
        errno = EACCES;
        return -1;
    }
    return fd;
}

/* The last file may be executed, but cannot be opened. */
static void note_unreadable(struct rp_preflight *preflight, struct stat *status) {
    preflight->error = rp_try_file(preflight->files[preflight->depth], status);
    if (!preflight->error) examine_rights(preflight, status);
    rp_finding_add(preflight, preflight->error ? RP_FAILS : RP_NOT_READABLE,
                   (unsigned)preflight->error, "");
}

/* Looks at the last file. Returns whether another one follows. */
static bool look(struct rp_preflight *preflight, struct stat *status) {
    struct rp_script script;
    const char *why = "";
    bool again = false;
    if (preflight->depth > RP_SCRIPTS_MAX) {
        preflight->error = ELOOP;
        rp_finding_add(preflight, RP_TOO_MANY_SCRIPTS, 0, "");
        return false;
    }
    const int fd = open_last(preflight, status);
    if (fd < 0) {
        note_unreadable(preflight, status);
        return false;
    }
    switch (rp_executable_read(fd, &preflight->program, &script, &why)) {
    case RP_SCRIPT:
        again = follow(preflight, &script, status);
        break;
    case RP_ELF:
        examine_rights(preflight, status);
        preflight->is_program = true;
        break;
    case RP_BROKEN:
        preflight->error = ENOEXEC;
        rp_finding_add(preflight, RP_NOT_EXECUTABLE, 0, why);
        break;
    }
    close(fd);
    return again;
}

int rp_preflight_examine(const char *command, struct rp_preflight *preflight) {
    struct stat status;
    memset(preflight, 0, offsetof(struct rp_preflight, files));
    const int error = rp_find_command(command, preflight->files[0], &status);
    for (bool again = !error; again;) again = look(preflight, &status);
    return error;
}

bool rp_preflight_needs_library(const struct rp_preflight *preflight, enum rp_method wanted) {
    const struct rp_executable *program = &preflight->program;
    if (wanted != RP_AUTO) return wanted == RP_PRELOAD;
    return !(preflight->hindered & 1 << RP_PRELOAD) &&
           (!preflight->is_program || (program->is_dynamic && !program->is_go));
}

const struct rp_finding *rp_preflight_hindrance(const struct rp_preflight *preflight,
                                                enum rp_method method) {
    for (unsigned i = 0; i < preflight->count; i++)
        if (rp_finding_hinders(&preflight->findings[i], method)) return &preflight->findings[i];
    return NULL;
}

enum rp_method rp_preflight_method(const struct rp_preflight *preflight, enum rp_method wanted) {
    if (wanted != RP_AUTO) return wanted;
    return preflight->hindered == 1 << RP_PRELOAD ? RP_SECCOMP : RP_PRELOAD;
}
