/* SPDX-License-Identifier: MIT */
/* reuseport install-lib: copies the library, for init containers without a shell. */
#include "base/die.h"
#include "command/arguments.h"
#include "command/command.h"
#include "launch/find_library.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "Usage: reuseport install-lib [OPTION]... DIR\n"
    "Copy the library into DIR, for an init container without a shell, and print the\n"
    "path of the copy.\n"
    "\n"
    "      --library=FILE     the library; by default as for run\n"
    "  -h, --help             print this help\n"
    "  -V, --version          print the version\n"
    "\n"
    "Exit status: 0, or 125 if the library could not be copied.\n";

/* write(2) may write less than it is given. Returns false and errno if it fails. */
static bool write_all(int fd, const char *bytes, size_t size) {
    while (size) {
        const ssize_t written = write(fd, bytes, size);
        if (written < 0) return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

static bool copy_bytes(int in, int out) {
    char buffer[16384];
    ssize_t got;
    while ((got = read(in, buffer, sizeof(buffer))) > 0)
        if (!write_all(out, buffer, (size_t)got)) return false;
    return !got;
}

/* Writes a file beside the target and renames it, so that nobody loads half a library. */
static void copy(const char *from, const char *target) {
    char temporary[PATH_MAX + 16];
    snprintf(temporary, sizeof(temporary), "%s.XXXXXX", target);
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0) rp_die("%s: %s", from, strerror(errno));
    const int out = mkostemp(temporary, O_CLOEXEC);
    if (out < 0) rp_die("%s: %s", target, strerror(errno));
    if (!copy_bytes(in, out) || fchmod(out, 0755) || close(out) || rename(temporary, target)) {
        const int error = errno;
        unlink(temporary);
        rp_die("%s: %s", target, strerror(error));
    }
    close(in);
}

int rp_cmd_install_lib(int argc, char **argv) {
    enum { LIBRARY = 256 };
    static const struct option longs[] = {
        {"library", required_argument, NULL, LIBRARY},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    const char *given = NULL;
    struct rp_library library;
    char target[PATH_MAX];
    while (rp_next_option(argc, argv, "+:hV", longs, help) != -1) given = optarg;
    if (argc - optind != 1)
        rp_die("install-lib: expected one DIR; see reuseport install-lib --help");
    rp_find_library(given, &library);
    if (snprintf(target, sizeof(target), "%s/libreuseport.so", argv[optind]) >= PATH_MAX)
        rp_die("%s: %s", argv[optind], strerror(ENAMETOOLONG));
    copy(library.path, target);
    puts(target);
    return fflush(stdout) ? RP_FAILED : 0;
}
