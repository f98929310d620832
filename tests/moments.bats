#!/usr/bin/env bats
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

@test "two preload libraries in a row both see each call, in either order" {
    local preload
    for preload in "$LIBRARY:$PROBES/neighbour" "$PROBES/neighbour:$LIBRARY"; do
        run env NEIGHBOUR_COUNTS=1 REUSEPORT_PORTS="$PORT" LD_PRELOAD="$preload" \
            "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
        echo "$preload: $output"
        [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0\nneighbour sockets=1 binds=1' ]
    done
}
