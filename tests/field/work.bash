# SPDX-License-Identifier: MIT
# Whether the library does its work in a server, wherever that runs: two copies share, a refusal is explained, and a
# list with an error says so.
#
#     does_its_work WORD...   these words, with port and address behind them, start a server such as examples/server,
#                             into which the library is loaded; what it reads is in the environment
#
# SLOW=yes: an emulator may need all the time that the library has, before it finds the process in the way.

load "$BATS_TEST_DIRNAME/../helpers"

setup() {
    need python3
    lease_port PORT
    ADDRESS=127.0.0.1
    SLOW=
    cd "$BATS_TEST_TMPDIR" || exit
}

# bats shows the logs when the test has failed.
teardown() {
    stop_all
    tail -v -n +1 "$BATS_TEST_TMPDIR"/*.log || true
}

does_its_work() {
    echo "$*"
    lease_port PORT
    shares "$@"
    tells_error "$@"
    stop_all
    explains "$@"
    stop_all
}

# Both answer; a third, whose list names another port, does not start.
shares() {
    local answers
    REUSEPORT_PORTS=$PORT spawn first "$@" "$PORT" "$ADDRESS"
    wait_until listens "$PORT"
    REUSEPORT_PORTS=$PORT spawn second "$@" "$PORT" "$ADDRESS"
    wait_until listeners_are "$PORT" 2
    answers=$(python3 "$ROOT/tests/ask.py" example/tcp "$PORT" 200)
    echo "$answers"
    [ "$(wc -l <<<"$answers")" = 2 ]
    REUSEPORT_PORTS=1 run "$@" "$PORT" "$ADDRESS"
    is_refused
}

is_refused() {
    echo "$output"
    [ "$status" = 1 ]
    grep -qE 'Address (already )?in use' <<<"$output"
}

tells_error() {
    REUSEPORT_PORTS=x run "$@" "$PORT" "$ADDRESS"
    is_refused
    grep -Fx 'libreuseport: REUSEPORT_PORTS: "x": not a port; sharing nothing' <<<"$output"
}

# explains WORD...: it says who is in the way. Tries again where the machine is so busy that the library ran out of time.
explains() {
    local holder try who start="libreuseport: bind $ADDRESS:$PORT/tcp: in use by"
    local why="whose socket does not share it; \"reuseport adopt $PORT\" lets this one in"
    spawn holder "$BUILD/examples/server" "$PORT" "$ADDRESS"
    holder=$PID
    wait_until listens "$PORT"
    for try in 1 2 3 4 5; do
        REUSEPORT_PORTS=$PORT run "$@" "$PORT" "$ADDRESS"
        [[ -z $SLOW && $output == *"$why;"*" within 5 ms"* ]] || break
    done
    echo "$try"
    is_refused
    who="pid $holder (server), $why"
    [[ -z $SLOW || $output != *" within 5 ms"* ]] || who="user $(id -un), $why; its process was not found within 5 ms"
    grep -Fx "$start $who" <<<"$output"
}
