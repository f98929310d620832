/* SPDX-License-Identifier: MIT */
/* A library that the loader refused would cost the program its life or go unnoticed, depending on
 * the libc; so whatever the loader would object to is looked for beforehand. */
#include "launch/find_library.h"

#include "base/die.h"
#include "core/version.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char file_name[] = "libreuseport.so";

static int open_library(const char *path) {
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static bool is_absent(int error) {
    return error == ENOENT || error == ENOTDIR;
}

/* Opens the library beside the command or in ../lib from there. Returns -1 and errno. */
static int open_beside(char path[PATH_MAX]) {
    char own[PATH_MAX - 32]; /* room for the rest of the path */
    const ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
    if (length <= 0) {
        errno = ENOENT;
        return -1;
    }
    own[length] = '\0';
    *strrchr(own, '/') = '\0';
    snprintf(path, PATH_MAX, "%s/%s", own, file_name);
    const int fd = open_library(path);
    if (fd >= 0 || !is_absent(errno) || !*own) return fd;
    *strrchr(own, '/') = '\0';
    snprintf(path, PATH_MAX, "%s/lib/%s", own, file_name);
    return open_library(path);
}

static int open_given(const char *given, char path[PATH_MAX]) {
    if (!realpath(given, path)) rp_die("the library %s: %s", given, strerror(errno));
    return open_library(path);
}

static int open_any(char path[PATH_MAX]) {
    int fd = open_beside(path);
    if (fd >= 0 || !is_absent(errno)) return fd;
    snprintf(path, PATH_MAX, "%s/%s", RP_LIBDIR, file_name);
    fd = open_library(path);
    if (fd < 0 && is_absent(errno))
        rp_die(
            "%s is neither beside this command, nor in ../lib, nor in %s; name it with --library",
            file_name, RP_LIBDIR);
    return fd;
}

static int64_t read_tag(const unsigned char *at, bool narrow) {
    Elf32_Sword narrow_tag;
    Elf64_Sxword wide_tag;
    if (!narrow) return *(Elf64_Sxword *)memcpy(&wide_tag, at, sizeof(wide_tag));
    return *(Elf32_Sword *)memcpy(&narrow_tag, at, sizeof(narrow_tag));
}

/* The library is to load on every libc. Returns what keeps it from that, or NULL. */
static const char *examine_dynamic(const unsigned char *bytes, uint64_t size,
                                   const struct rp_executable *program) {
    const bool narrow = program->elf_class == ELFCLASS32;
    const size_t step = narrow ? sizeof(Elf32_Dyn) : sizeof(Elf64_Dyn);
    const uint64_t end = program->dynamic_offset + program->dynamic_size;
    bool has_symbols = false;
    if (end > size || end < program->dynamic_offset) return "truncated";
    for (uint64_t at = program->dynamic_offset; end - at >= step; at += step) {
        const int64_t tag = read_tag(bytes + at, narrow);
        if (tag == DT_NULL) break;
        if (tag == DT_NEEDED || tag == DT_VERNEED)
            return "depends on other libraries, which a program may lack; build it with make";
        has_symbols = has_symbols || tag == DT_SYMTAB;
    }
    return has_symbols ? NULL : "damaged, or not a shared library";
}

/* Maps the library as the loader would, which a file system mounted noexec or a security module may
 * refuse, and looks into it. Returns what is wrong, or NULL. */
static const char *look_inside(int fd, size_t size, const struct rp_executable *program) {
    static const char mark[] = RP_VERSION_MARK;
    unsigned char *bytes = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return errno == EPERM ? "must not be executed there (mounted noexec?)" : strerror(errno);
    const char *wrong = examine_dynamic(bytes, size, program);
    if (!wrong && !memmem(bytes, size, mark, sizeof(mark)))
        wrong = "not of this command's version, " RP_VERSION;
    munmap(bytes, size);
    return wrong;
}

/* Returns what is wrong, or NULL. */
static const char *examine(int fd, struct rp_library *library) {
    struct rp_executable *program = &library->program;
    struct rp_script script;
    struct stat status;
    const char *why;
    if (fstat(fd, &status) || !S_ISREG(status.st_mode)) return "not a regular file";
    if (rp_executable_read(fd, program, &script, &why) != RP_ELF) return why ? why : "a script";
    if (program->size > (uint64_t)status.st_size) return "truncated";
    if (!program->is_library) return "not a shared library";
    return look_inside(fd, (size_t)status.st_size, program);
}

void rp_find_library(const char *given, struct rp_library *library) {
    const int fd = given ? open_given(given, library->path) : open_any(library->path);
    const char *wrong = fd < 0 ? strerror(errno) : examine(fd, library);
    if (wrong) rp_die("the library %s: %s", library->path, wrong);
    close(fd);
}
