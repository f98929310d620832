#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# reuseport replace in a PID namespace: it refuses to end an init, or what an init ends with.

load replacement

teardown() {
    take_down
}

# take_down: ends the container at once, as an init may ignore TERM, and leases the next one's port.
take_down() {
    [ -z "${INIT:-}" ] || kill -KILL "$INIT" 2>/dev/null || true
    stop_all
    lease_port PORT
}

# contain COMMAND...: the server's container, with COMMAND as PID 1; it starts what listens on $PORT. INIT and SERVER are
# PIDs out here, INNER is the server's in there.
# The network is the test's.
contain() {
    local box
    need_root
    need nsenter
    need_unshare -p -f --mount-proc
    spawn box unshare -p -f --mount-proc --kill-child "$@"
    box=$PID
    wait_until is_up
    INIT=$(cat "/proc/$box/task/$box/children")
    INIT=${INIT% }
    read -r SERVER INNER < <(server_pids)
}

# server_pids: of what listens, out here and inside.
server_pids() {
    local pid
    pid=$(ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | head -n 1 | cut -d= -f2)
    echo "$pid $(sed -n 's/^NSpid:.*\t//p' "/proc/$pid/status")"
}

# answer: the first words of the server's.
answer() {
    "$BUILD/examples/client" "$PORT" 1 | grep -o '^pid [0-9]*'
}

inside() {
    nsenter --target "$INIT" --pid --mount --wdns="$PWD" "$@"
}

# refused_both_ways INSIDE OUTSIDE: from inside and from outside, with that reason, and nothing has changed.
refused_both_ways() {
    local ways="use the platform's own rollout, or reuseport run -n as the container's command (--force-init overrides)"
    run inside "$COMMAND" replace "$INNER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$output"
    [ "$status" = 125 ]
    [ "$output" = "reuseport: replace: $1; $ways" ]
    run "$COMMAND" replace "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$output"
    [ "$status" = 125 ]
    [ "$output" = "reuseport: replace: $2; $ways" ]
    [ "$(server_pids)" = "$SERVER $INNER" ]
}

# refused_under NAME: because the init of that name would end.
refused_under() {
    refused_both_ways "pid 1 ($1), the init of its PID namespace, ends when pid $INNER does, and everything there with it" \
        "pid $INIT ($1), the init of its PID namespace, ends when pid $SERVER does, and everything there with it"
}

@test "a server that is PID 1 of its container is not replaced, and the message names alternatives" {
    contain "$BUILD/examples/server" "$PORT" 127.0.0.1
    [ "$INNER" = 1 ]
    run -125 inside "$COMMAND" replace --dry-run 1 "$BUILD/examples/server" "$PORT" 127.0.0.1
    refused_both_ways "pid 1 is the init of its PID namespace, and everything there ends with it" \
        "pid $SERVER is the init of its PID namespace, and everything there ends with it"
}

@test "a server that tini waits for is not replaced" {
    need tini
    contain tini -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    refused_under tini
}

@test "a server that dumb-init waits for is not replaced, in a session of its own or not" {
    need dumb-init
    local options
    for options in '' --single-child; do
        contain dumb-init $options -- "$BUILD/examples/server" "$PORT" 127.0.0.1
        refused_under dumb-init
        take_down
    done
}

@test "a server that sh -c waits for is not replaced: first child or not, as PID 1 or below tini" {
    contain sh -c '"$@"; true' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    refused_under sh
    take_down
    contain sh -c 'sh -c "setsid sleep 600 &"; "$@"; true' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    [ "$(wc -w <"/proc/$INIT/task/$INIT/children")" = 2 ]
    refused_under sh
    take_down
    need tini
    contain tini -- sh -c '"$@"; true' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    refused_under tini
}

@test "the refusal is justified: with --force-init the container ends with the server" {
    contain sh -c '"$@"; true' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    # Which may come after it has reported success.
    run inside "$COMMAND" replace --force-init "$INNER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$output"
    wait_until listeners_are "$PORT" 0
    wait_until_ended "$INIT"
}

@test "--force-init replaces a server whose init outlives it" {
    contain sh -c '"$@" & exec sleep 600' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    refused_under sleep
    inside "$COMMAND" replace --force-init --strict "$INNER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until_ended "$SERVER"
    read -r SERVER INNER < <(server_pids)
    [ "$(answer)" = "pid $INNER" ]
}

@test "a daemon that the init has merely adopted is replaced, twice, even with --strict" {
    need tini
    contain tini -- sh -c 'sh -c "setsid \"\$@\" &" sh "$@"; exec sleep 600' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    [ "$(sed -n 's/^PPid:\t//p' "/proc/$SERVER/status")" = "$INIT" ]
    for _ in 1 2; do
        inside "$COMMAND" replace --strict "$INNER" "$BUILD/examples/server" "$PORT" 127.0.0.1
        wait_until_ended "$SERVER"
        read -r SERVER INNER < <(server_pids)
        [ "$(answer)" = "pid $INNER" ]
    done
}

@test "a supervisor below an init is named, as it may start it again; the server is replaced" {
    need tini python3
    contain tini -- /usr/bin/python3 -c 'import subprocess, sys, time
subprocess.run(sys.argv[1:])
time.sleep(600)' "$BUILD/examples/server" "$PORT" 127.0.0.1
    local line="pid 2 (python3), the parent of pid $INNER, may start it again, or end with it"
    run -125 inside "$COMMAND" replace --strict "$INNER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    [ "$output" = "reuseport: replace: --strict: $line" ]
    inside "$COMMAND" replace "$INNER" "$BUILD/examples/server" "$PORT" 127.0.0.1 >out 2>replace.log 3>&- </dev/null
    grep -qxF "reuseport: replace: $line" replace.log
    wait_until_ended "$SERVER"
    read -r SERVER INNER < <(server_pids)
    [ "$(answer)" = "pid $INNER" ]
}
