#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes an archive for each CPU, to be unpacked in /usr/local, and SHA256SUMS. The command is static where there is a
# compiler for musl, or clang and musl in DIST_MUSL/CPU. A CPU without any compiler is named, and makes this fail. Called
# by `make dist`.
#     VERSION=... SOURCE_DATE_EPOCH=... [DIST_MUSL=...] dist.sh FOLDER CPU...
set -eu

folder=$1
shift
# The environment may choose flags, but not where an archive has its files.
unset MAKEFLAGS BINDIR LIBDIR MANDIR BASHCOMPDIR ZSHCOMPDIR FISHCOMPDIR DOCDIR
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
absent=

triplet_of() {
    case $1 in
    amd64) echo x86_64-linux-gnu ;;
    arm64) echo aarch64-linux-gnu ;;
    armhf) echo arm-linux-gnueabihf ;;
    i386) echo i686-linux-gnu ;;
    ppc64el) echo powerpc64le-linux-gnu ;;
    *) echo "$1-linux-gnu" ;;
    esac
}

# musl_compiler CPU TRIPLET: prints one that links statically; fails if there is none.
musl_compiler() {
    sh shim/release/compiler.sh "$(echo "$2" | sed s/gnu/musl/)" -static && return
    [ -n "${DIST_MUSL-}" ] && [ -d "$DIST_MUSL/$1/usr/include" ] && echo "sh shim/release/musl-clang.sh $DIST_MUSL/$1 $2"
}

# build FOLDER COMPILER LDFLAGS [ARGUMENT...]: runs make. -s: without symbols.
build() {
    build=$1 compiler=$2 ldflags="${LDFLAGS-} $3 -s"
    shift 3
    make -s -j "${JOBS:-1}" BUILD="$build" CC="$compiler" LDFLAGS="$ldflags" PREFIX=/usr/local "$@" >"$work/log"
}

# stage FOLDER COMPILER [MUSL-COMPILER]: builds in FOLDER, and installs into FOLDER/tree. -o: makes no other command.
stage() {
    if [ -n "${3-}" ]; then
        build "$1/static" "$3" -static "$1/static/reuseport"
        cp "$1/static/reuseport" "$1"
        build "$1" "$2" '' -o "$1/reuseport" DESTDIR="$1/tree" install install-documents
    else
        build "$1" "$2" '' DESTDIR="$1/tree" install install-documents
    fi
}

# pack FOLDER ARCHIVE: the same files give the same bytes, whoever made them and when. Without folders, whose owner and
# mode the machine decides where the archive is unpacked.
pack() {
    (cd "$1" && find . ! -type d | LC_ALL=C sort) |
        tar --create --format=ustar --directory="$1" --files-from=- --transform="s,^\.,$(basename "$2" .tar.gz)," \
            --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX >"$work/archive"
    gzip -9n <"$work/archive" >"$2"
}

mkdir -p "$folder"
rm -f "$folder"/reuseport-*.tar.gz "$folder/SHA256SUMS"
for cpu; do
    triplet=$(triplet_of "$cpu")
    compiler=$(sh shim/release/compiler.sh "$triplet") || {
        absent="$absent $cpu"
        continue
    }
    musl=$(musl_compiler "$cpu" "$triplet") || musl=
    mkdir "$work/$cpu"
    stage "$work/$cpu" "$compiler" "$musl"
    pack "$work/$cpu/tree/usr/local" "$folder/reuseport-$VERSION-$cpu.tar.gz"
    echo "$folder/reuseport-$VERSION-$cpu.tar.gz: by $compiler${musl:+, the command static by $musl}"
done
(cd "$folder" && find . -name 'reuseport-*.tar.gz' -printf '%f\n' | LC_ALL=C sort | xargs -r sha256sum >SHA256SUMS)
[ -z "$absent" ] || {
    echo "make dist: no compiler for$absent; DIST_CPUS chooses CPUs" >&2
    exit 1
}
