/* SPDX-License-Identifier: MIT */
/* launch/executable: how a script's first line is split, and how much of a program is searched for
 * Go. Prints what is not as it should be, and how many checks were made. */
#include "launch/executable.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB ((off_t)1 << 20)

enum { SEGMENTS = 12 };

static unsigned checks, failures;
static size_t bytes_read;

static void check(bool good, const char *what, const char *of) {
    checks++;
    failures += !good;
    if (!good) printf("wrong: %s of %s\n", what, of);
}

/* Instead of libc's. */
ssize_t pread(int fd, void *to, size_t size, off_t offset) {
    if (lseek(fd, offset, SEEK_SET) != offset) return -1;
    const ssize_t got = read(fd, to, size);
    bytes_read += got > 0 ? (size_t)got : 0;
    return got;
}

static int file_with(const void *bytes, size_t size) {
    const int fd = memfd_create("file", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) exit(2);
    return fd;
}

/* As execve(2) has it: blanks around both words do not count, those within the argument do. */
static const struct line {
    const char *text, *interpreter, *argument;
} lines[] = {
    {"#!/bin/sh\n", "/bin/sh", ""},
    {"#!/bin/sh", "/bin/sh", ""},
    {"#! \t /bin/sh\n", "/bin/sh", ""},
    {"#!/bin/sh -x\n", "/bin/sh", "-x"},
    {"#!/bin/sh \t -x \ty \t \n-z\n", "/bin/sh", "-x \ty"},
    {"#!\t/usr/bin/env\tsh\t\n", "/usr/bin/env", "sh"},
    {"#!/bin/sh \t\n", "/bin/sh", ""},
};

static void check_lines(void) {
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        struct rp_executable program;
        struct rp_script script;
        const char *why, *text = lines[i].text;
        const int fd = file_with(text, strlen(text));
        check(rp_executable_read(fd, &program, &script, &why) == RP_SCRIPT, "kind", text);
        check(!strcmp(script.interpreter, lines[i].interpreter), "interpreter", text);
        check(!strcmp(script.argument, lines[i].argument), "argument", text);
        close(fd);
    }
}

/* A program of writable segments of 2 MiB each. */
static int make_program(void) {
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr segments[SEGMENTS];
    } file = {.header = {.e_type = ET_EXEC,
                         .e_machine = EM_X86_64,
                         .e_phoff = sizeof(file.header),
                         .e_phentsize = sizeof(*file.segments),
                         .e_phnum = SEGMENTS}};
    memcpy(file.header.e_ident, ELFMAG, SELFMAG);
    file.header.e_ident[EI_CLASS] = ELFCLASS64;
    file.header.e_ident[EI_DATA] =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    for (unsigned i = 0; i < SEGMENTS; i++)
        file.segments[i] = (Elf64_Phdr){.p_type = PT_LOAD,
                                        .p_flags = PF_R | PF_W,
                                        .p_offset = (Elf64_Off)((2 * i + 1) * MIB),
                                        .p_filesz = (Elf64_Xword)(2 * MIB)};
    const int fd = file_with(&file, sizeof(file));
    if (ftruncate(fd, (2 * SEGMENTS + 1) * MIB)) exit(2);
    return fd;
}

/* Whether it is taken for a program of Go if that offset has what Go's linker puts there. */
static bool is_go(off_t offset) {
    static const char mark[] = "\xff Go buildinf:";
    struct rp_executable program;
    struct rp_script script;
    const char *why;
    const int fd = make_program();
    if (pwrite(fd, mark, sizeof(mark), offset) < 0) exit(2);
    bytes_read = 0;
    check(rp_executable_read(fd, &program, &script, &why) == RP_ELF, "kind", "a large program");
    check(bytes_read <= 5 * MIB, "bytes read", "a large program");
    close(fd);
    return program.is_go;
}

static void check_search(void) {
    check(is_go(MIB), "the mark", "a segment's beginning");
    check(is_go(2 * MIB - 16), "the mark", "a segment's first MiB");
    check(!is_go(2 * MIB), "the mark", "a segment's second MiB");
    check(is_go(7 * MIB), "the mark", "the fourth segment's beginning");
    check(!is_go(9 * MIB), "the mark", "the fifth, with 4 MiB searched");
    check(!is_go(MIB + 8), "the mark", "an offset that is no multiple of 16");
}

int main(void) {
    check_lines();
    check_search();
    printf("%u checks, %u failed\n", checks, failures);
    return failures > 0;
}
