/* SPDX-License-Identifier: MIT */
/* Reads ELF files and scripts. Every offset and count comes from the file, so each read has a
 * bounded size, is checked for its length, and goes to a copy before anything looks at it. */
#include "launch/executable.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADERS_SIZE = 65536,  /* bytes of program headers that the kernel accepts */
    SCRIPT_LINE = 256,     /* BINPRM_BUF_SIZE of the kernel */
    SEGMENT_MAX = 1 << 20, /* bytes of one segment searched for traces of Go */
    SEARCH_MAX = 4 << 20,  /* bytes of all segments searched */
    CHUNK = 4096,
};

/* A program header, from either class. */
struct segment {
    uint32_t type, flags;
    uint64_t offset, size;
};

/* A file and the part of it read last: nearly all headers are close together on the first page. */
struct file {
    int fd;
    uint64_t offset; /* of the window */
    size_t length;
    unsigned char window[CHUNK];
};

/* Copies out of the window; false if some of it is outside. */
static bool copy_window(const struct file *file, void *to, size_t size, uint64_t offset) {
    if (offset < file->offset || offset - file->offset > file->length) return false;
    if (size > file->length - (size_t)(offset - file->offset)) return false;
    memcpy(to, file->window + (offset - file->offset), size);
    return true;
}

/* Reads all of it, moving the window there; false if the file is too short. */
static bool read_at(struct file *file, void *to, size_t size, uint64_t offset) {
    if (copy_window(file, to, size, offset)) return true;
    if (offset > (uint64_t)INT64_MAX - CHUNK) return false;
    const ssize_t got = pread(file->fd, file->window, CHUNK, (off_t)offset);
    file->offset = offset;
    file->length = got > 0 ? (size_t)got : 0;
    return copy_window(file, to, size, offset);
}

/* Returns false if the line ends before the interpreter's name does. */
static bool read_script(const char *line, size_t length, bool complete, struct rp_script *script) {
    const char *end = line + length;
    const char *at = line + 2;
    memset(script, 0, sizeof(*script));
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    for (char *to = script->interpreter; at < end && *at && *at != ' ' && *at != '\t'; at++)
        *to++ = *at;
    if (at == end && !complete && *script->interpreter) return false;
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t')) end--;
    for (char *to = script->argument; at < end && *at; at++) *to++ = *at;
    return true;
}

static bool read_segment(struct file *file, bool narrow, uint64_t at, struct segment *segment) {
    if (narrow) {
        Elf32_Phdr header;
        if (!read_at(file, &header, sizeof(header), at)) return false;
        *segment =
            (struct segment){header.p_type, header.p_flags, header.p_offset, header.p_filesz};
    } else {
        Elf64_Phdr header;
        if (!read_at(file, &header, sizeof(header), at)) return false;
        *segment =
            (struct segment){header.p_type, header.p_flags, header.p_offset, header.p_filesz};
    }
    return true;
}

/* Reads a segment's next chunk, `at` bytes from its beginning. Returns its length: 0 at the end, or
 * once the limit for one segment or, in *left, for all of them is reached. */
static size_t read_chunk(const struct file *file, const struct segment *segment, uint64_t at,
                         char chunk[CHUNK], size_t *left) {
    if (at >= segment->size || at >= SEGMENT_MAX || *left < CHUNK) return 0;
    if (segment->offset > INT64_MAX - SEGMENT_MAX) return 0;
    const size_t size = segment->size - at < CHUNK ? (size_t)(segment->size - at) : CHUNK;
    *left -= CHUNK;
    if (copy_window(file, chunk, size, segment->offset + at)) return size;
    const ssize_t got = pread(file->fd, chunk, size, (off_t)(segment->offset + at));
    return got > 0 ? (size_t)got : 0;
}

