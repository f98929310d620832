#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The library beside the preload libraries of others, in programs under the sanitizers of both compilers, and under
# valgrind.
# shellcheck disable=SC2034 # variables that are set for work.bash

load work

# fakeroot(1) ends its daemon when the program ends by itself, but not when it is terminated itself.
end_daemons() {
    local pid
    for pid in $(pgrep -x faked-sysv); do
        ! grep -qszxF "BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR" "/proc/$pid/environ" || kill -TERM "$pid"
    done
}

teardown() {
    stop_all
    end_daemons
    tail -v -n +1 "$BATS_TEST_TMPDIR"/*.log || true
}

# find_other FILE: sets OTHER to the library of that name, which is in the folder of this machine's libraries.
find_other() {
    local files=(/usr/lib/*-linux-gnu*/"$1")
    OTHER=${files[0]}
    [ -e "$OTHER" ] || missing "$1"
    env LD_PRELOAD="$OTHER" grep -F "$(readlink -f "$OTHER")" /proc/self/maps
}

# beside FILE: with that library loaded before ours, and after it.
beside() {
    local order
    find_other "$1"
    for order in "$LIBRARY:$OTHER" "$OTHER:$LIBRARY"; do
        does_its_work env LD_PRELOAD="$order" "$BUILD/examples/server"
    done
}

# with_command WORD...: the command of these words loads its own library into what it starts, and reuseport run ours,
# either way round.
with_command() {
    need "$1"
    starts_what_works "$@" "$BUILD/reuseport" run
    starts_what_works "$BUILD/reuseport" run "$@"
}

# A list with an error is told of by reuseport itself.
starts_what_works() {
    echo "$*"
    lease_port PORT
    shares "$@" "$BUILD/examples/server"
    stop_all
    explains "$@" "$BUILD/examples/server"
    stop_all
}

# sanitized COMPILER OPTION...: builds the server so, and has LAUNCH run it: where the kernel spreads addresses widely, the
# sanitizers of older compilers end at the start.
sanitized() {
    need "$1"
    LAUNCH=(env)
    ! setarch -R true 2>/dev/null || LAUNCH=(setarch -R env)
    "$@" -g -O1 -D_GNU_SOURCE -fno-sanitize-recover=all -o server "$ROOT/examples/server.c"
}

@test "beside libjemalloc" {
    beside libjemalloc.so.2
}

@test "beside libtcmalloc" {
    beside libtcmalloc_minimal.so.4
}

@test "beside libfaketime, and its command" {
    beside faketime/libfaketime.so.1
    with_command faketime -f +1y
}

@test "beside libeatmydata, and its command" {
    beside libeatmydata.so
    with_command eatmydata
}

@test "beside libtorsocks, which has a syscall() of its own, and its command" {
    beside torsocks/libtorsocks.so
    with_command torsocks
}

@test "beside fakeroot, and its command" {
    need pgrep
    beside libfakeroot/libfakeroot-sysv.so
    with_command fakeroot
}

@test "beside several of them, those that do not clash with one another" {
    local all='' name
    for name in libeatmydata.so faketime/libfaketime.so.1 torsocks/libtorsocks.so; do
        find_other "$name"
        all=$all$OTHER:
    done
    does_its_work env LD_PRELOAD="$all$LIBRARY" "$BUILD/examples/server"
    does_its_work env LD_PRELOAD="$LIBRARY:${all%:}" "$BUILD/examples/server"
}

@test "in programs under gcc's sanitizers; the one for addresses wants to be first, or to be told that it is not" {
    local kind first
    for kind in undefined leak thread; do
        sanitized gcc -fsanitize=$kind
        does_its_work "${LAUNCH[@]}" LD_PRELOAD="$LIBRARY" ./server
    done
    sanitized gcc -fsanitize=address
    first=$(gcc -print-file-name=libasan.so)
    run env LD_PRELOAD="$LIBRARY" ./server "$PORT"
    [[ $status != 0 && $output == *"ASan runtime does not come first"* ]]
    does_its_work "${LAUNCH[@]}" LD_PRELOAD="$first:$LIBRARY" ./server
    does_its_work "${LAUNCH[@]}" ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD="$LIBRARY" ./server
    sanitized gcc -fsanitize=address -static-libasan
    does_its_work "${LAUNCH[@]}" LD_PRELOAD="$LIBRARY" ./server
}

@test "in programs under clang's sanitizers" {
    local kind
    for kind in address undefined leak thread memory; do
        sanitized clang -fsanitize=$kind
        does_its_work "${LAUNCH[@]}" LD_PRELOAD="$LIBRARY" ./server
    done
}

@test "under valgrind, which finds nothing" {
    need valgrind
    SLOW=yes
    does_its_work env LD_PRELOAD="$LIBRARY" valgrind --error-exitcode=99 "$BUILD/examples/server"
    [ "$(grep -hc 'ERROR SUMMARY: 0 errors' "$(log first)")" = 1 ]
}

@test "where the loader resolves all names at once" {
    does_its_work env LD_BIND_NOW=1 LD_PRELOAD="$LIBRARY" "$BUILD/examples/server"
}
