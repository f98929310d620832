#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Corners of the library that the other files do not reach: what a mutation of its code could change unseen.

load helpers

setup() {
    lease_port PORT
}

# options_set SETTING... -- COMMAND...: sets COUNT to how many calls of setsockopt the command makes under
# the library, and output to what it prints.
options_set() {
    local trace=$BATS_TEST_TMPDIR/trace with=()
    while [ "$1" != -- ]; do
        with+=(-E "$1")
        shift
    done
    run strace -o "$trace" -e trace=setsockopt -E LD_PRELOAD="$LIBRARY" "${with[@]}" "${@:2}"
    COUNT=$(grep -c '^setsockopt' "$trace" || true)
    echo "${*:2}: $output, $COUNT times setsockopt"
}

# bats test_tags=sanitized
@test "a raw socket under the number of a TCP socket that was closed is left alone" {
    need_root
    run shared "$PROBES/probe" socket tcp4 close socket raw4 bind 127.0.0.1 "$PORT" get
    echo "$output"
    [[ $output == $'bind=ok\nreuseport=0\n'* ]]
}

# bats test_tags=sanitized
@test "sockets whose numbers are higher than those that are remembered share, and a raw socket among them does not" {
    need_root
    [ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 4200 ] || missing "4200 open files"
    ulimit -n 4200
    run shared "$PROBES/probe" below 4095 \
        socket tcp4 bind 127.0.0.1 "$PORT" get socket tcp4 bind 127.0.0.1 "$PORT" get close \
        socket raw4 bind 127.0.0.1 "$PORT" get
    echo "$output"
    [ "$(grep -c '^bind=ok$' <<<"$output")" = 3 ]
    [ "$(grep reuseport <<<"$output" | xargs)" = "reuseport=1 reuseport=1 reuseport=0" ]
}

