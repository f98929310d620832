#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A program cannot tell that the library is there: results, errno, output and ports are as without it.

load helpers

setup() {
    lease_port PORT
}

# same_odd_calls DIRECTORY PORTS [SETTING]: the table of odd calls comes out as it does without the library.
same_odd_calls() {
    "$1/odd-calls" "$PORT" >"$BATS_TEST_TMPDIR/plain" 2>&1
    env "${@:3}" REUSEPORT_PORTS="$2" LD_PRELOAD="$LIBRARY" "$1/odd-calls" "$PORT" >"$BATS_TEST_TMPDIR/shared" 2>&1
    diff "$BATS_TEST_TMPDIR/plain" "$BATS_TEST_TMPDIR/shared"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/plain")" -gt 60 ]
    grep -q 'good: 0 errno untouched' "$BATS_TEST_TMPDIR/plain"
}

# bats test_tags=sanitized
@test "odd calls have the result and errno that they have without the library" {
    same_odd_calls "$PROBES" "$PORT"
    same_odd_calls "$PROBES" "all"
    same_odd_calls "$PROBES" "81,127.0.0.1:all,[::1]:$PORT"
    same_odd_calls "$PROBES" "all,!$PORT"
    same_odd_calls "$PROBES" "1"
    same_odd_calls "$PROBES" "all" REUSEPORT_AT=socket REUSEPORT_REUSEADDR=1
}

@test "odd calls, on musl" {
    need musl-gcc
    same_odd_calls "$PROBES/musl" "$PORT"
    same_odd_calls "$PROBES/musl" "127.0.0.1:all,[::1]:$PORT"
}

# bats test_tags=sanitized
@test "nothing is written to stdout or stderr when all is well" {
    run shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" socket udp4 bind 127.0.0.1 "$PORT"
    [ "$output" = $'bind=ok\nbind=ok' ]
}

# kept_from WHAT LINE STEP...: what the probe's steps bind is not shared, since a sandbox forbids WHAT; of that the
# library writes that one line at warn, and nothing when off. The program's results are as without the library.
kept_from() {
    local plain sandbox=("$PROBES/without" "$1" env LD_PRELOAD="$LIBRARY")
    plain=$("$PROBES/without" "$1" "$PROBES/probe" "${@:3}")
    run --separate-stderr "${sandbox[@]}" "$PROBES/probe" "${@:3}"
    echo "$output / $stderr"
    [ "$output" = "$plain" ]
    [ "$stderr" = "${2:+libreuseport: bind $2 (a sandbox?); \"reuseport run -m seccomp\" goes round that}" ]
    run --separate-stderr env REUSEPORT_LOG=off "${sandbox[@]}" "$PROBES/probe" "${@:3}"
    [ "$output" = "$plain" ]
    [ -z "$stderr" ]
}

@test "warn tells once in a process that a listed port is bound without the option, and that a sandbox is why" {
    local other no='not shared' why='Operation not permitted'
    lease_port other
    export REUSEPORT_PORTS=$PORT
    kept_from setsockopt "127.0.0.1:$PORT/tcp: $no: setsockopt: $why" socket tcp4 bind 127.0.0.1 "$other" close \
        socket tcp4 bind 127.0.0.1 "$PORT" close socket tcp4 bind 127.0.0.1 "$PORT"
    kept_from setsockopt "[::1]:$PORT/udp: $no: setsockopt: $why" socket udp6 bind ::1 "$PORT"
    kept_from setsockopt '' socket tcp4 bind 127.0.0.1 "$other" close socket unix bind path "$other"
    REUSEPORT_PORTS=$PORT/tcp
    kept_from getsockopt "127.0.0.1:$PORT: $no: getsockopt: $why" \
        socket tcp4 bind 127.0.0.1 "$other" close socket tcp4 bind 127.0.0.1 "$PORT"
}

