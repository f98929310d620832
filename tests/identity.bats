#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# Who is this process: names are chosen by their bearers, and neither a name nor a socket makes a stranger part of
# a server.

load replacement

# impostor NAME ADDRESS PORT: as nobody, a process of that name, with \n as printf(1) takes them, that listens
# there.
impostor() {
    cat >impostor.py <<'END'
import ctypes, socket, sys, time
name = sys.argv[1].encode().decode("unicode_escape").encode("latin-1")
assert ctypes.CDLL(None).prctl(15, name, 0, 0, 0) == 0  # PR_SET_NAME
server = socket.create_server((sys.argv[2], int(sys.argv[3])), backlog=16)
time.sleep(600)
END
    local before
    before=$(listeners "$3")
    spawn impostor setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 impostor.py "$@"
    wait_until listeners_are "$3" $((before + 1))
}

# never_listens: a COMMAND for replace that does not come up, and says when it has been started.
never_listens=(sh -c 'echo started; exec tail -f /dev/null')

# gives_up COMMAND...: that replacement, started before, finds no new server, and leaves the old one serving. It is
# waited for: a child of this shell.
gives_up() {
    local status=0
    wait "$1" || status=$?
    cat "$(log replace)"
    [ "$status" = 125 ]
    grep -q "did not listen on 127.0.0.1:$PORT/tcp within 3 s (-p LIST names the ports to hand over); pid $SERVER serves as before" "$(log replace)"
    run python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 20
    [ "$output" = "$SERVER 20" ]
}

@test "a name that makes its bearer a child of replace does not make it the new server" {
    need_root
    need setpriv
    local name replace
    for name in 'x) S PID\n' ') R PID\n'; do
        start "$BUILD/examples/server" "$PORT" 127.0.0.1
        spawn replace "$COMMAND" replace --start-timeout 3 "$SERVER" "${never_listens[@]}"
        replace=$PID
        wait_until grep -q started "$(log replace)"
        impostor "${name/PID/$replace}" 127.0.0.2 "$PORT"
        gives_up "$replace"
        stop_all
    done
}

@test "a name that makes its bearer a descendant of the old server does not give that its ports" {
    need_root
    need setpriv
    local other name
    lease_port other
    for name in 'x) S PID\n' ') R PID\n'; do
        start "$BUILD/examples/server" "$PORT" 127.0.0.1
        impostor "${name/PID/$SERVER}" 127.0.0.1 "$other"
        replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
        [[ $(<out) == *" on 127.0.0.1:$PORT/tcp" ]]
        PIDS+=("$SERVER")
        stop_all
    done
}

@test "adopt PORT PID and list show a process as what it is, whatever it is called" {
    need_root
    need setpriv
    local name
    for name in 'a\n' ') Z 1\n' '\nTgid:\t1\nPPid:1' '(((((' '\\\n\x01\x7f\xff' '"\\"{},' 'fifteen bytes!!'; do
        impostor "$name" 127.0.0.1 "$PORT"
        run "$COMMAND" adopt "$PORT" "$PID"
        echo "$status: $output"
        [ "$status" = 0 ]
        [[ $output =~ ^127.0.0.1:$PORT/tcp:\ pid\ $PID\ \([\ -~]+\)\ shares\ it\ now$ ]]
        run "$COMMAND" list "$PORT"
        echo "$output"
        [ "${#lines[@]}" = 2 ]
        [[ ${lines[1]} =~ ^tcp\ +127.0.0.1\ +$PORT\ +nobody\ +$PID\ +[\ -~]+\ yes\ +0\ +16$ ]]
        "$COMMAND" list --json "$PORT" | python3 -c 'import json, sys; assert json.load(sys.stdin)[0]["pid"] == int(sys.argv[1])' "$PID"
        stop_all
    done
}