# bats test_tags=sanitized
@test "a load and a bind that log leave the blocked and the pending signals as they were" {
    local plain
    plain=$("$PROBES/probe" blocked)
    run --separate-stderr env REUSEPORT_LOG=info REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" \
        "$PROBES/probe" socket tcp4 blocked bind 127.0.0.1 "$PORT" blocked
    echo "$plain / $output / $stderr"
    [[ ${#stderr_lines[@]} = 2 && $plain == "blocked="*" pending="* ]]
    [ "$output" = "$plain"$'\nbind=ok\n'"$plain" ]
}

# bats test_tags=sanitized
@test "a SIGPIPE that is blocked and pending stays so where the reader of stderr has gone" {
    local fifo=$BATS_TEST_TMPDIR/fifo both writer
    mkfifo "$fifo"
    exec {both}<>"$fifo" {writer}>"$fifo"
    exec {both}>&-
    run bash -c 'exec "$@" 2>&"$0"' "$writer" env REUSEPORT_LOG=info REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" \
        "$PROBES/probe" socket tcp4 sigpipe blocked bind 127.0.0.1 "$PORT" blocked
    exec {writer}>&-
    echo "$status $output"
    [ "$status" = 0 ]
    [[ ${lines[0]} == *" pending=1000" && ${lines[1]} == bind=ok && ${lines[2]} == "${lines[0]}" ]]
}

@test "a data file of the same filesystem as stderr's file stays as it is" {
    local level data=$BATS_TEST_TMPDIR/data log=$BATS_TEST_TMPDIR/stderr
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    for level in warn info; do
        : >"$data"
        run bash -c 'exec "$@" 2>"$0"' "$log" env REUSEPORT_LOG=$level REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" \
            "$PROBES/descriptor-2" "$data" "$PORT"
        [ "$status" = 1 ]
        cat "$data"
        [ "$(stat -c %d "$data")" = "$(stat -c %d "$log")" ]
        [ ! -s "$data" ]
    done
    grep -q '^libreuseport: loaded' "$log"
}

# bats test_tags=sanitized
@test "of two wrong settings one is told, and nothing is shared" {
    local all=(REUSEPORT_LOG=x REUSEPORT_AT=y REUSEPORT_REUSEADDR=z REUSEPORT_PORTS=w) first second name value
    for first in 0 1 2; do
        for ((second = first + 1; second < 4; second++)); do
            run --separate-stderr env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "${all[first]}" "${all[second]}" \
                "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
            echo "${all[first]} ${all[second]}: $output / $stderr"
            name=${all[first]%=*} value=${all[first]#*=}
            [[ $output == *reuseport=0* && ${#stderr_lines[@]} = 1 ]]
            [[ $stderr == "libreuseport: $name: \"$value\": not "*"; sharing nothing" ]]
        done
    done
}

@test "where a sandbox lets the question succeed that tells readable memory, an unreadable address is EFAULT all the same" {
    local preload
    for preload in LD_PRELOAD= LD_PRELOAD="$LIBRARY"; do
        run env REUSEPORT_PORTS="$PORT" REUSEPORT_LOG=off "$preload" "$PROBES/without" mask "$PROBES/address" 4 2 16 "$PORT" 8
        echo "$status: $output"
        [ "$output" = "bind=-1 Bad address" ]
    done
}

# bats test_tags=sanitized
@test "an address whose beginning cannot be read fails as it does without the library" {
    local before kind
    for kind in "4 2 16" "6 10 24" "6 10 28"; do
        for ((before = 1; before < ${kind##* }; before++)); do
            # shellcheck disable=SC2086 # words
            run shared "$PROBES/address" $kind "$PORT" "$before"
            [ "$output" = "bind=-1 Bad address" ] || {
                echo "$kind, $before bytes of it: status $status: $output"
                return 1
            }
        done
    done
}

# bats test_tags=sanitized
@test "an address that ends where readable memory ends is shared" {
    local kind
    for kind in "4 2 16" "6 10 24" "6 10 28"; do
        # shellcheck disable=SC2086 # words
        REUSEPORT_LOG=info run shared "$PROBES/address" $kind "$PORT" end
        echo "$kind: $output"
        [[ ${lines[1]} == "libreuseport: bind "*":$PORT/tcp: shared" && ${lines[2]} == "bind=0 Success" ]]
    done
}

@test "an address that the kernel takes as another, or refuses, sets no option" {
    need strace
    local list socket family length count result
    while read -r socket family length count result; do
        for list in "$PORT" all; do
            options_set REUSEPORT_PORTS="$list" -- "$PROBES/address" "$socket" "$family" "$length" "$PORT"
            [[ $COUNT = "$count" && $output = "bind=$result" ]]
        done
    done <<'END'
4 2  16  1 0 Success
4 2  128 1 0 Success
6 10 24  1 0 Success
6 10 128 1 0 Success
4 0  16  0 -1 Address family not supported by protocol
4 10 16  0 -1 Address family not supported by protocol
6 10 16  0 -1 Invalid argument
6 10 23  0 -1 Invalid argument
4 2  15  0 -1 Invalid argument
4 2  129 0 -1 Invalid argument
6 10 129 0 -1 Invalid argument
END
}

# early DIRECTORY PRELOAD: a constructor's bind, the first call that passes through ours, has its result.
early() {
    run env NEIGHBOUR_EARLY="$PORT" NEIGHBOUR_RAW=1 REUSEPORT_PORTS="$PORT" LD_PRELOAD="$2" \
        "$1/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    echo "$2: status $status: $output"
    [ "$output" = $'early bind=0 reuseport=1\nbind=ok\nreuseport=1\nreuseaddr=0' ]
}

@test "a bind before our constructor, of a socket that did not pass through libc" {
    early "$PROBES" "$LIBRARY:$PROBES/neighbour"
    early "$PROBES" "$PROBES/neighbour:$LIBRARY"
}

@test "a bind before our constructor, on musl" {
    need musl-gcc
    early "$PROBES/musl" "$LIBRARY:$PROBES/musl/neighbour"
    early "$PROBES/musl" "$PROBES/musl/neighbour:$LIBRARY"
}

# bats test_tags=sanitized
@test "where no option can be set, calls have the result and errno that they have without the library" {
    local setting
    "$PROBES/without" setsockopt "$PROBES/odd-calls" "$PORT" >"$BATS_TEST_TMPDIR/plain"
    grep -q 'good: descriptor errno untouched' "$BATS_TEST_TMPDIR/plain"
    for setting in REUSEPORT_AT=bind REUSEPORT_AT=socket; do
        "$PROBES/without" setsockopt env "$setting" REUSEPORT_REUSEADDR=1 REUSEPORT_PORTS=all \
            LD_PRELOAD="$LIBRARY" "$PROBES/odd-calls" "$PORT" >"$BATS_TEST_TMPDIR/shared" 2>/dev/null
        diff "$BATS_TEST_TMPDIR/plain" "$BATS_TEST_TMPDIR/shared"
    done
}

# bats test_tags=sanitized
@test "where no option can be set, a bind goes ahead without it, and info says so" {
    local probe=("$PROBES/without" setsockopt env REUSEPORT_LOG=info LD_PRELOAD="$LIBRARY")
    run --separate-stderr "${probe[@]}" REUSEPORT_PORTS="$PORT" \
        "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    echo "$output / $stderr"
    [ "$output" = $'bind=ok\nreuseport=0\nreuseaddr=0' ]
    local why='not shared: setsockopt: Operation not permitted (a sandbox?); "reuseport run -m seccomp" goes round that'
    [ "${stderr_lines[*]:1}" = "libreuseport: bind 127.0.0.1:$PORT/tcp: $why" ]
    run --separate-stderr "${probe[@]}" REUSEPORT_PORTS=all REUSEPORT_AT=socket \
        "$PROBES/probe" socket tcp4 get bind 127.0.0.1 "$PORT" get
    echo "$output / $stderr"
    [ "$output" = $'reuseport=0\nreuseaddr=0\nbind=ok\nreuseport=0\nreuseaddr=0' ]
    [ "${stderr_lines[1]}" = "libreuseport: socket: $why" ]
    [ "${stderr_lines[2]}" = "libreuseport: bind 127.0.0.1:$PORT/tcp: not shared" ]
}

# bats test_tags=sanitized
@test "where no option can be set, a refused bind says that, and blames nobody" {
    spawn holder shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    refused "127.0.0.1:$PORT/tcp: in use, and SO_REUSEPORT could not be set" \
        "$PROBES/without" setsockopt env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" \
        "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
}

@test "REUSEPORT_AT=socket tries no option on AF_UNIX, and says at info which TCP socket has it" {
    need strace
    local at=(REUSEPORT_AT=socket REUSEPORT_PORTS=all)
    options_set "${at[@]}" -- "$PROBES/probe" socket unix socket netlink socket udp4
    [ "$COUNT" = 0 ]
    options_set "${at[@]}" -- "$PROBES/probe" socket tcp4
    [ "$COUNT" = 1 ]
    run env "${at[@]}" REUSEPORT_LOG=info LD_PRELOAD="$LIBRARY" "$PROBES/probe" socket unix socket udp4 socket tcp6
    [ "$output" = $'libreuseport: loaded, sharing "all"\nlibreuseport: socket: shared' ]
}

# bats test_tags=sanitized
@test "REUSEPORT_AT=socket sets the option also on a non-blocking TCP socket" {
    run env REUSEPORT_AT=socket REUSEPORT_PORTS=all LD_PRELOAD="$LIBRARY" "$PROBES/probe" socket nonblock4 get
    echo "$output"
    [ "$output" = $'reuseport=1\nreuseaddr=0' ]
}

# bats test_tags=sanitized
@test "a background job of a terminal with \"stty tostop\" is not stopped by a message" {
    run python3 "$BATS_TEST_DIRNAME/background-job.py" env REUSEPORT_LOG=info REUSEPORT_PORTS="$PORT" \
        LD_PRELOAD="$LIBRARY" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    echo "$output"
    [ "$output" = "libreuseport: loaded, sharing \"$PORT\"
libreuseport: bind 127.0.0.1:$PORT/tcp: shared
status 0" ]
    # The script can tell: what writes without such care is stopped.
    run python3 "$BATS_TEST_DIRNAME/background-job.py" sh -c 'echo line >&2'
    [ "$output" = stopped ]
}

# connected_from ADDRESS: the user nobody has a connection that comes from that address and $PORT.
connected_from() {
    local other
    lease_port other
    spawn peer "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$other" listen pause
    wait_until listens "$other"
    spawn "client-$PORT" "$PROBES/probe" user 65534 socket tcp4 reuseaddr 1 bind "$1" "$PORT" connect 127.0.0.1 "$other" pause
    wait_until grep -q connect=ok "$(log "client-$PORT")"
}

# bats test_tags=sanitized
@test "a listener is blamed rather than another user's connection, in whichever table it stands" {
    need_root
    local address
    for address in 127.0.0.1 ::; do
        lease_port PORT
        connected_from 127.0.0.2
        spawn holder "$PROBES/probe" socket "$([ "$address" = :: ] && echo tcp6 || echo tcp4)" reuseaddr 1 \
            bind "$address" "$PORT" listen pause
        wait_until listens "$PORT"
        refused "0.0.0.0:$PORT/tcp: in use by pid $PID (probe), whose socket does not share it; \"reuseport adopt $PORT\" lets this one in" \
            shared "$PROBES/probe" socket tcp4 bind 0.0.0.0 "$PORT"
    done
}

# bats test_tags=sanitized
@test "of two holders in the way another user's is blamed, in whichever table it stands" {
    need_root
    local ipv4 ipv6 blamed
    while read -r ipv4 ipv6; do
        lease_port PORT
        spawn ipv4 "$PROBES/probe" user "$ipv4" socket tcp4 bind 0.0.0.0 "$PORT" listen pause
        blamed=$PID
        spawn ipv6 "$PROBES/probe" user "$ipv6" socket tcp6 v6only 1 bind :: "$PORT" listen pause
        [ "$ipv6" = 0 ] || blamed=$PID
        wait_until listeners_are "$PORT" 2
        refused "[::]:$PORT/tcp: in use by pid $blamed (probe) of user nobody; only sockets of one user share a port (this one is of user root)" \
            shared "$PROBES/probe" socket tcp6 bind :: "$PORT"
    done <<<$'0 65534\n65534 0'
}
