#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# reuseport replace PID --to=PID2: between two servers that somebody else has started, and no connection is lost.

load replacement

GROUP=("/usr/bin/python3" "$BATS_TEST_DIRNAME/group.py")

# join NAME COMMAND...: starts another server beside those that listen; its PID in JOINED.
join() {
    local before
    before=$(listeners "$PORT")
    spawn "$1" "${AS[@]}" env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "${@:2}"
    JOINED=$PID
    wait_until listeners_are "$PORT" $((before + 1))
}

server() {
    join "$1" "$BUILD/examples/server" "$PORT" "$ADDRESS"
}

# answers_are PID...: just those answer 100 connections.
answers_are() {
    run "${GROUP[@]}" ask tcp "$ADDRESS" "$PORT" 100
    echo "$output"
    [ "$(cut -d' ' -f1 <<<"$output" | sort)" = "$(printf '%s\n' "$@" | sort)" ]
}

# to OPTION... PID PID2: a transfer that succeeds.
to() {
    rm -f out replace.log
    "${AS[@]}" timeout 60 "$COMMAND" replace "${@:1:$#-1}" --to="${*: -1}" >out 2>replace.log </dev/null || {
        cat out replace.log
        return 1
    }
    cat out replace.log
    grep -qE "^pid ${*: -1} \(.*\) has replaced pid ${*: -2:1} on" out
    wait_until_ended "${*: -2:1}"
}

# there_and_back COMMAND...: four transfers under a storm, from the older to the newer server and the other way round.
there_and_back() {
    local blue green round
    join blue "$@"
    blue=$JOINED
    storm ''
    for round in 1 2; do
        join "green$round" "$@"
        green=$JOINED
        to --strict "$blue" "$green"
        join "blue$round" "$@"
        blue=$JOINED
        to --strict "$green" "$blue"
    done
    # From the newer to the older.
    join last "$@"
    to --strict "$JOINED" "$blue"
    storm_over
    listeners_are "$PORT" 1
}

@test "blue to green and back under a storm loses nothing: TCP over IPv4, by an ordinary user" {
    [ "$(id -u)" != 0 ] || AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    there_and_back "$BUILD/examples/server" "$PORT" 127.0.0.1
}

@test "blue to green and back under a storm loses nothing: TCP over IPv6" {
    ADDRESS=::1
    there_and_back "$BUILD/examples/server" "$PORT" ::1
}

@test "blue to green and back under a storm loses nothing: MPTCP, steered by visits" {
    [ "$(cat /proc/sys/net/mptcp/enabled 2>/dev/null)" = 1 ] || missing "MPTCP"
    there_and_back "${GROUP[@]}" serve mptcp 127.0.0.1 "$PORT"
}

@test "UDP: after the change every datagram reaches PID2" {
    local old new
    spawn old "${GROUP[@]}" serve udp 127.0.0.1 "$PORT"
    old=$PID
    wait_until bound_udp_are "$PORT" 1
    spawn new "${GROUP[@]}" serve udp 127.0.0.1 "$PORT"
    new=$PID
    wait_until bound_udp_are "$PORT" 2
    to "$old" "$new"
    run "${GROUP[@]}" ask udp 127.0.0.1 "$PORT" 100
    [ "$output" = "$new 100" ]
}

@test "a PID2 that does not listen yet is waited for" {
    local old new transfer
    server old
    old=$JOINED
    mkfifo go
    spawn new shared sh -c 'read -r _ <go; exec "$@"' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    new=$PID
    spawn transfer "$COMMAND" replace --strict "$old" --to "$new"
    transfer=$PID
    wait_until grep -q "waiting until pid $new listens" "$(log transfer)"
    echo >go
    wait "$transfer"
    cat "$(log transfer)"
    run ! grep 'order of joining' "$(log transfer)" # it has seen who joined when
    answers_are "$new"
}

@test "without connections it says that nothing has confirmed the order of joining, and PID's end costs nothing" {
    local old
    server old
    old=$JOINED
    server new
    to "$old" "$JOINED"
    grep -qx "reuseport: replace: 127.0.0.1:$PORT/tcp: the two servers' sockets are told apart by their order of joining, and no new connection has confirmed that" replace.log
    answers_are "$JOINED"
}

@test "an order of joining that departures have made wrong is found out, and the numbers are turned round" {
    local x old
    server x
    x=$JOINED
    server old
    old=$JOINED
    server new
    kill -TERM "$x"
    wait_until listeners_are "$PORT" 2
    storm ''
    to --strict "$old" "$JOINED"
    storm_over
    grep -q 'watching where new connections arrive' replace.log
    run ! grep 'order of joining' replace.log
    answers_are "$JOINED"
}

