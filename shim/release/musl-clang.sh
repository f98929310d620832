#!/bin/sh
# SPDX-License-Identifier: MIT
# clang for a CPU and the musl in FOLDER, where its package musl-dev is unpacked: compiles, or links statically, as
# musl-gcc does for this machine. The headers of the kernel are those beside glibc's.
#     musl-clang.sh FOLDER TRIPLET ARGUMENT...    TRIPLET is glibc's, such as aarch64-linux-gnu
triplet=$2
library=$(echo "$1"/usr/lib/*-linux-musl*)
include=$1/usr/include/${library##*/}
shift 2

case " $* " in
*" -c "*)
    case $triplet in
    powerpc*) set -- -mlong-double-64 "$@" ;; # 128 with glibc
    i?86-*) set -- -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu "$@" ;;
    esac
    exec clang --target="$triplet" -nostdinc -isystem "$include" -idirafter "/usr/$triplet/include" "$@"
    ;;
esac
case $triplet in
aarch64-*) set -- -Wl,--defsym=__getauxval=getauxval "$@" ;; # libgcc's name for it is glibc's
esac
exec clang --target="$triplet" "$@" -nostdlib "$library/crt1.o" "$library/crti.o" "$library/libc.a" \
    "$(clang --target="$triplet" -print-libgcc-file-name)" "$library/crtn.o"
