/* SPDX-License-Identifier: MIT */
/* What a file would run as, read from its bytes, which are not to be trusted. */
#ifndef RP_EXECUTABLE_H
#define RP_EXECUTABLE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum rp_libc { RP_LIBC_UNKNOWN, RP_LIBC_GLIBC, RP_LIBC_MUSL };

/* An ELF file. */
struct rp_executable {
    unsigned char elf_class; /* ELFCLASS32 or ELFCLASS64 (elf(5)) */
    uint16_t machine;        /* EM_*, in the file's own byte order */
    bool foreign_order;      /* its byte order is not this machine's; nothing below is known then */
    bool is_library;         /* a shared object without an entry point or interpreter */
    bool is_dynamic;         /* names an interpreter, so LD_PRELOAD is read */
    bool is_go;
    uint64_t size;                         /* bytes of the file that its segments take up */
    uint64_t dynamic_offset, dynamic_size; /* of its dynamic section in the file; 0 if none */
    enum rp_libc libc;                     /* by the interpreter's name */
    char interpreter[PATH_MAX];            /* "" if none */
};

/* The first line of a script, split as the kernel does it (execve(2), "Interpreter scripts"). */
struct rp_script {
    char interpreter[256];
    char argument[256]; /* "" if none */
};

enum rp_format { RP_ELF, RP_SCRIPT, RP_BROKEN };

/* Reads the file behind fd. For RP_BROKEN, *why says in a static text why the kernel would not run
 * it. Reads at most 5 MiB in a bounded number of calls, whatever the file claims; never blocks on a
 * regular file. Keeps the file's offset. Async-signal-safe; takes 9 KiB of stack. */
enum rp_format rp_executable_read(int fd, struct rp_executable *program, struct rp_script *script,
                                  const char **why);

/* "x86-64", "arm64" and so on, static; NULL for a machine it does not know. */
const char *rp_machine_name(uint16_t machine, unsigned char elf_class);

#endif
