#!/usr/bin/env bats
# reuseport replace: a new server takes over from a running one, and no connection is lost.

load helpers

setup() {
    lease_port PORT
    COMMAND=$BUILD/reuseport
    ADDRESS=127.0.0.1
    cd "$BATS_TEST_TMPDIR"
    chmod 755 . "$BATS_RUN_TMPDIR"
    HTTP='GET / HTTP/1.0\r\n\r\n'
}

# The new servers are in sessions of their own: what was put in the place of what this test started.
teardown() {
    local pid
    for pid in $(ss -Htlnup "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u); do
        PIDS+=("$pid")
    done
    stop_all
}

# start COMMAND...: the first server, without the library; its PID in SERVER.
start() {
    spawn server "${AS[@]}" "$@"
    SERVER=$PID
    wait_until listens "$PORT"
}

# replace OPTION... -- COMMAND...: replaces SERVER; the new PID becomes SERVER.
replace() {
    local options=() out
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    # Into files: the new server inherits them, and outlives the command.
    "${AS[@]}" timeout 60 "$COMMAND" replace "${options[@]}" "$SERVER" "$@" >out 2>>replace.log 3>&- </dev/null || {
        cat out replace.log
        return 1
    }
    out=$(grep 'has replaced' out)
    echo "$out"
    [[ $out =~ ^pid\ ([0-9]+)\ \(.*\)\ has\ replaced\ pid\ $SERVER\ on ]]
    SERVER=${BASH_REMATCH[1]}
}

# storm REQUEST [ANSWER]: 32 threads open connections until storm_over.
storm() {
    spawn storm "$PROBES/storm" "$ADDRESS" "$PORT" "$@"
    STORM=$PID
}

# storm_over: none of them failed.
storm_over() {
    kill -TERM "$STORM"
    wait "$STORM"
    cat "$(log storm)"
    grep -qE '^[1-9][0-9]* answered, 0 failed$' "$(log storm)"
}

# ten_times REQUEST ANSWER OPTION... -- COMMAND...: ten replacements in a row in a storm; COPY in the
# command is replaced by the round.
ten_times() {
    local request=$1 answer=$2 round
    shift 2
    start "${@:$(options_end "$@")}"
    storm "$request" ${answer:+"$answer"}
    for round in 1 2 3 4 5 6 7 8 9 10; do
        replace "${@//COPY/$round}" || {
            cat replace.log
            return 1
        }
    done
    storm_over
}

# options_end WORD...: where the command begins.
options_end() {
    local index=2
    while [ "$1" != -- ]; do
        shift
        index=$((index + 1))
    done
    echo "$index"
}

@test "the example server, ten times in a storm of connections: none fails" {
    ten_times '' '' -- "$BUILD/examples/server" "$PORT" 127.0.0.1
}

@test "one copy by three, and three by three" {
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    storm ''
    local round
    for round in 1 2 3 4 5; do
        replace -n 3 -- "$BUILD/examples/server" "$PORT" 127.0.0.1
        listeners_are "$PORT" 3
    done
    storm_over
}

@test "redis-server, by requests on fresh connections" {
    need redis-server
    ten_times 'PING\r\n' PONG -- redis-server --port "$PORT" --bind 127.0.0.1 --save '' --dir "$PWD"
}
