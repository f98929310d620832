#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# reuseport replace steers groups: by visits where that is all it can do, back again without loss, and not for
# longer than it lives.

load replacement

# A server in graceful.py PORT tcp|mptcp [MS [abrupt]]: it needs so many milliseconds for a connection, and keeps those
# from 127.0.0.9. At TERM it ends when its queue is empty, or if abrupt at once.
graceful_server() {
    cat >graceful.py <<'END'
import os, signal, socket, sys, time
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262 if sys.argv[2] == "mptcp" else 0)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen(1024)
server.settimeout(0.05)
ending, kept = [], []
if sys.argv[4:] != ["abrupt"]: signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
while True:
    try:
        client, address = server.accept()
    except TimeoutError:
        if ending: break
        continue
    if len(sys.argv) > 3: time.sleep(int(sys.argv[3]) / 1000)
    client.send(b"pid %d\n" % os.getpid())
    if address[0] == "127.0.0.9": kept.append(client)
    else: client.close()
END
}

# keep: a connection that the server keeps, for as long as the process KEPT runs.
keep() {
    spawn keep "${NET[@]}" /usr/bin/python3 -c '
import socket, sys, time
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), source_address=("127.0.0.9", 0))
client.recv(64)
print("kept", flush=True)
time.sleep(600)' "$PORT"
    KEPT=$PID
    wait_until grep -q kept "$(log keep)"
}

start_shared() {
    start env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$@"
}

# The first program of a group is attached, and the last detached, by a visitor that may be given a SYN meanwhile. With
# 2 ms for a connection clients always wait in the queue, and few of their SYNs come in those microseconds.
@test "MPTCP to MPTCP, TCP to MPTCP and back, under load: none fails, and only a visitor delays one" {
    local old new way
    [ "$(cat /proc/sys/net/mptcp/enabled 2>/dev/null)" = 1 ] || missing "MPTCP in the kernel"
    own_network
    graceful_server
    for way in "mptcp mptcp" "tcp mptcp" "mptcp tcp"; do
        read -r old new <<<"$way"
        start_shared /usr/bin/python3 graceful.py "$PORT" "$old" 2
        storm ''
        replace --strict -- /usr/bin/python3 graceful.py "$PORT" "$new" 2
        replace --strict -- /usr/bin/python3 graceful.py "$PORT" "$new" 2
        storm_over
        [[ $("${NET[@]}" "$COMMAND" list "$PORT") == *$'\n'"$new "* ]]
        stop_server
    done
    delayed_by_visitors_alone
}

@test "where pidfd_getfd is refused, a server started under the library is replaced whole, by root and by others" {
    local filter
    own_network
    graceful_server
    for filter in EPERM KILL EPERM-ordinary; do
        AS=()
        [ "${filter#*-}" != ordinary ] || AS=(setpriv --reuid 64732 --regid 64732 --clear-groups)
        AS+=("$PROBES/without" "pidfd_getfd:${filter%-*}")
        start_shared /usr/bin/python3 graceful.py "$PORT" tcp 2
        storm ''
        replace --strict -- /usr/bin/python3 graceful.py "$PORT" tcp 2
        replace --strict -- /usr/bin/python3 graceful.py "$PORT" tcp 2
        replace --strict -n 3 -- /usr/bin/python3 graceful.py "$PORT" tcp 2
        storm_over
        stop_server
    done
    print_delays # by visitors, and by listeners that nobody could hide before they closed
}

# Two replacements under a storm. When a member closes, the kernel now hands what waits there to another member.
with_migration() {
    start_shared /usr/bin/python3 graceful.py "$PORT" tcp 2
    storm ''
    replace --strict -- /usr/bin/python3 graceful.py "$PORT" tcp 2
    replace --strict -- /usr/bin/python3 graceful.py "$PORT" tcp 2
    storm_over
    stop_server
}

@test "with net.ipv4.tcp_migrate_req=1 nothing fails, by duplicates or by visits; by duplicates nothing is delayed" {
    own_network
    [ -e /proc/sys/net/ipv4/tcp_migrate_req ] || missing "net.ipv4.tcp_migrate_req (Linux 5.14)"
    "${NET[@]}" sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_migrate_req'
    [ "$("${NET[@]}" cat /proc/sys/net/ipv4/tcp_migrate_req)" = 1 ]
    graceful_server
    with_migration
    none_delayed
    AS=("$PROBES/without" pidfd_getfd:EPERM)
    with_migration
    echo "by visits: TCPSynRetrans $(counter TCPSynRetrans)"
}