/* Go's linker writes a note "Go", into stripped and dynamic programs, too. */
static bool has_go_note(const struct file *file, const struct segment *segment, size_t *left) {
    char chunk[CHUNK];
    Elf64_Nhdr note; /* the same in both classes */
    const size_t got = read_chunk(file, segment, 0, chunk, left);
    for (uint64_t at = 0; at + sizeof(note) + 4 <= got;) {
        memcpy(&note, chunk + at, sizeof(note));
        at += sizeof(note);
        if (note.n_namesz == 4 && !memcmp(chunk + at, "Go\0", 4)) return true;
        at += (((uint64_t)note.n_namesz + 3) & ~UINT64_C(3)) +
              (((uint64_t)note.n_descsz + 3) & ~UINT64_C(3));
    }
    return false;
}

/* The mark that Go's debug/buildinfo looks for in writable data, at addresses (and so file offsets)
 * that are multiples of 16. */
static bool has_go_buildinfo(const struct file *file, const struct segment *segment, size_t *left) {
    static const char magic[] = "\xff Go buildinf:";
    struct segment aligned = *segment;
    char chunk[CHUNK];
    size_t got = CHUNK;
    aligned.offset -= segment->offset % 16;
    aligned.size += segment->offset % 16;
    for (uint64_t at = 0; got == CHUNK; at += CHUNK) {
        got = read_chunk(file, &aligned, at, chunk, left);
        for (size_t i = 0; i + 16 <= got; i += 16)
            if (!memcmp(chunk + i, magic, sizeof(magic) - 1)) return true;
    }
    return false;
}

/* Returns what is wrong with the segment, or NULL. */
static const char *look_at(struct file *file, const struct segment *segment, size_t *left,
                           struct rp_executable *program) {
    switch (segment->type) {
    case PT_INTERP:
        if (program->is_dynamic) break; /* the kernel, too, takes the first one */
        if (segment->size < 2 || segment->size > sizeof(program->interpreter) ||
            !read_at(file, program->interpreter, (size_t)segment->size, segment->offset) ||
            program->interpreter[segment->size - 1])
            return "an ELF file whose interpreter has no proper name";
        program->is_dynamic = true;
        break;
    case PT_NOTE:
        program->is_go = program->is_go || has_go_note(file, segment, left);
        break;
    case PT_LOAD:
        if (segment->size > INT64_MAX || segment->offset > INT64_MAX) return "a truncated ELF file";
        if (segment->offset + segment->size > program->size)
            program->size = segment->offset + segment->size;
        if (segment->flags & PF_W)
            program->is_go = program->is_go || has_go_buildinfo(file, segment, left);
        break;
    case PT_DYNAMIC:
        program->dynamic_offset = segment->offset;
        program->dynamic_size = segment->size;
        break;
    default:
        break;
    }
    return NULL;
}

union header {
    unsigned char bytes[sizeof(Elf64_Ehdr)];
    Elf32_Ehdr narrow;
    Elf64_Ehdr wide;
};

/* Reads what both classes have in common. Returns what is wrong with it, or NULL. */
static const char *read_identity(const union header *header, struct rp_executable *program) {
    const unsigned char order =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    const unsigned char own = header->bytes[EI_DATA];
    program->foreign_order = own != order;
    program->machine =
        own == order ? header->wide.e_machine : __builtin_bswap16(header->wide.e_machine);
    if (own != ELFDATA2LSB && own != ELFDATA2MSB) return "an ELF file of no known byte order";
    return NULL;
}

static const char *read_segments(struct file *file, const union header *header,
                                 struct rp_executable *program) {
    const bool narrow = program->elf_class == ELFCLASS32;
    const uint64_t table = narrow ? header->narrow.e_phoff : header->wide.e_phoff;
    const unsigned count = narrow ? header->narrow.e_phnum : header->wide.e_phnum;
    const unsigned size = narrow ? header->narrow.e_phentsize : header->wide.e_phentsize;
    size_t left = SEARCH_MAX;
    if (!count || size != (narrow ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr)) ||
        count > HEADERS_SIZE / size)
        return "an ELF file without usable program headers";
    if (table > UINT64_MAX - HEADERS_SIZE) return "a truncated ELF file";
    for (unsigned i = 0; i < count; i++) {
        struct segment segment;
        if (!read_segment(file, narrow, table + (uint64_t)size * i, &segment))
            return "a truncated ELF file";
        const char *wrong = look_at(file, &segment, &left, program);
        if (wrong) return wrong;
    }
    return NULL;
}

