#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016 # what a copy's sh expands
# What run -n tells a service manager on NOTIFY_SOCKET, and what of the manager's the copies do not get.

load helpers

setup() {
    need python3
    lease_port PORT
    COMMAND=$BUILD/reuseport
    cd "$BATS_TEST_TMPDIR" || exit
    SAID=said
    SOCKET=$PWD/notify
    SERVER=("$BUILD/examples/server" "$PORT" 127.0.0.1)
    ENTRY=() # what runs reuseport
}

teardown() {
    cat said "$(log service)" 2>/dev/null || true
    stop_all
}

# manager: one that listens on $SOCKET.
manager() {
    spawn manager python3 "$BATS_TEST_DIRNAME/listen.py" "$SOCKET" "$SAID"
    MANAGER=$PID
    wait_until grep -q listening "$SAID"
}

# service OPTION... -- COMMAND...: run -n, its PID in SERVICE.
service() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    spawn service env NOTIFY_SOCKET="$SOCKET" "${ENTRY[@]}" "$COMMAND" run -n 2 -p "$PORT" "${options[@]}" "$@"
    SERVICE=$PID
}

# said REGEX: how many of the messages are that.
said() {
    grep -cE "^[0-9]+ ($1)$" "$SAID" || true
}

said_is() {
    [ "$(said "$1")" = "$2" ]
}

# stops STATUS: the service ends as a whole, and with that status.
stops() {
    local status=0
    kill -TERM "$SERVICE"
    wait "$SERVICE" || status=$?
    [ "$status" = "$1" ]
    listeners_are "$PORT" 0
}