@test "warn tells it, too, in a sandbox such as tor's, which forbids to ask whether an address can be read" {
    local other no='not shared' why='Operation not permitted'
    lease_port other
    export REUSEPORT_PORTS=$PORT/udp
    kept_from tor "127.0.0.1:$PORT: $no: rt_sigprocmask: $why" socket udp4 bind 127.0.0.1 "$other" close \
        socket udp4 bind 127.0.0.1 "$PORT" close socket udp4 bind 127.0.0.1 "$PORT"
    REUSEPORT_PORTS="[::1]:$PORT"
    kept_from tor "[::1]:$PORT: $no: rt_sigprocmask: $why" socket tcp6 bind ::1 "$PORT"
    kept_from tor '' socket tcp4 bind 127.0.0.1 "$PORT" close socket unix bind path "$PORT"
    "$PROBES/without" tor "$PROBES/odd-calls" "$PORT" >"$BATS_TEST_TMPDIR/plain"
    "$PROBES/without" tor env REUSEPORT_PORTS=all LD_PRELOAD="$LIBRARY" "$PROBES/odd-calls" "$PORT" \
        >"$BATS_TEST_TMPDIR/shared" 2>/dev/null
    diff "$BATS_TEST_TMPDIR/plain" "$BATS_TEST_TMPDIR/shared"
}

@test "a data file in the place of descriptor 2 stays as it is, at any log level" {
    local level data=$BATS_TEST_TMPDIR/data
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    for level in off warn info; do
        : >"$data"
        run env REUSEPORT_LOG=$level REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" \
            "$PROBES/descriptor-2" "$data" "$PORT"
        [ "$status" = 1 ]
        [ ! -s "$data" ]
        # Closed before the start.
        run env REUSEPORT_LOG=$level REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" \
            "$PROBES/descriptor-2" "$data" "$PORT" 2>&-
        [ ! -s "$data" ]
    done
    # The message does come where descriptor 2 is what it was.
    run shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    [[ $output == *"libreuseport: bind 127.0.0.1:$PORT/tcp: in use by"* ]]
}

# bats test_tags=sanitized
@test "a stderr whose reader has gone does not kill the program" {
    local fifo=$BATS_TEST_TMPDIR/fifo both writer
    mkfifo "$fifo"
    exec {both}<>"$fifo" {writer}>"$fifo"
    exec {both}>&-
    run env REUSEPORT_LOG=info REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" \
        bash -c 'exec "$@" 2>&"$0"' "$writer" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    exec {writer}>&-
    echo "$status $output"
    [ "$status" = 0 ]
    [[ $output == *reuseport=1* ]]
}

# bats test_tags=sanitized
@test "a stderr that nobody empties does not block the program" {
    local fifo=$BATS_TEST_TMPDIR/fifo fd
    mkfifo "$fifo"
    exec {fd}<>"$fifo"
    dd if=/dev/zero of="$fifo" bs=65536 count=1 2>/dev/null
    run timeout 10 env REUSEPORT_LOG=info REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" \
        bash -c 'exec "$@" 2>"$0"' "$fifo" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    exec {fd}>&-
    echo "$output"
    [ "$status" = 0 ]
    [[ $output == *reuseport=1* ]]
}

# bats test_tags=sanitized
@test "no UDP port is given to two of 5000 sockets, neither by bind nor by connect" {
    local how
    for how in bind connect; do
        REUSEPORT_PORTS=all run shared "$PROBES/port-zero" "$how" 5000
        [ "$output" = "sockets=5000 failed=0 twice=0" ]
        REUSEPORT_PORTS=all REUSEPORT_AT=socket run shared "$PROBES/port-zero" "$how" 5000
        [ "$output" = "sockets=5000 failed=0 twice=0" ]
    done
}

@test "the probe for twice-used ports can find them" {
    run env LD_PRELOAD="$PROBES/neighbour" "$PROBES/port-zero" bind 5000
    echo "$output"
    [[ $output == "sockets=5000 failed=0 twice="[1-9]* ]]
}
