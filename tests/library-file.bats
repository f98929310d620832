#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The built file: one for every libc and age of it, whatever compiler and flags it was built with.

load helpers
load library-file

# build NAME VARIABLE=VALUE...: builds the library apart, with a user's variables.
build() {
    BUILT=$BATS_TEST_TMPDIR/$1/libreuseport.so
    make -s -C "$ROOT" BUILD="$BATS_TEST_TMPDIR/$1" "${@:2}" "$BUILT"
}

# works FILE: it loads into a program of either libc and shares a port.
works() {
    local probes
    lease_port PORT
    for probes in "$PROBES" "$PROBES/musl"; do
        run env LD_PRELOAD="$1" REUSEPORT_PORTS="$PORT" "$probes/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
        echo "$1 in $probes/probe: $output"
        [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ] || return 1
    done
}

setup() {
    need musl-gcc readelf
}

@test "the file that make builds loads on every libc, and works on glibc and musl" {
    fits_every_libc "$LIBRARY"
    works "$LIBRARY"
}

@test "the musl probe really is a musl program" {
    readelf -lW "$PROBES/musl/probe" | grep -q 'interpreter: /lib/ld-musl'
}

@test "it is at most 20 KB, from at most 700 lines of code and comments, the explanation of a refusal aside" {
    build plain LDFLAGS=-s
    [ "$(stat -c %s "$BUILT")" -le 20480 ]
    local lines sources
    read -ra sources < <(make -s -C "$ROOT" print-library-sources)
    lines=$(cd "$ROOT" && grep -hc '[^[:space:]]' "${sources[@]}" | paste -sd +)
    lines=$((lines))
    echo "$lines lines"
    [ "$lines" -le 700 ]
}

@test "a distribution's hardening flags do not tie it to one libc" {
    build hardened CPPFLAGS="-D_FORTIFY_SOURCE=3 -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64 -D_GLIBCXX_ASSERTIONS" \
        CFLAGS="-O2 -g -flto=auto -ffat-lto-objects -fexceptions -fstack-protector-strong -fstack-clash-protection \
            -fcf-protection -fasynchronous-unwind-tables -fPIE -Werror=format-security" \
        LDFLAGS="-pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,-z,defs -Wl,-z,pack-relative-relocs \
            -Wl,--build-id=sha1 -flto=auto -Wl,--no-as-needed -lm"
    fits_every_libc "$BUILT"
    works "$BUILT"
}

@test "no optimisation, much optimisation, sanitizers and coverage do not either" {
    local flags number=0
    for flags in -O0 -O3 -Os "-O1 -fsanitize=address,undefined" "-O2 --coverage" "-O2 -pg" \
        "-O2 -finstrument-functions"; do
        echo "CFLAGS=$flags"
        build "flags$((++number))" CFLAGS="$flags"
        fits_every_libc "$BUILT"
        works "$BUILT"
    done
}

@test "clang and musl-gcc build the same" {
    need clang
    local compiler
    for compiler in clang musl-gcc; do
        build "$compiler" CC="$compiler"
        fits_every_libc "$BUILT"
        works "$BUILT"
        make -s -j2 -C "$ROOT" BUILD="${BUILT%/*}" CC="$compiler" all
        "${BUILT%/*}/reuseport" run -p "$PORT" true
    done
}

@test "built for 32 bits it shares, and tells of an error and of a refused bind" {
    local cc="cc -m32" dir=$BATS_TEST_TMPDIR/i386
    [ "$(uname -m)" = x86_64 ] && $cc -o "$BATS_TEST_TMPDIR/any" "$ROOT/tests/probes/churn.c" 2>/dev/null || missing "cc -m32"
    lease_port PORT
    make -s -C "$ROOT" CC="$cc" BUILD="$dir" "$dir/libreuseport.so" "$dir/probes/probe"
    fits_every_libc "$dir/libreuseport.so"
    spawn holder "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen pause
    wait_until listens "$PORT"
    refused "127.0.0.1:$PORT/tcp: in use by pid $PID (probe), whose socket does not share it; \"reuseport adopt $PORT\" lets this one in" \
        env LD_PRELOAD="$dir/libreuseport.so" REUSEPORT_PORTS="$PORT" "$dir/probes/probe" \
        socket tcp4 bind 127.0.0.1 "$PORT" socket tcp4 bind 127.0.0.9 "$PORT" get
    [ "$output" = $'bind=Address already in use\nbind=ok\nreuseport=1\nreuseaddr=0' ]
    run --separate-stderr env LD_PRELOAD="$dir/libreuseport.so" REUSEPORT_PORTS=x "$dir/probes/probe"
    [ "$stderr" = 'libreuseport: REUSEPORT_PORTS: "x": not a port; sharing nothing' ]
}

@test "what is checked can fail: a plain build is told from a fit one" {
    gcc -shared -fPIC -D_GNU_SOURCE -I"$ROOT/shim" -o "$BATS_TEST_TMPDIR/plain.so" "$ROOT"/shim/{core,preload}/*.c
    run fits_every_libc "$BATS_TEST_TMPDIR/plain.so"
    [ "$status" != 0 ]
}