# wrong_of_three: x, old and two sockets of new have joined, and x has left: new, whose processes are COPIES, has numbers 0 and 2.
wrong_of_three() {
    local x
    server x
    x=$JOINED
    server old
    OLD=$JOINED
    spawn new shared sh -c '"$@" & "$@" & wait' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    NEW=$PID
    wait_until listeners_are "$PORT" 4
    read -ra COPIES <<<"$(<"/proc/$NEW/task/$NEW/children")"
    kill -TERM "$x"
    wait_until listeners_are "$PORT" 3
    storm ''
}

@test "a wrong order among three sockets: --strict undoes it" {
    wrong_of_three
    run timeout 60 "$COMMAND" replace --strict "$OLD" --to "$NEW"
    echo "$output"
    [ "$status" = 125 ]
    [[ $output == *"replace: --strict: 127.0.0.1:$PORT/tcp: the order of joining does not tell the two servers' sockets apart, as members have left; pid $OLD serves as before beside pid $NEW"* ]]
    storm_over
    answers_are "$OLD" "${COPIES[@]}"
}

@test "a wrong order among three sockets: without --strict a line says what is reset, and the change is made" {
    wrong_of_three
    to "$OLD" "$NEW"
    grep -q "two servers' sockets apart, as members have left; what pid $OLD has not accepted when it is signalled is lost" replace.log
    kill -TERM "$STORM"
    answers_are "${COPIES[@]}"
}

@test "where others are in the group, or the sockets joined by turns, --strict refuses and else a line says what is reset" {
    local old new
    server old
    old=$JOINED
    server other
    server new
    new=$JOINED
    run timeout 60 "$COMMAND" replace --strict "$old" --to="$new"
    echo "$output"
    [[ $status = 125 && $output == *"--strict: 127.0.0.1:$PORT/tcp: "*"; pid $old serves as before beside pid $new" ]]
    answers_are "${PIDS[@]}"
    to "$old" "$new"
    grep -q "127.0.0.1:$PORT/tcp: .*; what the old server has not accepted when it ends is lost" replace.log
    stop_all
    # One of new's sockets before old's, one after.
    mkfifo go
    spawn new shared sh -c '"$@" & read -r _ <go; "$@" & wait' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    new=$PID
    wait_until listeners_are "$PORT" 1
    server old
    echo >go
    wait_until listeners_are "$PORT" 3
    run timeout 60 "$COMMAND" replace --strict "$JOINED" --to="$new"
    echo "$output"
    [[ $status = 125 && $output == *"--strict: 127.0.0.1:$PORT/tcp: "*"; pid $JOINED serves as before beside pid $new" ]]
}

# held_up OLD NEW: a transfer in TRANSFER that waits for OLD, which is stopped and has connections in its queue. Where
# NEW has not joined yet, it is told to.
held_up() {
    local i kept
    kill -STOP "$1"
    KEPT=()
    for ((i = 0; i < 20; i++)); do
        exec {kept}<>"/dev/tcp/127.0.0.1/$PORT"
        KEPT+=("$kept")
    done
    spawn transfer env --default-signal=INT "$COMMAND" replace --drain 60 "$1" --to "$2"
    TRANSFER=$PID
    if listeners_are "$PORT" 1; then
        wait_until grep -q "waiting until pid $2 listens" "$(log transfer)"
        echo >go
    fi
    wait_until grep -q 'waiting for what the old server still has to accept' "$(log transfer)"
}

# undone LINE: what the transfer said at the end.
undone() {
    local status=0 kept
    wait "$TRANSFER" || status=$?
    for kept in "${KEPT[@]}"; do
        exec {kept}>&-
    done
    cat "$(log transfer)"
    [ "$status" = 125 ]
    [ "$(tail -n 1 "$(log transfer)")" = "reuseport: replace: $1" ]
}

@test "if PID2 ends in the middle, PID serves as before" {
    local old
    server old
    old=$JOINED
    server new
    held_up "$old" "$JOINED"
    kill -TERM "$JOINED"
    undone "pid $JOINED has ended; pid $old serves as before"
    kill -CONT "$old"
    answers_are "$old"
}

@test "TERM in the middle leaves both running, and both get connections" {
    local old name
    server old
    old=$JOINED
    server new
    for name in TERM INT; do
        held_up "$old" "$JOINED"
        kill "-$name" "$TRANSFER"
        undone "interrupted; pid $old serves as before beside pid $JOINED"
        kill -CONT "$old"
        answers_are "$old" "$JOINED"
    done
}