# with_socket_of NAME UID ADDRESS PORT COMMAND...: spawns a command of user 65534 that has inherited a listener there
# that UID made. REAL, if set, is the real user; then 65534 is the effective one alone.
with_socket_of() {
    cat >inherit.py <<'END'
import os, socket, sys
os.seteuid(int(sys.argv[1]))
server = socket.create_server((sys.argv[2], int(sys.argv[3])))
server.set_inheritable(True)
os.seteuid(0)
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(int(os.environ.get("REAL", 65534)), 65534, 65534)
os.execvp(sys.argv[4], sys.argv[4:])
END
    spawn "$1" /usr/bin/python3 inherit.py "${@:2}"
}

@test "a process that /proc does not show is not said to be missing: hidepid=, and no /proc" {
    local hidden=": /proc does not show it: hidepid=, no /proc, or one of another PID namespace" hide asks
    need_root
    need setpriv
    spawn server "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    hide='mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"'
    for asks in "replace $PID true" "check $PID" "adopt $PORT $PID"; do
        # shellcheck disable=SC2086 # words
        run timeout 10 unshare --mount sh -c "$hide" sh "$COMMAND" $asks
        echo "$output"
        [ "$status" = 125 ]
        [ "$output" = "reuseport: ${asks%% *}: $PID$hidden" ]
    done
    run timeout 10 unshare --mount sh -c 'mount -t tmpfs none /proc; "$0" check --library "$1" 1' "$COMMAND" "$LIBRARY"
    echo "$output"
    [ "$status $output" = "125 reuseport: check: 1$hidden" ]
    run timeout 10 "$COMMAND" check 4194305
    [ "$status $output" = "125 reuseport: check: 4194305: there is no such process" ]
}

@test "a socket that a third user made is not the new server's, though that has it" {
    need_root
    need setpriv
    AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    with_socket_of replace 65533 127.0.0.2 "$PORT" "$COMMAND" replace --allow-uncovered --start-timeout 3 "$SERVER" \
        "${never_listens[@]}"
    gives_up "$PID"
    with_socket_of replace 65534 127.0.0.2 "$PORT" "$COMMAND" replace --allow-uncovered --start-timeout 3 "$SERVER" \
        "${never_listens[@]}"
    wait "$PID"
    grep -q "has replaced pid $SERVER" "$(log replace)"
}

@test "a socket that a third user made is not the old server's, though that has it" {
    need_root
    need setpriv
    AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    # asks PORT...: COMMAND is asked to share these.
    asks() {
        run "${AS[@]}" "$COMMAND" replace "$SERVER" sh -c 'echo "shares $REUSEPORT_PORTS"'
        echo "$output"
        local ports
        ports=$(printf '%s/tcp\n' "$@" | sort | paste -sd,)
        [[ $'\n'$output$'\n' == *$'\n'"shares $ports"$'\n'* ]]
    }
    local other
    lease_port other
    with_socket_of server 65533 127.0.0.1 "$other" "$BUILD/examples/server" "$PORT" 127.0.0.1
    SERVER=$PID
    wait_until listens "$PORT"
    asks "$PORT"
    stop_all
    with_socket_of server 65534 127.0.0.1 "$other" "$BUILD/examples/server" "$PORT" 127.0.0.1
    SERVER=$PID
    wait_until listens "$PORT"
    asks "$PORT" "$other"
    stop_all
    # Servers bind as root, and then change their user.
    with_socket_of server 0 127.0.0.1 "$other" "$BUILD/examples/server" "$PORT" 127.0.0.1
    SERVER=$PID
    wait_until listens "$PORT"
    AS=()
    asks "$PORT" "$other"
    stop_all
    # Who is really root can have made it as anybody.
    REAL=0 with_socket_of server 65533 127.0.0.1 "$other" "$BUILD/examples/server" "$PORT" 127.0.0.1
    SERVER=$PID
    wait_until listens "$PORT"
    asks "$PORT" "$other"
}

