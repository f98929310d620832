/* Finding the library, making sure of it, and putting it into LD_PRELOAD. */
#include "launch/find_library.h"

#include "base/die.h"
#include "core/version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef RP_STATIC
#include <dlfcn.h>
#endif

static const char file_name[] = "libreuseport.so";

/* The library in a directory that is relative to the command's own, as /proc knows it. */
static bool find_beside(const char *relative, char path[PATH_MAX]) {
    char own[PATH_MAX], candidate[2 * PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
    if (length <= 0) return false;
    own[length] = '\0';
    *strrchr(own, '/') = '\0';
    snprintf(candidate, sizeof(candidate), "%s/%s%s", own, relative, file_name);
    return realpath(candidate, path) != NULL;
}

/* A file that could not be mapped is not told from one of another version: neither can be used. */
static bool has_version(int fd, size_t size) {
    static const char mark[] = RP_VERSION_MARK;
    void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) return false;
    const bool found = memmem(bytes, size, mark, sizeof(mark)) != NULL;
    munmap(bytes, size);
    return found;
}

#ifndef RP_STATIC
/* Whether the library is for the CPU and word size of this command, whose loader could load it. */
static bool is_ours(const struct rp_library *library) {
    struct rp_executable own;
    struct rp_script script;
    const char *why;
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const bool read = fd >= 0 && rp_executable_read(fd, &own, &script, &why) == RP_ELF;
    if (fd >= 0) close(fd);
    return read && own.machine == library->program.machine &&
           own.elf_class == library->program.elf_class;
}
#endif

/* The loader's word on the file, asked without a list, so that the library does nothing. */
static void try_loading(const struct rp_library *library) {
#ifndef RP_STATIC
    if (!is_ours(library)) return;
    char *list = getenv("REUSEPORT_PORTS");
    list = list ? strdup(list) : NULL;
    unsetenv("REUSEPORT_PORTS");
    void *handle = dlopen(library->path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) rp_die("the library cannot be loaded: %s", dlerror());
    dlclose(handle);
    if (list) setenv("REUSEPORT_PORTS", list, 1);
    free(list);
#else
    (void)library;
#endif
}

static void make_sure(struct rp_library *library) {
    struct rp_script script;
    struct stat status;
    const char *why = strerror(ENOEXEC);
    const int fd = open(library->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) rp_die("the library %s: %s", library->path, strerror(errno));
    if (fstat(fd, &status) || !S_ISREG(status.st_mode))
        rp_die("the library %s: not a regular file", library->path);
    if (rp_executable_read(fd, &library->program, &script, &why) != RP_ELF)
        rp_die("the library %s: %s", library->path, why ? why : "a script");
    if (library->program.size > (uint64_t)status.st_size)
        rp_die("the library %s: truncated", library->path);
    if (!library->program.is_library) rp_die("the library %s: not a shared library", library->path);
    if (!has_version(fd, (size_t)status.st_size))
        rp_die("the library %s: not of this command's version, %s", library->path, RP_VERSION);
    close(fd);
}

void rp_find_library(const char *given, struct rp_library *library) {
    if (given) {
        if (!realpath(given, library->path)) rp_die("the library %s: %s", given, strerror(errno));
    } else if (!find_beside("", library->path) && !find_beside("../lib/", library->path) &&
               !realpath(RP_LIBDIR "/libreuseport.so", library->path)) {
        rp_die(
            "%s is neither beside this command, nor in ../lib, nor in %s; name it with --library",
            file_name, RP_LIBDIR);
    }
    make_sure(library);
}

/* Appends the entries of an LD_PRELOAD, which blanks and colons separate, but for the library itself. */
static void append_others(char *to, const char *others, const char *library) {
    while (*others) {
        const size_t length = strcspn(others, ": ");
        if (length && (length != strlen(library) || memcmp(others, library, length) != 0)) {
            to = stpcpy(to, ":");
            memcpy(to, others, length);
            to += length;
            *to = '\0';
        }
        others += length + (others[length] != '\0');
    }
}

void rp_preload_library(const struct rp_library *library) {
    const char *others = getenv("LD_PRELOAD");
    if (!others) others = "";
    if (strpbrk(library->path, ": \t\n"))
        rp_die("the library %s: a path with a blank or a colon cannot be preloaded (ld.so(8)); "
               "copy it elsewhere with reuseport install-lib DIR",
               library->path);
    char *value = malloc(strlen(library->path) + strlen(others) + 2);
    if (!value) rp_die("%s", strerror(errno));
    append_others(stpcpy(value, library->path), others, library->path);
    try_loading(library);
    if (setenv("LD_PRELOAD", value, 1)) rp_die("LD_PRELOAD: %s", strerror(errno));
    free(value);
}
