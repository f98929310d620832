/* SPDX-License-Identifier: MIT */
/* libFuzzer target: whatever a file holds, what is read of it is whole, within its bounds, and the
 * same when read again. */
#include "launch/executable.h"

#include <elf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void must(bool condition) {
    if (!condition) abort();
}

/* What is not set by the reader remains as it is filled here. */
struct result {
    struct rp_executable program;
    struct rp_script script;
    const char *why;
    enum rp_format format;
};

static void read_file(int fd, int filling, struct result *result) {
    memset(result, filling, sizeof(*result));
    result->why = NULL;
    result->format = rp_executable_read(fd, &result->program, &result->script, &result->why);
    must(lseek(fd, 0, SEEK_CUR) == 0);
}

static bool ends(const char *text, size_t size) {
    return memchr(text, '\0', size) != NULL;
}

static bool same(const struct rp_executable *a, const struct rp_executable *b) {
    return a->elf_class == b->elf_class && a->machine == b->machine && a->size == b->size &&
           a->foreign_order == b->foreign_order && a->is_library == b->is_library &&
           a->is_dynamic == b->is_dynamic && a->is_go == b->is_go && a->libc == b->libc &&
           !memcmp(a->interpreter, b->interpreter, sizeof(a->interpreter));
}

static void check_program(const struct rp_executable *program) {
    const size_t length = strnlen(program->interpreter, sizeof(program->interpreter));
    must(program->elf_class == ELFCLASS32 || program->elf_class == ELFCLASS64);
    must(length < sizeof(program->interpreter));
    must(program->is_dynamic || !length);
    must(!program->is_dynamic || !program->is_library);
    must(program->libc == RP_LIBC_UNKNOWN || length);
    must(!program->foreign_order || (!program->is_dynamic && !program->is_go));
    const char *name = rp_machine_name(program->machine, program->elf_class);
    must(!name || *name);
}

static void check_script(const unsigned char *data, const struct rp_script *script) {
    must(!memcmp(data, "#!", 2));
    must(ends(script->interpreter, sizeof(script->interpreter)));
    must(ends(script->argument, sizeof(script->argument)));
    must(*script->interpreter && !strpbrk(script->interpreter, " \t\n"));
    must(!strchr(script->argument, '\n') && *script->argument != ' ' && *script->argument != '\t');
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static struct result first, second;
    static int fd = -1;
    if (fd < 0) fd = memfd_create("program", MFD_CLOEXEC);
    must(fd >= 0 && !ftruncate(fd, 0) && pwrite(fd, data, size, 0) == (ssize_t)size);
    read_file(fd, 0x55, &first);
    read_file(fd, 0xaa, &second);
    must(first.format == second.format && first.why == second.why);
    switch (first.format) {
    case RP_ELF:
        check_program(&first.program);
        must(same(&first.program, &second.program));
        break;
    case RP_SCRIPT:
        check_script(data, &first.script);
        must(!memcmp(&first.script, &second.script, sizeof(first.script)));
        break;
    case RP_BROKEN:
        must(first.why && *first.why && strlen(first.why) < 100);
        break;
    default:
        abort();
    }
    return 0;
}
