/* Reading of ELF files and scripts. Every offset and count comes from the file, so each read is of a
 * bounded size, checked for its length, and copied before it is looked at. */
#include "launch/executable.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADERS_SIZE = 65536,  /* the kernel takes no more program headers, in bytes */
    SCRIPT_LINE = 256,     /* BINPRM_BUF_SIZE of the kernel */
    SEGMENT_MAX = 1 << 20, /* bytes of a segment searched for traces of Go */
    SEARCH_MAX = 4 << 20,  /* bytes of all segments searched */
    CHUNK = 4096,
};

/* A program header, from either class. */
struct segment {
    uint32_t type, flags;
    uint64_t offset, size;
};

static bool read_at(int fd, void *to, size_t size, uint64_t offset) {
    return offset <= (uint64_t)INT64_MAX - size &&
           pread(fd, to, size, (off_t)offset) == (ssize_t)size;
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

static bool read_segment(int fd, const struct rp_executable *program, uint64_t table, unsigned size,
                         unsigned index, struct segment *segment) {
    union {
        Elf32_Phdr narrow;
        Elf64_Phdr wide;
    } header;
    const uint64_t at = table + (uint64_t)size * index;
    if (program->elf_class == ELFCLASS32) {
        if (at < table || !read_at(fd, &header.narrow, sizeof(header.narrow), at)) return false;
        *segment = (struct segment){header.narrow.p_type, header.narrow.p_flags,
                                    header.narrow.p_offset, header.narrow.p_filesz};
    } else {
        if (at < table || !read_at(fd, &header.wide, sizeof(header.wide), at)) return false;
        *segment = (struct segment){header.wide.p_type, header.wide.p_flags, header.wide.p_offset,
                                    header.wide.p_filesz};
    }
    return true;
}

/* The next chunk of a segment, at so many bytes from its beginning; 0 at its end, or once all that may
 * be searched of it, or is left of all, has been. */
static size_t read_chunk(int fd, const struct segment *segment, uint64_t at, char chunk[CHUNK],
                         size_t *left) {
    if (at >= segment->size || at >= SEGMENT_MAX || *left < CHUNK) return 0;
    if (segment->offset > INT64_MAX - SEGMENT_MAX) return 0;
    const uint64_t size = segment->size - at < CHUNK ? segment->size - at : CHUNK;
    const ssize_t got = pread(fd, chunk, (size_t)size, (off_t)(segment->offset + at));
    *left -= CHUNK;
    return got > 0 ? (size_t)got : 0;
}

/* Go's linker writes a note "Go", also into stripped and dynamic programs. */
static bool has_go_note(int fd, const struct segment *segment, size_t *left) {
    char chunk[CHUNK];
    Elf64_Nhdr note; /* the same in both classes */
    const size_t got = read_chunk(fd, segment, 0, chunk, left);
    for (uint64_t at = 0; at + sizeof(note) + 4 <= got;) {
        memcpy(&note, chunk + at, sizeof(note));
        at += sizeof(note);
        if (note.n_namesz == 4 && !memcmp(chunk + at, "Go\0", 4)) return true;
        at += (((uint64_t)note.n_namesz + 3) & ~UINT64_C(3)) +
              (((uint64_t)note.n_descsz + 3) & ~UINT64_C(3));
    }
    return false;
}

/* What debug/buildinfo of Go looks for in the writable data, at addresses that are multiples of 16, as
 * are its offsets in the file then. */
static bool has_go_buildinfo(int fd, const struct segment *segment, size_t *left) {
    static const char magic[] = "\xff Go buildinf:";
    struct segment aligned = *segment;
    char chunk[CHUNK];
    size_t got = CHUNK;
    aligned.offset -= segment->offset % 16;
    aligned.size += segment->offset % 16;
    for (uint64_t at = 0; got == CHUNK; at += CHUNK) {
        got = read_chunk(fd, &aligned, at, chunk, left);
        for (size_t i = 0; i + 16 <= got; i += 16)
            if (!memcmp(chunk + i, magic, sizeof(magic) - 1)) return true;
    }
    return false;
}

/* Returns what is wrong with the segment, or NULL. */
static const char *look_at(int fd, const struct segment *segment, size_t *left,
                           struct rp_executable *program) {
    switch (segment->type) {
    case PT_INTERP:
        if (program->is_dynamic) break; /* as for the kernel, the first one counts */
        if (segment->size < 2 || segment->size > sizeof(program->interpreter) ||
            !read_at(fd, program->interpreter, (size_t)segment->size, segment->offset) ||
            program->interpreter[segment->size - 1])
            return "an ELF file whose interpreter has no proper name";
        program->is_dynamic = true;
        break;
    case PT_NOTE:
        program->is_go = program->is_go || has_go_note(fd, segment, left);
        break;
    case PT_LOAD:
        if (segment->size > INT64_MAX || segment->offset > INT64_MAX) return "a truncated ELF file";
        if (segment->offset + segment->size > program->size)
            program->size = segment->offset + segment->size;
        if (segment->flags & PF_W)
            program->is_go = program->is_go || has_go_buildinfo(fd, segment, left);
        break;
    default:
        break;
    }
    return NULL;
}

static const char *read_elf(int fd, const unsigned char *start, size_t length,
                            struct rp_executable *program) {
    union {
        unsigned char bytes[sizeof(Elf64_Ehdr)];
        Elf32_Ehdr narrow;
        Elf64_Ehdr wide;
    } header = {{0}};
    const unsigned char order =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    memcpy(header.bytes, start, length < sizeof(header) ? length : sizeof(header));
    program->elf_class = header.bytes[EI_CLASS];
    if (program->elf_class != ELFCLASS32 && program->elf_class != ELFCLASS64)
        return "an ELF file of no known class";
    const bool narrow = program->elf_class == ELFCLASS32;
    if (length < (narrow ? sizeof(header.narrow) : sizeof(header.wide)))
        return "a truncated ELF file";
    program->machine = header.wide.e_machine; /* where it is in both classes */
    if (header.bytes[EI_DATA] != order) {
        program->machine = __builtin_bswap16(header.wide.e_machine);
        program->foreign_order = true;
        return header.bytes[EI_DATA] == ELFDATA2LSB || header.bytes[EI_DATA] == ELFDATA2MSB
                   ? NULL
                   : "an ELF file of no known byte order";
    }
    size_t left = SEARCH_MAX;
    const uint16_t type = header.wide.e_type;
    const uint64_t table = narrow ? header.narrow.e_phoff : header.wide.e_phoff;
    const unsigned count = narrow ? header.narrow.e_phnum : header.wide.e_phnum;
    const unsigned size = narrow ? header.narrow.e_phentsize : header.wide.e_phentsize;
    if (type != ET_EXEC && type != ET_DYN)
        return "an ELF file, but no program (an object or a core)";
    if (!count || size != (narrow ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr)) ||
        count > HEADERS_SIZE / size)
        return "an ELF file without usable program headers";
    for (unsigned i = 0; i < count; i++) {
        struct segment segment;
        if (!read_segment(fd, program, table, size, i, &segment)) return "a truncated ELF file";
        const char *wrong = look_at(fd, &segment, &left, program);
        if (wrong) return wrong;
    }
    program->is_library = type == ET_DYN && !program->is_dynamic &&
                          !(narrow ? header.narrow.e_entry : header.wide.e_entry);
    const char *slash = strrchr(program->interpreter, '/');
    const char *name = slash ? slash + 1 : program->interpreter;
    if (!strncmp(name, "ld-musl-", 8)) program->libc = RP_LIBC_MUSL;
    if (!strncmp(name, "ld-linux", 8) || !strncmp(name, "ld64.so", 7) ||
        !strncmp(name, "ld.so.1", 7))
        program->libc = RP_LIBC_GLIBC;
    return NULL;
}

enum rp_format rp_executable_read(int fd, struct rp_executable *program, struct rp_script *script,
                                  const char **why) {
    unsigned char start[SCRIPT_LINE];
    const ssize_t got = pread(fd, start, sizeof(start), 0);
    memset(program, 0, sizeof(*program));
    *why = "unreadable";
    if (got < 0) return RP_BROKEN;
    if (got >= 2 && start[0] == '#' && start[1] == '!') {
        const unsigned char *newline = memchr(start, '\n', (size_t)got);
        const size_t length = newline ? (size_t)(newline - start) : (size_t)got;
        *why = "a script whose interpreter has a longer name than the kernel reads";
        if (!read_script((const char *)start, length, length < SCRIPT_LINE, script))
            return RP_BROKEN;
        *why = "a script that names no interpreter";
        return *script->interpreter ? RP_SCRIPT : RP_BROKEN;
    }
    *why = got ? "neither an ELF file nor a script with #!" : "an empty file";
    if (got < SELFMAG || memcmp(start, ELFMAG, SELFMAG) != 0) return RP_BROKEN;
    *why = read_elf(fd, start, (size_t)got, program);
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
