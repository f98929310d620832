#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The library built for every CPU that Debian has, with its glibc and with musl; qemu runs what this machine does not.
# shellcheck disable=SC2034 # variables that are set for work.bash

load work
load ../library-file

FOREIGN=$BUILT_IN/foreign # roots.sh

# Debian's name of each, the name that compilers have for it, qemu's, and that of musl's loader.
CPUS='amd64 x86_64-linux-gnu x86_64 x86_64
arm64 aarch64-linux-gnu aarch64 aarch64
armhf arm-linux-gnueabihf arm armhf
i386 i686-linux-gnu i386 i386
mips64el mips64el-linux-gnuabi64 mips64el mips64el
ppc64el powerpc64le-linux-gnu ppc64le powerpc64le
riscv64 riscv64-linux-gnu riscv64 riscv64
s390x s390x-linux-gnu s390x s390x'

# choose CPU: sets what else the tests have to know of it.
choose() {
    need clang dpkg
    read -r CPU TRIPLET QEMU LOADER < <(grep "^$1 " <<<"$CPUS")
    LOADER=ld-musl-$LOADER.so.1
    MUSL=$FOREIGN/$CPU
    GLIBC=/usr/$TRIPLET/lib/libc.so.6
    [ -d "$MUSL" ] || missing "$MUSL, which make field-deps provides"
    if [ "$CPU" = "$(dpkg --print-architecture)" ]; then
        QEMU=
        GLIBC=$(clang -print-file-name=libc.so.6)
    fi
    # The sockets of which a kernel tells differ from those of a big-endian process that qemu runs, as do the addresses
    # in /proc/net/tcp; this one looks the same to both.
    ADDRESS=0.0.0.0
}

# build: the server, and the library at several levels: what a CPU has no instruction for may be a call of a function
# that no libc has.
build() {
    local level
    for level in -O0 -O3 -O2; do
        rm -rf "$CPU"
        make -s -C "$ROOT" CC="clang --target=$TRIPLET" CFLAGS=$level BUILD="$PWD/$CPU" "$PWD/$CPU/libreuseport.so" \
            "$PWD/$CPU/examples/server"
        BUILT=$PWD/$CPU/libreuseport.so
        fits_every_libc "$BUILT"
    done
}

# build_on_musl: the server, with the headers of that libc, and as its own compiler would link it. The linker may be too
# old for what its object files hold for debuggers.
build_on_musl() {
    local folder
    folder=$(echo "$MUSL"/usr/lib/*-linux-musl*)
    clang --target="$TRIPLET" -w -D_GNU_SOURCE -nostdinc -isystem "$MUSL/usr/include/${folder##*/}" -fPIE -pie \
        -nostdlib -Wl,--strip-debug,--dynamic-linker="/lib/$LOADER" -o server-on-musl "$folder"/{Scrt1,crti}.o \
        "$ROOT/examples/server.c" "$(libc_of_musl)" "$folder/crtn.o"
}

libc_of_musl() {
    find "$MUSL" -path '*musl*/libc.so' -type f
}

# emulated ROOT SERVER: puts what runs the server with the library loaded into LAUNCH; its loader and libc are in ROOT.
emulated() {
    if [ -n "$QEMU" ]; then
        need "qemu-$QEMU"
        SLOW=yes
        LAUNCH=("qemu-$QEMU" -L "$1" -E LD_PRELOAD="$BUILT" "$2")
    elif [ "$1" = "$MUSL" ]; then
        LAUNCH=(env LD_PRELOAD="$BUILT" "$(libc_of_musl)" "$2") # which is the loader, too
    else
        LAUNCH=(env LD_PRELOAD="$BUILT" "$2")
    fi
}

# has_names FILE LIBC: that libc has all names without which FILE does not load.
has_names() {
    local lacking
    [ -e "$2" ] || missing "$2"
    lacking=$(comm -23 <(names_of "$1" '== "UND" && $5 == "GLOBAL"') <(names_of "$2" '!= "UND"'))
    echo "not in $2: $lacking"
    [ -z "$lacking" ]
}

# names_of FILE CONDITION: the names of its symbols whose section meets it.
names_of() {
    readelf --dyn-syms -W "$1" | sed 's/\[<localentry>.*\]//' | awk "NF > 7 && \$7 $2 { sub(/@.*/, \"\", \$8); print \$8 }" | sort -u
}

# works_on CPU
works_on() {
    choose "$1"
    build
    has_names "$BUILT" "$GLIBC"
    has_names "$BUILT" "$FOREIGN/$TRIPLET/lib/libc.so.6"
    has_names "$BUILT" "$(libc_of_musl)"
    emulated "/usr/$TRIPLET" "$PWD/$CPU/examples/server"
    does_its_work "${LAUNCH[@]}"
    build_on_musl
    emulated "$MUSL" "$PWD/server-on-musl"
    does_its_work "${LAUNCH[@]}"
}

@test "amd64: two copies share, a refusal is explained, and a list with an error says so, on glibc and musl" {
    works_on amd64
}

@test "arm64 does the same" {
    works_on arm64
}

@test "armhf does the same" {
    works_on armhf
}

@test "i386 does the same" {
    works_on i386
}

@test "mips64el does the same" {
    works_on mips64el
}

@test "ppc64el does the same" {
    works_on ppc64el
}

@test "riscv64 does the same" {
    works_on riscv64
}

@test "s390x does the same, which is big-endian" {
    works_on s390x
}

@test "a name that an older glibc lacks is found out" {
    choose arm64
    echo 'int arc4random(void); int a(void) { return arc4random(); }' >a.c # of glibc 2.36
    clang --target="$TRIPLET" -shared -fPIC -nostdlib -Wl,--unresolved-symbols=ignore-all -o a.so a.c
    has_names a.so "$GLIBC"
    run has_names a.so "$FOREIGN/$TRIPLET/lib/libc.so.6"
    [ "$status" = 1 ]
    [[ $output == *": arc4random" ]]
}