@test "--ready=COMMAND-LINE is asked about PID2, and PID serves until it says yes; what is for COMMAND is refused" {
    local old new transfer
    server old
    old=$JOINED
    mkfifo go
    spawn new shared sh -c 'read -r _ <go; exec "$@"' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    new=$PID
    refuses "replace: --to: --ready=notify applies to a COMMAND only" --ready=notify "$old" --to="$new"
    spawn transfer "$COMMAND" replace --ready 'echo $REUSEPORT_PID >asked; [ -e ready ]' "$old" --to "$new"
    transfer=$PID
    wait_until grep -q "waiting until pid $new listens" "$(log transfer)"
    echo >go
    wait_until grep -qx "$new" asked
    answers_are "$old"
    touch ready
    wait "$transfer"
    answers_are "$new"
}

@test "TERM in the middle leaves both running where it is known who is who, too" {
    local old new
    server old
    old=$JOINED
    mkfifo go
    spawn new shared sh -c 'read -r _ <go; exec "$@"' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    new=$PID
    held_up "$old" "$new"
    kill "$TRANSFER"
    undone "interrupted; pid $old serves as before beside pid $new"
    kill -CONT "$old"
    answers_are "$old" "$new"
}

@test "TERM and KILL in the middle, three times each under a storm, lose nothing, and both servers get connections" {
    local old new kept name round transfer
    cat >waits.py <<'PYTHON'
"""Answers each connection with its PID, and has it until the client closes it."""
import os, socket, sys, threading
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), reuse_port=True, backlog=4096)
def serve(client):
    try:
        client.send(b"pid %d\n" % os.getpid())
        client.recv(1)
    except OSError:
        pass
    client.close()
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
PYTHON
    join old /usr/bin/python3 waits.py "$PORT"
    old=$JOINED
    exec {kept}<>"/dev/tcp/127.0.0.1/$PORT"
    join new /usr/bin/python3 waits.py "$PORT"
    new=$JOINED
    storm '' pid
    for name in TERM KILL; do
        for ((round = 0; round < 3; round++)); do
            spawn transfer "$COMMAND" replace --drain 60 "$old" --to "$new"
            transfer=$PID
            wait_until grep -q "waiting for the old server's connections" "$(log transfer)"
            kill "-$name" "$transfer"
            wait "$transfer" && return 1
            wait_until answers_are "$old" "$new"
        done
    done
    exec {kept}>&-
    storm_over
}

# refuses LINE ARGUMENT...: 125, just that line, and both servers are as they were.
refuses() {
    run --separate-stderr "${AS[@]}" "$COMMAND" replace "${@:2}"
    echo "status $status: $output / $stderr"
    # shellcheck disable=SC2053 # a pattern
    [[ $status = 125 && $stderr == "reuseport: "$1 ]]
}

@test "it refuses what cannot be: no such process, one server, one socket, options for COMMAND" {
    local old new both
    server old
    old=$JOINED
    server new
    new=$JOINED
    refuses "replace: --to: 4194305: there is no such process" "$old" --to=4194305
    refuses 'replace: --to needs a value; see reuseport replace --help' "$old" --to
    refuses '--to: "x": not a number from 1 to 2147483647' "$old" --to x
    refuses "replace: --to: PID2 is already running; give no COMMAND" "$old" --to "$new" sleep 1
    refuses "replace: --to: PID2 is already running; give no COMMAND" --to "$new" "$old" -- sleep 1
    refuses "replace: --to: -n applies to a COMMAND only" -n 2 "$old" --to="$new"
    refuses "replace: --to: -I applies to a COMMAND only" -I x "$old" --to="$new"
    refuses "replace: --to: -m applies to a COMMAND only" -m auto "$old" --to="$new"
    refuses "replace: --to: --foreground applies to a COMMAND only" --foreground "$old" --to="$new"
    refuses "replace: --to: --output applies to a COMMAND only" --output=x "$old" --to="$new"
    refuses "replace: --to: --library applies to a COMMAND only" --library=x "$old" --to="$new"
    refuses "replace: --to: pid $old and pid $old are one server: one is the other or descends from it" "$old" --to="$old"
    spawn family shared sh -c '"$@" & wait' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listeners_are "$PORT" 3
    both=$(<"/proc/$PID/task/$PID/children")
    both=${both% }
    refuses "replace: --to: pid $both and pid $PID are one server: one is the other or descends from it" "$PID" --to="$both"
    refuses "replace: --to: pid $PID and pid $both are one server: one is the other or descends from it" "$both" --to="$PID"
    # Two that have inherited one socket, of a parent that is no server of its own.
    spawn parent /usr/bin/python3 -c 'import os, socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), reuse_port=True)
pids = [pid for _ in range(2) if (pid := os.fork()) or time.sleep(100)]
print(*pids, flush=True)
time.sleep(100)' "$PORT"
    wait_until grep -q ' ' "$(log parent)"
    read -ra both <"$(log parent)"
    refuses "replace: --to: pid ${both[1]} and pid ${both[0]} have the same socket on 127.0.0.1:$PORT/tcp" "${both[0]}" --to="${both[1]}"
    [ "$(listeners "$PORT")" = 4 ]
}

