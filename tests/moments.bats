#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The library works early, late and at once: before its own constructor, in signal handlers and children,
# after the environment is gone, in many threads, beside other preload libraries.

load helpers

setup() {
    lease_port PORT
}

# at_all_moments DIRECTORY: every moment of the probe built in that directory.
at_all_moments() {
    local moment
    for moment in signal fork vfork overwritten; do
        run shared "$1/moments" "$moment" "$PORT"
        echo "$moment: $output"
        [ "$output" = reuseport=1 ]
    done
}

# bats test_tags=sanitized
@test "in a signal handler, in the children of fork and vfork, after the environment was overwritten" {
    at_all_moments "$PROBES"
}

@test "at the same moments on musl" {
    need musl-gcc
    at_all_moments "$PROBES/musl"
}

# bats test_tags=sanitized
@test "8 threads that bind 10 000 times" {
    run shared "$PROBES/moments" threads "$PORT" 1250
    echo "$output"
    [ "$output" = "binds=10000 wrong=0" ]
}

# early DIRECTORY ORDER: the constructor of a neighbour, before or after ours in LD_PRELOAD, binds.
early() {
    local neighbour=$1/neighbour preload
    preload=$LIBRARY:$neighbour
    [ "$2" = before ] && preload=$neighbour:$LIBRARY
    run env NEIGHBOUR_EARLY="$PORT" REUSEPORT_PORTS="$PORT" LD_PRELOAD="$preload" \
        "$1/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    echo "$1 $2: $output"
    [ "$output" = $'early bind=0 reuseport=1\nbind=ok\nreuseport=1\nreuseaddr=0' ]
}

@test "in the constructor of another preload library, listed before or after ours" {
    early "$PROBES" before
    early "$PROBES" after
}

@test "in the constructor of another preload library, on musl" {
    need musl-gcc
    early "$PROBES/musl" before
    early "$PROBES/musl" after
}

@test "an error in the list is told once, also when another constructor binds first" {
    run --separate-stderr env NEIGHBOUR_EARLY="$PORT" REUSEPORT_PORTS=x \
        LD_PRELOAD="$PROBES/neighbour:$LIBRARY" "$PROBES/moments" fork "$PORT"
    [ "$stderr" = 'libreuseport: REUSEPORT_PORTS: "x": not a port; sharing nothing' ]
}

# at_once DIRECTORY PRELOAD: 8 threads of a constructor bind at once, over and over, each with the result
# that one alone would have, and one of them reports.
at_once() {
    local many round
    many=$(seq -s , 1 63)
    for ((round = 0; round < 40; round++)); do
        run env EARLY_PORT="$PORT" REUSEPORT_PORTS="$many,$PORT" LD_PRELOAD="$2" "$1/probe"
        [ "$output" = shared=8 ] || {
            echo "$2, round $round: $output"
            return 1
        }
        run --separate-stderr env EARLY_PORT="$PORT" REUSEPORT_PORTS="$many,64,$PORT" LD_PRELOAD="$2" "$1/probe"
        [ "$stderr" = "libreuseport: REUSEPORT_PORTS: \"$PORT\": more than 64 entries; sharing nothing" ] || {
            echo "$2, round $round: $stderr"
            return 1
        }
    done
}

@test "threads that bind at once, before our constructor has run, all share; an error is told once" {
    at_once "$PROBES" "$LIBRARY:$PROBES/early-threads"
    at_once "$PROBES" "$PROBES/early-threads:$LIBRARY"
}

@test "threads that bind at once, on musl" {
    need musl-gcc
    at_once "$PROBES/musl" "$LIBRARY:$PROBES/musl/early-threads"
    at_once "$PROBES/musl" "$PROBES/musl/early-threads:$LIBRARY"
}

@test "the thread sanitizer finds no race where threads bind at once" {
    local program=$BATS_TEST_TMPDIR/early
    # The library inside the program, whose constructor comes before ours.
    cc -std=gnu11 -D_GNU_SOURCE -Ishim -g -O1 -fsanitize=thread -I"$ROOT/shim" -o "$program" "$ROOT"/tests/probes/early-threads.c \
        "$ROOT"/tests/probes/empty.c -x c - "$ROOT"/shim/core/*.c "$ROOT"/shim/preload/{hooks,real,settings}.c \
        -rdynamic -ldl -pthread 2>/dev/null <<<'int main(void) { return 0; }' || missing "a compiler with -fsanitize=thread"
    "$program" 2>/dev/null || missing "an address space as the thread sanitizer needs it"
    local round
    for ((round = 0; round < 20; round++)); do
        run env EARLY_PORT="$PORT" REUSEPORT_PORTS="1,2,3,$PORT" "$program"
        echo "$output"
        [ "$output" = shared=8 ]
    done
}

@test "two preload libraries in a row both see each call, in either order" {
    local preload
    for preload in "$LIBRARY:$PROBES/neighbour" "$PROBES/neighbour:$LIBRARY"; do
        run env NEIGHBOUR_COUNTS=1 REUSEPORT_PORTS="$PORT" LD_PRELOAD="$preload" \
            "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
        echo "$preload: $output"
        [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0\nneighbour sockets=1 binds=1' ]
    done
}
