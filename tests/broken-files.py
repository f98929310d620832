#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes broken, hostile and odd files into a directory, each named after what is wrong with it.

What is not made from scratch is /bin/true with something changed."""
import os
import struct
import sys

TRUE = open("/bin/true", "rb").read()
HEADER = "<16sHHIQQQIHHHHHH"  # elf(5), ELFCLASS64, which is what we build for
FIELDS = "ident type machine version entry phoff shoff flags ehsize phentsize phnum shentsize shnum shstrndx".split()
SEGMENT = "<IIQQQQQQ"
LOAD, INTERP, NOTE = 1, 3, 4
MAX = 2**64 - 1


def whole(segments=(), ident=b"\x7fELF\2\1\1", tail=b"", **changes):
    """An ELF file: a header, the segments (type, flags, offset, size), and whatever follows them."""
    values = dict(zip(FIELDS, struct.unpack(HEADER, TRUE[:64])))
    values.update(ident=ident, type=2, entry=0x400000, phoff=64, phentsize=56, phnum=len(segments), shnum=0)
    values.update(changes)
    table = b"".join(
        struct.pack(SEGMENT, kind, flags, offset, 0x400000, 0x400000, size, size, 8)
        for kind, flags, offset, size in segments
    )
    return struct.pack(HEADER, *(values[field] for field in FIELDS)) + table + tail


def changed(**changes):
    """/bin/true with these fields of its header changed."""
    values = dict(zip(FIELDS, struct.unpack(HEADER, TRUE[:64])))
    values.update(changes)
    return struct.pack(HEADER, *(values[field] for field in FIELDS)) + TRUE[64:]


def patched(at, replacement):
    return TRUE[:at] + replacement + TRUE[at + len(replacement) :]


def with_interpreter(name, size=None, offset=120):
    return whole([(INTERP, 4, offset, len(name) if size is None else size)], tail=name)


def with_notes(notes, size=None):
    return whole([(NOTE, 4, 120, len(notes) if size is None else size)], tail=notes)


def note(name_size, text_size):
    return struct.pack("<III", name_size, text_size, 4)


def narrow(interpreter):
    """A program for i386, as far as its headers go."""
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1", 2, 3, 1, 0x8048000, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    return header + struct.pack("<IIIIIIII", INTERP, 84, 0, 0, len(interpreter), len(interpreter), 4, 1) + interpreter


def elf_files():
    phoff, count = struct.unpack_from("<Q", TRUE, 32)[0], struct.unpack_from("<H", TRUE, 56)[0]
    for size in (1, 3, 4, 5, 15, 16, 20, 51, 52, 63, 64):
        yield f"cut-to-{size}", TRUE[:size]
    yield "cut-in-first-program-header", TRUE[: phoff + 20]
    yield "cut-in-last-program-header", TRUE[: phoff + 56 * count - 1]
    yield "cut-before-interpreter", TRUE[: phoff + 56 * count]
    for value in (0, 3, 255):
        yield f"class-{value}", patched(4, bytes([value]))
    yield "class-32-of-64", patched(4, b"\1")
    for value in (0, 3):
        yield f"byte-order-{value}", patched(5, bytes([value]))
    yield "byte-order-big", patched(5, b"\2")
    for value in (0, 1, 2, 1170, 1171, 65535):
        yield f"headers-{value}", changed(phnum=value)
    yield "headers-1171-of-zeroes", whole(phnum=1171, tail=bytes(56 * 1171))
    yield "headers-1170-loads", whole([(LOAD, 6, 0, 2**40)] * 1170)
    yield "headers-1170-notes", whole([(NOTE, 6, 0, 65536)] * 1170)
    for name, value in (("0", 0), ("odd", 65), ("end", len(TRUE)), ("2-63", 2**63), ("max", MAX), ("max-55", MAX - 55)):
        yield f"table-at-{name}", changed(phoff=value)
    yield "table-past-end", changed(phoff=10**9)
    for value in (0, 1, 32, 57, 65535):
        yield f"header-size-{value}", changed(phentsize=value)
    for value in (0, 1, 4, 5, 65535):
        yield f"type-{value}", changed(type=value)
    for value in (0, 8, 65535):
        yield f"machine-{value}", changed(machine=value)
    yield "machine-other", changed(machine=183) if TRUE[18] != 183 else changed(machine=62)
    yield "shared-object-without-entry", whole([(LOAD, 5, 0, 120)], type=3, entry=0)
    yield "load-huge", whole([(LOAD, 6, 0, MAX)])
    yield "load-2-62", whole([(LOAD, 6, 2**62, 2**62)])
    yield "load-at-2-63", whole([(LOAD, 6, 2**63 - 16, 2**20)])
    yield "load-far-out", whole([(LOAD, 6, 2**63 - 2**21, 2**20)])
    yield "32-bit", narrow(b"/lib/ld-linux.so.2\0")
    yield "32-bit-cut", narrow(b"/lib/ld-linux.so.2\0")[:60]
    yield "32-bit-interpreter-huge", narrow(b"/x\0").replace(struct.pack("<II", 3, 3), struct.pack("<II", 2**32 - 1, 3))


def interpreters():
    for name, size in (("0", 0), ("1", 1), ("4097", 4097), ("5000", 5000), ("2-63", 2**63), ("max", MAX)):
        yield f"interpreter-size-{name}", whole([(INTERP, 4, 120, size)], tail=b"/" * 6000)
    yield "interpreter-without-nul", with_interpreter(b"/lib64/ld-linux-x86-64.so.2")
    yield "interpreter-past-end", with_interpreter(b"/x\0", offset=10**6)
    yield "interpreter-at-max", with_interpreter(b"/x\0", offset=MAX - 1)
    yield "interpreter-missing", with_interpreter(b"/nonexistent/ld.so\0")
    yield "interpreter-missing-musl", with_interpreter(b"/nonexistent/ld-musl-x86_64.so.1\0")
    yield "interpreter-directory", with_interpreter(b"/tmp\0")
    yield "interpreter-device", with_interpreter(b"/dev/zero\0")
    yield "interpreter-empty", with_interpreter(b"\0\0")
    yield "interpreter-4096", with_interpreter(b"/" * 4095 + b"\0")
    yield "interpreter-with-newline", with_interpreter(b"/x\nreached\x1b[2J\0")
    yield "interpreter-twice", whole(
        [(INTERP, 4, 176, 6), (INTERP, 4, 182, 10)], tail=b"/gone\0/bin/true\0"
    )


def notes():
    yield "note-name-huge", with_notes(note(2**32 - 1, 0))
    yield "note-text-huge", with_notes(note(4, 2**32 - 1) + b"Go\0\1")
    yield "note-both-huge", with_notes(note(2**32 - 1, 2**32 - 1) * 2)
    yield "note-empty-ones", with_notes(note(0, 0) * 10000)
    yield "note-past-end", with_notes(note(4, 4), 10**6)
    yield "note-cut", with_notes(note(4, 4)[:11])
    yield "note-size-max", with_notes(note(4, 4) + b"GNU\0abcd", MAX)


def go_programs():
    go_note, go_data, large = note(4, 0) + b"Go\0\0", b"\xff Go buildinf:".ljust(32), bytes(2**21 - 176)
    yield "go-note", with_notes(note(4, 4) + b"GNU\0abcd" + note(4, 8) + b"Go\0\0" + b"01234567")
    yield "go-note-after-large-data", whole([(LOAD, 6, 0, 2**21), (NOTE, 4, 2**21, 16)], tail=large + go_note)
    yield "go-data-after-large-data", whole([(LOAD, 6, 0, 2**21), (LOAD, 6, 2**21, 32)], tail=large + go_data)
    yield "go-data-in-odd-segment", whole([(LOAD, 6, 120, 40)], tail=bytes(8) + go_data)
    yield "go-data-not-aligned", whole([(LOAD, 6, 120, 32)], tail=go_data)


def scripts(directory):
    yield "script-bare", b"#!"
    yield "script-blanks", b"#! \t  "
    yield "script-blank-line", b"#!  \n"
    yield "script-newline", b"#!\n"
    yield "script-300-blanks", b"#!" + b" " * 300 + b"/bin/sh\n"
    yield "script-line-10000", b"#!/" + b"x" * 10000 + b"\n"
    yield "script-name-252", b"#!/" + b"/" * 243 + b"/bin/sh\n"
    yield "script-name-253", b"#!/" + b"/" * 244 + b"/bin/shx\n"
    yield "script-name-254", b"#!/" + b"/" * 245 + b"/bin/shx\n"
    yield "script-argument-10000", b"#!/bin/sh " + b"x" * 10000 + b"\n"
    yield "script-without-newline", b"#!/bin/sh"
    yield "script-of-nul", b"#!\0\0\0\n"
    yield "script-nul-in-name", b"#!/bin/\0sh\n"
    yield "script-nul-after-name", b"#!/bin/sh\0x\n"
    yield "script-of-itself", f"#!{directory}/script-of-itself\n"
    yield "script-of-other", f"#!{directory}/script-of-one\n"
    yield "script-of-one", f"#!{directory}/script-of-other\n"
    yield "chain-1", "#!/bin/sh\n"
    for number in range(2, 11):
        yield f"chain-{number}", f"#!{directory}/chain-{number - 1} argument\n"
    yield "script-of-directory", "#!/tmp\n"
    yield "script-of-fifo", f"#!{directory}/fifo\n"
    yield "script-of-empty", f"#!{directory}/empty\n"
    yield "script-of-device", "#!/dev/zero\n"
    yield "script-of-nothing", "#!/nonexistent/interpreter\n"
    yield "script-of-no-path", "#!sh\n"
    yield "script-carriage-return", b"#!/bin/sh\r\n"
    yield "script-escape", b"#!/bin/\x1b[2J\x7f\n"
    yield "env-alone", "#!/usr/bin/env\n"
    yield "env-nothing", "#!/usr/bin/env no-such-command\n"
    yield "env-python", "#!/usr/bin/env python3\n"
    yield "env-argument", "#!/usr/bin/env python3 -u\n"
    yield "env-split", "#!/usr/bin/env -S python3 -u\n"
    yield "env-split-long", "#!/usr/bin/env --split-string=-u C A=b python3 -u\n"
    yield "env-split-joined", "#!/usr/bin/env -vSpython3 -u\n"
    yield "env-empties", "#!/usr/bin/env -i python3\n"
    yield "env-split-empties", "#!/usr/bin/env -iS python3\n"
    yield "env-split-dash", "#!/usr/bin/env -S - python3\n"
    yield "env-split-unsets", "#!/usr/bin/env -S -u LD_PRELOAD python3\n"
    yield "env-split-sets", "#!/usr/bin/env -S LD_PRELOAD=/x.so python3\n"
    yield "env-split-nothing", "#!/usr/bin/env -S \n"
    yield "env-split-verbose", "#!/usr/bin/env -S -vi python3\n"
    yield "env-verbose-split", "#!/usr/bin/env -viS python3\n"
    yield "env-split-verbose-only", "#!/usr/bin/env -S -v python3\n"
    yield "env-split-many", "#!/usr/bin/env -S" + " -i" * 60 + " python3\n"
    yield "env-missing", "#!/nonexistent/env python3\n"


def others():
    yield "empty", b""
    yield "one-byte", b"\x7f"
    yield "text", "echo a script without a first line that says so\n"
    yield "png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    yield "zeroes", bytes(100000)
    yield "elf-of-zeroes", b"\x7fELF" + bytes(100000)
    yield "elf-of-ones", b"\x7fELF" + b"\xff" * 100000
    yield "elf-in-elf", b"\x7fELF" * 1000


def main():
    directory = os.path.abspath(sys.argv[1])
    files = [*elf_files(), *interpreters(), *notes(), *go_programs(), *scripts(directory), *others()]
    for name, data in files:
        with open(os.path.join(directory, name), "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
            os.fchmod(file.fileno(), 0o755)
    with open(os.path.join(directory, "sparse"), "wb") as file:  # 1 TiB, of which a page is there
        file.write(whole([(LOAD, 6, 0, 2**40), (NOTE, 4, 2**39, 2**39)]))
        file.truncate(2**40)
        os.fchmod(file.fileno(), 0o755)
    os.mkfifo(os.path.join(directory, "fifo"), 0o755)


main()