static enum rp_libc libc_of(const char *interpreter) {
    const char *slash = strrchr(interpreter, '/');
    const char *name = slash ? slash + 1 : interpreter;
    if (!strncmp(name, "ld-musl-", 8)) return RP_LIBC_MUSL;
    if (!strncmp(name, "ld-linux", 8) || !strncmp(name, "ld64.so", 7) ||
        !strncmp(name, "ld.so.1", 7))
        return RP_LIBC_GLIBC;
    return RP_LIBC_UNKNOWN;
}

static const char *read_elf(struct file *file, struct rp_executable *program) {
    union header header = {{0}};
    memcpy(header.bytes, file->window,
           file->length < sizeof(header) ? file->length : sizeof(header));
    program->elf_class = header.bytes[EI_CLASS];
    if (program->elf_class != ELFCLASS32 && program->elf_class != ELFCLASS64)
        return "an ELF file of no known class";
    const bool narrow = program->elf_class == ELFCLASS32;
    if (file->length < (narrow ? sizeof(header.narrow) : sizeof(header.wide)))
        return "a truncated ELF file";
    const char *wrong = read_identity(&header, program);
    if (wrong || program->foreign_order) return wrong;
    const uint16_t type = header.wide.e_type; /* where it is in both classes */
    if (type != ET_EXEC && type != ET_DYN)
        return "an ELF file, but no program (an object or a core)";
    wrong = read_segments(file, &header, program);
    if (wrong) return wrong;
    program->is_library = type == ET_DYN && !program->is_dynamic &&
                          !(narrow ? header.narrow.e_entry : header.wide.e_entry);
    program->libc = libc_of(program->interpreter);
    return NULL;
}

/* Reads the first line as far as the kernel would. Returns what is wrong with it, or NULL. */
static const char *read_first_line(const struct file *file, struct rp_script *script) {
    const char *line = (const char *)file->window;
    const size_t size = file->length < SCRIPT_LINE ? file->length : SCRIPT_LINE;
    const char *newline = memchr(line, '\n', size);
    const size_t length = newline ? (size_t)(newline - line) : size;
    if (!read_script(line, length, length < SCRIPT_LINE, script))
        return "a script whose interpreter has a longer name than the kernel reads";
    return *script->interpreter ? NULL : "a script that names no interpreter";
}

enum rp_format rp_executable_read(int fd, struct rp_executable *program, struct rp_script *script,
                                  const char **why) {
    struct file file = {.fd = fd};
    const ssize_t got = pread(fd, file.window, CHUNK, 0);
    memset(program, 0, sizeof(*program));
    *why = "unreadable";
    if (got < 0) return RP_BROKEN;
    file.length = (size_t)got;
    if (got >= 2 && !memcmp(file.window, "#!", 2)) {
        *why = read_first_line(&file, script);
        return *why ? RP_BROKEN : RP_SCRIPT;
    }
    *why = got ? "neither an ELF file nor a script with #!" : "an empty file";
    if (got < SELFMAG || memcmp(file.window, ELFMAG, SELFMAG) != 0) return RP_BROKEN;
    *why = read_elf(&file, program);
    return *why ? RP_BROKEN : RP_ELF;
}

const char *rp_machine_name(uint16_t machine, unsigned char elf_class) {
    switch (machine) {
    case EM_X86_64:
        return elf_class == ELFCLASS64 ? "x86-64" : "x32";
    case EM_386:
        return "i386";
    case EM_AARCH64:
        return "arm64";
    case EM_ARM:
        return "armhf";
    case EM_RISCV:
        return elf_class == ELFCLASS64 ? "riscv64" : "riscv32";
    case EM_PPC64:
        return "ppc64";
    case EM_S390:
        return "s390x";
    case EM_MIPS:
        return "mips";
    default:
        return NULL;
    }
}
