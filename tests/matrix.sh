#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds library and command with every compiler and at every level, for other CPUs, and with the kernel headers of
# Linux 5.4. A warning fails. Compilers that are not installed are named; those that this distribution does not have
# can be had by running this in a debootstrap(8) of another.
# COMPILERS, FOREIGN and LEVELS (one on a line) choose others.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

COMPILERS=${COMPILERS-gcc-12 gcc-13 gcc-14 gcc-15 clang-14 clang-15 clang-16 clang-17 clang-18 clang-19 musl-gcc}
FOREIGN=${FOREIGN-powerpc64le s390x mips64el}
LEVELS=${LEVELS-$'-O0\n-Os\n-O2\n-O3 -flto\n-O2 -m32'}
JOBS=${JOBS:-$(nproc)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
absent=

# row CC CFLAGS [CPPFLAGS]: builds, and says how it went. The build is in $work/build.
row() {
    rm -rf "$work/build"
    if env -u MAKEFLAGS -u MAKELEVEL make -s -j "$JOBS" BUILD="$work/build" CC="$1" CFLAGS="$2 -Werror" CPPFLAGS="${3-}" LDFLAGS= all \
        >"$work/log" 2>&1 && [ ! -s "$work/log" ]; then
        echo "ok: $1 $2${3:+ $3}"
    else
        echo "FAILED: $1 $2${3:+ $3}"
        sed 's/^/    /' "$work/log"
        status=1
    fi
}

# compiles COMMAND...: it makes programs that use the system's headers.
compiles() {
    echo 'int main(void) { return 0; }' | "$@" -include sys/socket.h -x c -o /dev/null - 2>/dev/null
}

# The CPUs without seccomp's rules say so at once; tried where an emulator is installed.
says_not_on_this_cpu() {
    local qemu=qemu-$1 said root
    qemu=${qemu/powerpc64le/ppc64le}
    [ -n "$(type -P "$qemu")" ] || return 0
    for root in "/usr/$1"-linux-gnu*; do
        said=$("$qemu" -L "$root" "$work/build/reuseport" run -p 80 -m seccomp true 2>&1)
    done
    if [ "$said" = "reuseport: true: sharing by seccomp is not available on this CPU" ]; then
        echo "ok: $1 by $qemu: $said"
    else
        echo "FAILED: $1 by $qemu: $said"
        status=1
    fi
}

for compiler in $COMPILERS; do
    if [ -z "$(type -P "$compiler")" ]; then
        absent="$absent $compiler"
        continue
    fi
    while read -r level; do
        case $level in
        *-m32*)
            # shellcheck disable=SC2086 # options
            compiles "$compiler" $level || {
                [ "$compiler" = musl-gcc ] || absent="$absent $compiler:-m32"
                continue
            }
            ;;
        esac
        row "$compiler" "$level"
    done <<<"$LEVELS"
    row "$compiler" -O2 -Itests/linux-5.4
done

for cpu in $FOREIGN; do
    triplet=$cpu-linux-gnu
    [ "$cpu" != mips64el ] || triplet=mips64el-linux-gnuabi64
    if compiler=$(sh shim/release/compiler.sh "$triplet"); then
        row "$compiler" -O2
        says_not_on_this_cpu "$cpu"
    else
        absent="$absent $cpu"
    fi
done

[ -z "$absent" ] || echo "not installed:$absent"
exit $status