@test "a new server's socket that only a stranger has any more does not count" {
    # The old server has a connection, which holds replace up; the new one hands its listener to a stranger and closes it, or ends,
    # while the shell that started it lives on.
    local kept replace status
    cat >waits.py <<'END'
import os, socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client = server.accept()[0]
    client.send(b"pid %d\n" % os.getpid())
    client.recv(1)
    client.close()
END
    cat >receives.py <<'END'
import socket, time
door = socket.socket(socket.AF_UNIX)
door.bind("door")
door.listen()
received = socket.recv_fds(door.accept()[0], 1, 1)
print("received", flush=True)
time.sleep(600)
END
    cat >hands-over.py <<'END'
import os, socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while not os.path.exists("go"): time.sleep(0.02)
door = socket.socket(socket.AF_UNIX)
door.connect("door")
socket.send_fds(door, [b"x"], [server.fileno()])
server.close()
if sys.argv[2] == "stays": time.sleep(600)
END
    local way
    for way in ends stays; do
        rm -f door go
        lease_port PORT
        spawn stranger /usr/bin/python3 receives.py
        start /usr/bin/python3 waits.py "$PORT"
        exec {kept}<>"/dev/tcp/127.0.0.1/$PORT"
        read -r -u "$kept" _
        spawn replace "$COMMAND" replace --drain 60 "$SERVER" \
            sh -c '"$@"; exec tail -f /dev/null' sh /usr/bin/python3 hands-over.py "$PORT" "$way" {kept}>&-
        replace=$PID
        wait_until grep -q "waiting for the old server's connections" "$(log replace)"
        touch go
        wait_until grep -q received "$(log stranger)"
        only_strangers() { [ "$(ss -Htlnp "sport = :$PORT" | grep -o 'pid=' | wc -l)" = 2 ]; }
        wait_until only_strangers
        exec {kept}>&-
        status=0
        wait "$replace" || status=$?
        cat "$(log replace)"
        [ "$status" = 125 ]
        grep -q "sh no longer listens; pid $SERVER serves as before" "$(log replace)"
        stop_all
    done
}

# walks PATTERN: how many links of descriptors replace has read, of the processes whose path matches.
walks() {
    grep -cE "readlinkat\([0-9]+</proc/$1/fd>" trace || true
}

# bystander: a process with 3 000 sockets, in BYSTANDER.
bystander() {
    spawn bystander "${AS[@]}" /usr/bin/python3 -c '
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4000, 4000))
kept = [socket.socket() for _ in range(3000)]
print("ready", flush=True)
time.sleep(600)'
    BYSTANDER=$PID
    wait_until grep -q ready "$(log bystander)"
}

# traced [OPTION...]: a replacement of the example server under strace.
traced() {
    need strace
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    timeout 60 "${AS[@]}" strace -y -o trace -e trace=readlinkat,getdents64 "$COMMAND" replace "$@" "$SERVER" \
        sh -c 'sleep 1; exec "$@" >/dev/null 2>&1' sh "$BUILD/examples/server" "$PORT" 127.0.0.1 >out 2>&1 3>&- </dev/null
    PIDS+=("$(sed -n 's/^pid \([0-9]*\) .* has replaced .*/\1/p' out)")
    wc -l <trace
}

@test "replace looks into no process but those of the two servers, except once for who else has a listener that it hides" {
    bystander
    traced --no-steer
    [ "$(walks "$BYSTANDER")" = 0 ]
    [ "$(walks "$SERVER")" -gt 0 ]
    [ "$(wc -l <trace)" -lt 1000 ]
    lease_port PORT
    traced
    [ "$(walks "$BYSTANDER")" -ge 3000 ]
    [ "$(walks "$BYSTANDER")" -lt 3100 ]
}

@test "for a stranger's socket on the port replace searches all processes once, though it may not see the stranger" {
    need_root
    need setpriv
    chmod 777 .
    bystander
    impostor stranger 127.0.0.2 "$PORT"
    traced --no-steer
    [ "$(walks "$BYSTANDER")" -ge 3000 ]
    [ "$(walks "$BYSTANDER")" -lt 3100 ]
    lease_port PORT
    rm trace out
    AS=(setpriv --reuid 65533 --regid 65533 --clear-groups)
    bystander
    impostor stranger 127.0.0.2 "$PORT"
    traced --no-steer
    [ "$(walks "$BYSTANDER")" -ge 3000 ]
    [ "$(walks "$BYSTANDER")" -lt 3100 ]
}
