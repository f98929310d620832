#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the first compiler for a CPU and libc that can link programs: it has their headers and libraries. Fails if there
# is none.
#     compiler.sh TRIPLET [OPTION...]    such as aarch64-linux-gnu, or x86_64-linux-musl -static
triplet=$1
shift

candidates() {
    echo "$triplet-gcc"
    case $triplet in
    "$(uname -m)"-*-musl) echo musl-gcc ;;
    *musl*) ;;
    *)
        for version in 15 14 13 12; do echo "$triplet-gcc-$version"; done
        case $(cc -dumpmachine 2>/dev/null):$triplet in
        "${triplet%%-*}"-*:*) echo cc ;;
        x86_64-*:i?86-*) echo "gcc -m32" ;;
        esac
        echo "clang --target=$triplet"
        ;;
    esac
}

candidates | while read -r compiler; do
    # shellcheck disable=SC2086 # a command with an option
    echo 'int main(void) { return 0; }' | $compiler "$@" -include sys/socket.h -x c -o /dev/null - 2>/dev/null || continue
    echo "$compiler"
    break
done | grep .