@test "where pidfd_getfd is refused, a server that does not share is left as it is" {
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    status=0
    "$PROBES/without" pidfd_getfd:EPERM "$COMMAND" replace "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1 >out 2>&1 || status=$?
    cat out
    [ "$status" = 125 ]
    [[ $(<out) = "reuseport: replace: 127.0.0.1:$PORT/tcp of pid $SERVER: "*"CAP_SYS_PTRACE"* ]]
    run "$COMMAND" list "$PORT"
    [ "$(grep -c "^tcp .* $SERVER .*no " <<<"$output")" = 1 ]
}

# low_port: PORT is below net.ipv4.ip_unprivileged_port_start from now on. Sets ORDINARY, which runs a command as an
# ordinary user, CAPABLE, as one with the capability, and REFUSED, without pidfd_getfd. low.py PORT [drop] shares its
# port; with drop it has no capability any more when it listens.
low_port() {
    own_network
    "${NET[@]}" sh -c 'echo 32768 >/proc/sys/net/ipv4/ip_unprivileged_port_start'
    ORDINARY=(setpriv --reuid 64732 --regid 64732 --clear-groups)
    CAPABLE=("${ORDINARY[@]}" --inh-caps +net_bind_service --ambient-caps +net_bind_service)
    REFUSED=("$PROBES/without" pidfd_getfd:EPERM)
    LOW=(/usr/bin/python3 low.py "$PORT")
    cat >low.py <<'END'
import ctypes, os, socket, struct, sys
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
if sys.argv[2:] == ["drop"]:
    libc = ctypes.CDLL(None)
    assert not libc.prctl(47, 4, 0, 0, 0) # PR_CAP_AMBIENT_CLEAR_ALL
    assert not libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24))
    assert not libc.prctl(4, 1, 0, 0, 0) # PR_SET_DUMPABLE
server.listen(1024)
while True:
    client = server.accept()[0]
    client.send(b"pid %d\n" % os.getpid())
    client.close()
END
}

# refused PATTERN ARGUMENT...: replace with these ends with 125, and its last line matches.
refused() {
    local status=0
    "${NET[@]}" "${AS[@]}" timeout 60 "$COMMAND" replace "${@:2}" >out 2>&1 3>&- </dev/null || status=$?
    cat out
    [ "$status" = 125 ]
    # shellcheck disable=SC2053 # a pattern
    [[ $(tail -n 1 out) == "reuseport: replace: "$1 ]]
}

@test "a port below ip_unprivileged_port_start, where pidfd_getfd is refused: with the capability whole, by root and by others" {
    low_port
    start "${CAPABLE[@]}" "${LOW[@]}"
    storm ''
    AS=("${CAPABLE[@]}" "${REFUSED[@]}")
    replace --strict -- "${LOW[@]}"
    AS=("${REFUSED[@]}")
    replace --strict -- "${CAPABLE[@]}" "${LOW[@]}"
    storm_over
}

@test "a port below ip_unprivileged_port_start, without the capability: the server is left as it is, and what is missing is named" {
    local option
    low_port
    start "${CAPABLE[@]}" "${LOW[@]}" drop
    storm ''
    AS=("${ORDINARY[@]}" "${REFUSED[@]}")
    for option in --drain=10 --strict --dry-run; do
        refused "127.0.0.1:$PORT/tcp of pid $SERVER: *CAP_SYS_PTRACE*; if it shares its port already, CAP_NET_BIND_SERVICE suffices*" \
            "$option" "$SERVER" "${LOW[@]}"
    done
    # With pidfd_getfd it is COMMAND that fails.
    AS=("${ORDINARY[@]}")
    refused "/usr/bin/python3 ended with status 1 before it listened on all ports; pid $SERVER serves as before" \
        "$SERVER" "${LOW[@]}"
    grep -x 'PermissionError: .*' out
    storm_over
    none_delayed
}