# order REGEX...: messages like these stand in the file in this order.
order() {
    local at=0 line
    while read -r line; do
        [ "$at" -lt $# ] || break
        [[ ! ${line#* } =~ ^${*:at+1:1}$ ]] || at=$((at + 1))
    done <"$SAID"
    [ "$at" = $# ]
}

@test "READY=1 is said once, when the last copy is ready, by the PID that the manager knows; STATUS= tells of each" {
    manager
    service -- sh -c 'until [ -e "go-$REUSEPORT_INSTANCE" ]; do sleep 0.02; done; exec "$@"' sh "${SERVER[@]}"
    touch go-0
    wait_until said_is 'STATUS=1 of 2 copies ready, 1 starting' 1
    said_is READY=1 0
    touch go-1
    wait_until said_is 'STATUS=2 of 2 copies ready' 1
    wait_until said_is READY=1 1
    stops 143
    wait_until said_is STOPPING=1 1
    wait_until order 'STATUS=0 of 2 copies ready, 2 starting' 'STATUS=1 of 2.*' 'STATUS=2 of 2.*' READY=1 STOPPING=1 \
        'STATUS=0 of 2 copies ready'
    said_is READY=1 1
    [ "$(cut -d' ' -f1 "$SAID" | sort -u)" = "$(printf '%s\n' "$SERVICE" listening | sort)" ]
}

@test "READY=1 waits for what --ready asks of each copy: READY=1 of its own, or a command line that ends with 0" {
    manager
    service --ready='test -e "go-$REUSEPORT_INSTANCE"; test -e go' -- "${SERVER[@]}"
    wait_until listeners_are "$PORT" 2
    sleep 1.5 # the time that nothing may happen in
    said_is READY=1 0
    touch go
    wait_until said_is READY=1 1
    stops 143
    : >"$SAID"
    cat >notifies.py <<'END2'
import os, socket, subprocess, sys, time
server = subprocess.Popen(sys.argv[1:])
while not os.path.exists("go-" + os.environ["REUSEPORT_INSTANCE"]): time.sleep(0.02)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect("\0" + os.environ["NOTIFY_SOCKET"][1:])
notify.send(b"STATUS=mine\nREADY=1")
sys.exit(server.wait())
END2
    service --ready=notify -- python3 notifies.py "${SERVER[@]}"
    touch go-1
    wait_until said_is 'STATUS=1 of 2 copies ready, 1 starting' 1
    said_is READY=1 0
    touch go-0
    wait_until said_is READY=1 1
    said_is '.*mine.*' 0
}

@test "With --on-exit=keep READY=1 does not wait for a copy that has ended for good" {
    manager
    service -- sh -c 'until [ -e go ]; do sleep 0.02; done; [ $REUSEPORT_INSTANCE = 0 ] || exit 3; exec "$@"' sh "${SERVER[@]}"
    touch go
    wait_until said_is 'STATUS=1 of 2 copies ready' 1
    wait_until said_is READY=1 1
}

@test "STATUS= follows TTIN, TTOU, and a copy that ends and is started again" {
    manager
    service --on-exit=restart -- "${SERVER[@]}"
    wait_until said_is READY=1 1
    kill -TTIN "$SERVICE"
    wait_until said_is 'STATUS=3 of 3 copies ready' 1
    kill -TTOU "$SERVICE"
    wait_until said_is 'STATUS=2 of 2 copies ready' 2
    kill -KILL "$("$BUILD/examples/client" "$PORT" 1 | cut -d' ' -f2)"
    wait_until said_is 'STATUS=2 of 2 copies ready' 3
    order READY=1 'STATUS=2 of 3 copies ready, 1 starting' 'STATUS=3 of 3.*' 'STATUS=2 of 2 copies ready, 1 (draining|ending)' \
        'STATUS=2 of 2.*' 'STATUS=1 of 2 copies ready, 1 restarting' 'STATUS=1 of 2 copies ready, 1 starting' \
        'STATUS=2 of 2.*'
    said_is READY=1 1
    said_is RELOADING.* 0
}

# reloading_after TIME: RELOADING=1 with a time, in microseconds, that is not before.
reloading_after() {
    local time
    time=$(grep -oE '^[0-9]+ RELOADING=1 MONOTONIC_USEC=[0-9]+$' "$SAID" | tail -n 1 | grep -o '[0-9]*$')
    echo "$1 $time"
    [ "$1" -le "$time" ]
}

monotonic() {
    python3 -c 'import time; print(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)'
}

@test "A renewal is told of by RELOADING=1 with the time, requests for time that cover each step, and READY=1" {
    local before
    manager
    service --rolling=HUP --drain=20 --start-timeout=40 --stop-timeout=50 -- "${SERVER[@]}"
    wait_until said_is READY=1 1
    before=$(monotonic)
    kill -HUP "$SERVICE"
    wait_until said_is READY=1 2
    reloading_after "$before"
    order READY=1 RELOADING=1.* 'EXTEND_TIMEOUT_USEC=[0-9]*' 'STATUS=2 of 2 copies ready, 1 (draining|ending)' \
        'EXTEND_TIMEOUT_USEC=[0-9]*' READY=1
    said_is RELOADING=1.* 1
    # A start; draining and stopping.
    [ "$(grep -o 'EXTEND_TIMEOUT_USEC=.*' "$SAID" | sort -u | sed 's/.*=//' | sort -n | head -n 1)" -ge 70000000 ]
    # Four steps, and none at the end.
    said_is EXTEND.* 4
    run ! order READY=1 READY=1 EXTEND.*
}

@test "A renewal that fails, or cannot begin, ends with READY=1 as well" {
    local before
    manager
    service --rolling=HUP -- sh -c '[ ! -e broken ] || exit 3; exec "$@"' sh "${SERVER[@]}"
    wait_until said_is READY=1 1
    touch broken
    before=$(monotonic)
    kill -HUP "$SERVICE"
    wait_until said_is READY=1 2
    reloading_after "$before"
    wait_until said_is 'STATUS=2 of 2 copies ready; the last renewal failed' 1
    rm broken
    kill -HUP "$SERVICE"
    wait_until said_is READY=1 3
    wait_until said_is 'STATUS=2 of 2 copies ready' 2
    stops 143
    : >"$SAID"
    service --rolling=USR1 --in-place -- "${SERVER[@]}"
    wait_until said_is READY=1 1
    kill -TTOU "$SERVICE"
    wait_until said_is 'STATUS=1 of 1 copies ready' 1
    before=$(monotonic)
    kill -USR1 "$SERVICE"
    wait_until said_is READY=1 2
    reloading_after "$before"
    order READY=1 RELOADING=1.* READY=1
}

@test "A signal in a renewal is answered by RELOADING=1 with its time; READY=1 comes after the last" {
    local before
    manager
    service --rolling=HUP -- sh -c 'until [ -e go ]; do sleep 0.02; done; exec "$@"' sh "${SERVER[@]}"
    touch go
    wait_until said_is READY=1 1
    rm go
    kill -HUP "$SERVICE"
    wait_until said_is RELOADING=1.* 1
    before=$(monotonic)
    kill -HUP "$SERVICE"
    wait_until said_is RELOADING=1.* 2
    reloading_after "$before"
    touch go
    wait_until said_is READY=1 2
    # The one that was coming up, and both again.
    wait_until listeners_are "$PORT" 2
    [ "$(said EXTEND.*)" -ge 5 ]
    said_is READY=1 2
}

@test "A renewal before READY=1 is told of after it" {
    manager
    service --rolling=HUP -- sh -c 'until [ -e "go-$REUSEPORT_INSTANCE" ]; do sleep 0.02; done; exec "$@"' sh "${SERVER[@]}"
    wait_until said_is 'STATUS=0 of 2 copies ready, 2 starting' 1
    kill -HUP "$SERVICE"
    wait_until said_is 'STATUS=0 of 2 copies ready, 3 starting' 1
    said_is RELOADING.* 0
    touch go-0 go-1 go-2
    wait_until said_is READY=1 2
    order READY=1 RELOADING=1.* READY=1
}

@test "Copies get neither the manager's socket nor its watchdog, nor the descriptors that it passes" {
    local pid
    manager
    ENTRY=(python3 -c 'import os, socket, sys
passed = [socket.create_server(("127.0.0.1", 0)), open("/dev/null")]
for number, one in enumerate(passed): os.dup2(one.fileno(), 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="a:b", WATCHDOG_PID=str(os.getpid()),
    WATCHDOG_USEC="1000000")
os.execv(sys.argv[1], sys.argv[1:])')
    service --ready='env >question; ls -l /proc/self/fd >>question' -- "${SERVER[@]}"
    wait_until said_is READY=1 1
    for pid in $(ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2) question; do
        tr '\0' '\n' <"/proc/$pid/environ" >environment 2>/dev/null || cp question environment
        cat environment
        run ! grep -E '^(NOTIFY|WATCHDOG|LISTEN)_' environment
        grep -q '^LD_PRELOAD=' environment || [ "$pid" = question ]
        [ "$pid" = question ] || run ! ls "/proc/$pid/fd/4"
    done
    run ! grep socket: question
    grep -x 'reuseport: WATCHDOG_USEC: nobody sends WATCHDOG=1, so the manager will end this service; remove WatchdogSec= and use --hung' \
        "$(log service)"
}

@test "With --ready=notify each copy gets a socket of ours, and another after a new start" {
    manager
    service --ready=notify --on-exit=restart -- sh -c 'echo "$NOTIFY_SOCKET" >>sockets; exec "$@"' sh "${SERVER[@]}"
    wait_until listeners_are "$PORT" 2
    kill -KILL "$("$BUILD/examples/client" "$PORT" 1 | cut -d' ' -f2)"
    three() { [ "$(sort -u sockets | wc -l)" = 3 ]; }
    wait_until three
    cat sockets
    run ! grep -v '^@reuseport-' sockets
}

# deaf: the manager has no room for a message, and does not read until USR2.
deaf() {
    kill -USR1 "$MANAGER"
    wait_until grep -qx full "$SAID"
}

servers() {
    ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | sort
}

@test "A manager that does not read delays neither copies, nor signals, nor the end" {
    local before
    manager
    service --rolling=HUP -- "${SERVER[@]}"
    wait_until said_is READY=1 1
    deaf
    before=$(servers)
    kill -HUP "$SERVICE"
    renewed() { [ "$(servers | wc -l)" = 2 ] && [ -z "$(comm -12 <(echo "$before") <(servers))" ]; }
    wait_until renewed
    timeout 5 "$BUILD/examples/client" "$PORT" 20
    kill -TTIN "$SERVICE"
    wait_until listeners_are "$PORT" 3
    SECONDS=0
    stops 143
    [ "$SECONDS" -lt 5 ]
}

@test "A manager that reads again hears what is true by then, though nothing else happens" {
    manager
    service -- sh -c 'until [ -e go ]; do sleep 0.02; done; exec "$@"' sh "${SERVER[@]}"
    wait_until said_is 'STATUS=0 of 2 copies ready, 2 starting' 1
    deaf
    touch go
    wait_until listeners_are "$PORT" 2
    sleep 1.5 # until they are ready
    said_is READY=1 0
    kill -USR2 "$MANAGER"
    wait_until said_is READY=1 1
    wait_until said_is 'STATUS=2 of 2 copies ready' 1
    # Waiting for room costs next to nothing.
    deaf
    kill -TTIN "$SERVICE"
    wait_until listeners_are "$PORT" 3
    sleep 1
    [ "$(awk '{ print $14 + $15 }' "/proc/$SERVICE/stat")" -le 30 ]
    kill -USR2 "$MANAGER"
    wait_until said_is 'STATUS=3 of 3 copies ready' 1
}

# unreachable NAME WHY: such a NOTIFY_SOCKET costs one line.
unreachable() {
    SOCKET=$1
    service --rolling=HUP -- "${SERVER[@]}"
    wait_until listeners_are "$PORT" 2
    kill -TTIN "$SERVICE"
    wait_until listeners_are "$PORT" 3
    "$BUILD/examples/client" "$PORT" 20
    kill -HUP "$SERVICE"
    stops 143
    cat "$(log service)"
    [ "$(grep -vc '^server ' "$(log service)")" = 1 ]
    grep -qxF "reuseport: NOTIFY_SOCKET: $1: $2" "$(log service)"
}

@test "NOTIFY_SOCKET that leads nowhere costs one line" {
    unreachable "$PWD/nowhere" "No such file or directory"
    unreachable "@reuseport-nobody" "Connection refused"
    unreachable notify "Address family not supported by protocol"
    unreachable "vsock:2:1234" "Address family not supported by protocol"
    unreachable "/$(printf '%0200d' 0)" "Address family not supported by protocol"
    unreachable "$PWD" "Connection refused"
    SOCKET=
    service -- "${SERVER[@]}"
    wait_until listeners_are "$PORT" 2
    stops 143
    run ! grep -v '^server ' "$(log service)"
}

@test "A manager with a name in the abstract namespace is told all the same" {
    SOCKET=@reuseport-test-$BASHPID
    manager
    service -- "${SERVER[@]}"
    wait_until said_is READY=1 1
    stops 143
    said_is STOPPING=1 1
}

# From the PID that the manager has started, as NotifyAccess=main has it.
by_main_process() {
    cut -d' ' -f1 "$SAID" | sort -u
    [ "$(cut -d' ' -f1 "$SAID" | grep -v '[a-z]' | sort -u)" = "$1" ]
}

@test "Messages come from the main process as well where children of a start script keep the supervisor apart" {
    manager
    ENTRY=(sh -c 'sleep 1000 & exec "$@"' sh)
    service --rolling=HUP -- "${SERVER[@]}"
    wait_until said_is READY=1 1
    kill -HUP "$SERVICE"
    wait_until said_is READY=1 2
    order READY=1 RELOADING=1.* EXTEND.* READY=1
    stops_apart() { kill -TERM "$SERVICE"; wait_until_ended "$SERVICE"; }
    PIDS+=("$(pgrep -P "$SERVICE" -x sleep)")
    stops_apart
    wait_until said_is STOPPING=1 1
    by_main_process "$SERVICE"
}

@test "Messages come from PID 1 of a PID namespace" {
    need_root
    need_unshare --pid --fork --mount-proc
    manager
    ENTRY=(unshare --pid --fork --mount-proc)
    service --rolling=HUP -- "${SERVER[@]}"
    wait_until said_is READY=1 1
    local init
    init=$(pgrep -P "$SERVICE")
    kill -HUP "$init"
    wait_until said_is READY=1 2
    # A manager that does not read delays nothing here either.
    deaf
    kill -TTIN "$init"
    wait_until listeners_are "$PORT" 3
    kill -USR2 "$MANAGER"
    wait_until said_is 'STATUS=3 of 3 copies ready' 1
    deaf
    kill -TERM "$init"
    wait_until_ended "$SERVICE"
    kill -USR2 "$MANAGER"
    by_main_process "$init"
}