@test "it refuses another user's PID2, and one that is part of a replacement under way" {
    local old new
    server old
    old=$JOINED
    server new
    new=$JOINED
    held_up "$old" "$new"
    server third
    refuses "replace: pid $new is part of a replacement under way, by pid $TRANSFER (reuseport)" "$JOINED" --to="$new"
    refuses "replace: pid $new is part of a replacement under way, by pid $TRANSFER (reuseport)" "$new" --to="$JOINED"
    kill -TERM "$TRANSFER"
    wait "$TRANSFER" || true
    kill -CONT "$old"
    need_root
    spawn nobody setpriv --reuid 65534 --regid 65534 --clear-groups "$BUILD/examples/server" "$PORT" 127.0.0.2
    wait_until listeners_are "$PORT" 4
    AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    refuses "replace: --to: pid $new belongs to user root; try as root" "$PID" --to="$new"
    run timeout 60 "$COMMAND" replace --strict --start-timeout 1 "$old" --to="$PID"
    echo "$output"
    [[ $status = 125 && $output == *"pid $old serves as before beside pid $PID" ]]
}

@test "PID may be the init of another PID namespace than PID2's, as in two pods on a node" {
    need_root
    need_unshare -p -f --mount-proc
    local old
    join pod unshare -p -f --kill-child --mount-proc sh -c 'trap exit TERM; "$@" & wait' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    old=$(<"/proc/$JOINED/task/$JOINED/children")
    old=${old% }
    server new
    to "$old" "$JOINED"
    answers_are "$JOINED"
    # In one namespace, all would end with it.
    join pod unshare -p -f --kill-child --mount-proc sh -c 'trap exit TERM; "$@" & wait' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    old=$(<"/proc/$JOINED/task/$JOINED/children")
    old=${old% }
    join beside nsenter -t "$old" -p -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    PID=$(pgrep -P "$JOINED" || echo "$JOINED")
    refuses "replace: pid $old is the init of its PID namespace, and everything there ends with it; *" "$old" --to="$PID"
}

@test "--dry-run makes the checks, changes nothing, and has the status that the transfer would have" {
    local old new kept
    server_that_waits
    join old /usr/bin/python3 waits.py "$PORT"
    old=$JOINED
    exec {kept}<>"/dev/tcp/127.0.0.1/$PORT"
    read -r -u "$kept" _
    server new
    new=$JOINED
    run "$COMMAND" replace --dry-run --strict --drain 3 "$old" --to="$new"
    [ "$status" = 0 ]
    [ "$output" = "would replace pid $old (python3) on 127.0.0.1:$PORT/tcp
would wait at most 30 s until pid $new listens there
would send new connections to pid $new alone
would wait at most 3 s for connections of pid $old to end; now: 1
would send signal 15 (Terminated) to pid $old and wait at most 30 s for its end
nothing has been changed" ]
    exec {kept}>&-
    answers_are "$old" "$new"
    server other
    run "$COMMAND" replace --dry-run --strict "$old" --to="$new"
    echo "$output"
    [[ $status = 125 && $output == *"--strict: 127.0.0.1:$PORT/tcp: "* ]]
    answers_are "${PIDS[@]}"
}

@test "--dry-run has the transfer's status where it has no way to steer: UDP, pidfd_getfd refused" {
    local option old
    spawn old "${GROUP[@]}" serve udp 127.0.0.1 "$PORT"
    old=$PID
    wait_until bound_udp_are "$PORT" 1
    spawn new "${GROUP[@]}" serve udp 127.0.0.1 "$PORT"
    wait_until bound_udp_are "$PORT" 2
    for option in --dry-run --drain=1; do
        run -125 "$PROBES/without" pidfd_getfd:EPERM "$COMMAND" replace "$option" "$old" --to="$PID"
        echo "$output"
        [[ $output == *"replace: new connections could not be sent to the new server: Operation not permitted"* ]]
    done
    bound_udp_are "$PORT" 2
}