@test "replace --to on a port below ip_unprivileged_port_start, where it has no way to steer, leaves both servers as they are" {
    local option old new beside
    low_port
    start "${CAPABLE[@]}" "${LOW[@]}" drop
    old=$SERVER
    spawn second "${NET[@]}" "${CAPABLE[@]}" "${LOW[@]}" drop
    new=$PID
    are_two() { [ "$("${NET[@]}" ss -Htln "sport = :$PORT" | wc -l)" = 2 ]; }
    wait_until are_two
    storm ''
    AS=("${ORDINARY[@]}" "${REFUSED[@]}")
    for option in --drain=10 --strict --dry-run; do
        beside="; pid $old serves as before beside pid $new"
        [ "$option" != --dry-run ] || beside=
        refused "new connections could not be sent to the new server: steering requires CAP_NET_BIND_SERVICE for a port below*$beside" \
            "$option" "$old" --to="$new"
    done
    storm_over
    none_delayed
    "${NET[@]}" "$BUILD/examples/client" "$PORT" 60 >answers
    grep "^pid $old " answers
    grep "^pid $new " answers
}

# undone TIMES COMMAND...: so many replacements, each interrupted somewhere in the drain, while clients come.
undone() {
    local times=$1 i status
    shift
    start /usr/bin/python3 graceful.py "$PORT" tcp
    keep
    storm ''
    for ((i = 1; i <= times; i++)); do
        rm -f "$(log undo)" # what it said the last time
        spawn undo "${NET[@]}" "$COMMAND" replace --drain 20 "$SERVER" "$@"
        wait_until grep -q 'waiting for what the old server still has to accept' "$(log undo)"
        sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
        kill -TERM "$PID"
        status=0
        wait "$PID" || status=$?
        cp "$(log undo)" replace.log
        : >out
        cat replace.log
        [ "$status" = 125 ]
        grep -q "interrupted; pid $SERVER serves as before" replace.log
    done
    storm_over
    kill -KILL "$KEPT"
    stop_server
}

@test "undone under load: nothing is lost, whether the new server ends at once or in its own time" {
    own_network
    graceful_server
    undone 3 "$BUILD/examples/server" "$PORT" 127.0.0.1
    undone 2 /usr/bin/python3 graceful.py "$PORT" tcp 2 abrupt
    undone 1 /usr/bin/python3 graceful.py "$PORT" tcp
    none_delayed
}

# bats test_tags=long
@test "undone under load 38 times" {
    own_network
    graceful_server
    undone 16 "$BUILD/examples/server" "$PORT" 127.0.0.1
    undone 16 /usr/bin/python3 graceful.py "$PORT" tcp 2 abrupt
    undone 6 /usr/bin/python3 graceful.py "$PORT" tcp 2
    none_delayed
}

# stewards: those of replacements in this test's network namespace.
stewards() {
    local pid
    for pid in $(ip netns pids "$NETWORK"); do
        ! grep -qsx steward "/proc/$pid/comm" || echo "$pid"
    done
}

no_steward() {
    [ -z "$(stewards)" ]
}

# one_steward: its PID in STEWARD, once it has its name.
one_steward() {
    STEWARD=$(stewards)
    [ "$(wc -w <<<"$STEWARD")" = 1 ]
}

# third_gets_its_share [NOT]: a copy that joins gets some of 60 connections, each of which is answered, and none by
# the process with that PID.
third_gets_its_share() {
    spawn third "${NET[@]}" env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$BUILD/examples/server" "$PORT" 127.0.0.1
    THIRD=$PID
    has_share() {
        "${NET[@]}" timeout 5 "$BUILD/examples/client" "$PORT" 60 >answers
        grep -q "^pid $THIRD " answers
    }
    wait_until has_share
    cat answers
    run ! grep "^pid ${1:-none} " answers
    kill -TERM "$THIRD"
    wait_until_ended "$THIRD"
}

has_said() {
    grep -q "$1" "$(log killed)"
}

# A listener is bound to no interface that there is.
is_hidden() {
    "${NET[@]}" ss -Htln "sport = :$PORT" | grep -q 127.0.0.1%
}

# killed "CONDITION" COMMAND...: KILLs replace when that is true.
killed() {
    local when=$1 status=0
    shift
    rm -f "$(log killed)"
    spawn killed "${NET[@]}" "$COMMAND" replace --drain 60 --stop-timeout 60 "$SERVER" "$@"
    # shellcheck disable=SC2086
    wait_until $when
    wait_until one_steward
    kill -KILL "$PID"
    wait "$PID" || status=$?
    [ "$status" = 137 ]
}

@test "KILL of replace while it steers to the old server, or to the new one: whoever joins gets its share" {
    own_network
    graceful_server
    start_shared /usr/bin/python3 graceful.py "$PORT" tcp
    keep
    killed 'has_said until.sh.listens' sh -c 'echo $$ >pid; exec tail -f /dev/null'
    wait_until [ -s pid ]
    PIDS+=("$(<pid)")
    third_gets_its_share
    wait_until no_steward
    killed "has_said old.server's.connections" /usr/bin/python3 graceful.py "$PORT" tcp
    third_gets_its_share
    grep -q "^pid $SERVER " answers
    wait_until no_steward
}

# But for its own pipe and the PID of its maker; while it looks, it has /proc open, too.
steward_keeps_nothing_open() {
    [ "$(find "/proc/$STEWARD/fd" -type l -printf '%l\n' | sed 's/pipe:.*/pipe/' | sort | uniq -c | xargs)" = "3 /dev/null 1 anon_inode:[pidfd] 1 pipe" ]
}

@test "KILL of replace when the old server is to be signalled: the old server stays out until it ends, and only then nothing is steered" {
    own_network
    # TERM does not end it.
    start_shared sh -c 'trap "" TERM; exec "$@"' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    killed is_hidden "$BUILD/examples/server" "$PORT" 127.0.0.1
    # TERM does not end the steward, and it keeps nothing open.
    kill -TERM "$STEWARD"
    third_gets_its_share "$SERVER"
    [ "$(stewards)" = "$STEWARD" ]
    wait_until steward_keeps_nothing_open
    kill -KILL "$SERVER"
    wait_until no_steward
    third_gets_its_share
}

@test "where a parent keeps the listener, a steward keeps that out and lets in who joins, while both are there" {
    local end
    own_network
    all_by_new() {
        [ "$("${NET[@]}" timeout 1 "$BUILD/examples/client" "$PORT" 60 | grep -c "^pid $SERVER * 60 ")" = 1 ]
    }
    for end in parent server; do
        rm -f keeper
        kept_by_parent
        replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
        all_by_new
        third_gets_its_share
        wait_until all_by_new # for a moment the numbers are those of the third, too
        one_steward
        [ "$end" = server ] || kill -USR1 "$KEEPER"
        [ "$end" = parent ] || kill -TERM "$SERVER"
        wait_until no_steward
        [ "$end" = server ] || third_gets_its_share
        [ "$end" = server ] || kill -TERM "$SERVER"
        kill -TERM "$KEEPER"
        wait_until is_down
        lease_port PORT # past connections in TIME_WAIT
    done
}

@test "the normal end leaves no steward" {
    own_network
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until no_steward
    third_gets_its_share
}

@test "UDP: while the old server is busy, each flow stays on one of three new copies" {
    local replace
    own_network
    cat >udp.py <<'END'
import os, socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    server.sendto(b"%d" % os.getpid(), server.recvfrom(64)[1])
END
    spawn server "${NET[@]}" /usr/bin/python3 udp.py "$PORT"
    SERVER=$PID
    is_bound() { [ -n "$("${NET[@]}" ss -Huan "sport = :$PORT")" ]; }
    wait_until is_bound
    freeze_server
    "${NET[@]}" bash -c "echo unread >/dev/udp/127.0.0.1/$PORT"
    spawn replace "${NET[@]}" "$COMMAND" replace --drain 30 -n 3 "$SERVER" /usr/bin/python3 udp.py "$PORT"
    replace=$PID
    wait_until grep -q 'waiting for what the old server still has to accept' "$(log replace)"
    run "${NET[@]}" /usr/bin/python3 - "$PORT" <<'END'
import socket, sys
seen, copies = set(), set()
for _ in range(40):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", int(sys.argv[1])))
        answers = set()
        for _ in range(10):
            client.send(b"who")
            answers.add(int(client.recv(64)))
        seen.add(len(answers))
        copies |= answers
print(*seen, len(copies), *copies)
END
    kill -CONT "$SERVER"
    wait "$replace"
    echo "$output"
    [[ $output = "1 3 "* && " $output " != *" $SERVER "* ]]
}

# bats test_tags=long
@test "the kernel loses SYNs to a listener that closes, though all are sent elsewhere; to an invisible one, none" {
    own_network
    "${NET[@]}" "$PROBES/gap" "$PORT" 10000 invisible
    none_delayed
    "${NET[@]}" "$PROBES/gap" "$PORT" 10000
    echo "TCPSynRetrans $(counter TCPSynRetrans)"
    [ "$(counter TCPSynRetrans)" -gt 0 ]
}
