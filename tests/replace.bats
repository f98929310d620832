#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# reuseport replace: a new server takes over from a running one, and no connection is lost.

load replacement

@test "nginx in the background: the PID reported is the daemon's" {
    need nginx
    local copy
    for copy in 0 1; do
        mkdir "n$copy"
        cat >"n$copy/conf" <<END
pid $PWD/n$copy/pid; worker_processes 1; user $(id -un);
events {}
http { access_log off; server { listen 127.0.0.1:$PORT; return 200 "copy $copy"; } }
END
    done
    start nginx -p "$PWD/n0" -e "$PWD/n0/error" -c "$PWD/n0/conf" -g 'daemon off;'
    storm "$HTTP"
    replace -s QUIT -- nginx -p "$PWD/n1" -e "$PWD/n1/error" -c "$PWD/n1/conf"
    storm_over
    [ "$SERVER" = "$(<n1/pid)" ]
}

@test "requests of half a second that the old server has begun are answered by it" {
    need node
    node_server
    start node server.js "$PORT" 127.0.0.1
    local old=$SERVER i
    for i in {1..8}; do
        spawn "slow$i" curl -sS "http://127.0.0.1:$PORT/500"
    done
    begun() { [ "$(ss -Htn state established "sport = :$PORT" | wc -l)" = 8 ]; }
    wait_until begun
    replace -- node server.js "$PORT" 127.0.0.1
    for i in {1..8}; do
        wait "${PIDS[i]}"
        [ "$(<"$(log "slow$i")")" = "pid $old" ]
    done
    [ "$(curl -sS "http://127.0.0.1:$PORT/")" = "pid $SERVER" ]
}

@test "a keep-alive connection stays with the old server for --drain seconds, and is closed with it" {
    need node python3
    node_server
    start node server.js "$PORT" 127.0.0.1
    python3 - "$PORT" >kept <<'END' &
import http.client, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
answers = []
try:
    while True:
        connection.request("GET", "/50")
        answers.append(connection.getresponse().read())
        print(len(set(answers)), flush=True)
except (http.client.HTTPException, OSError) as error:
    print("closed", flush=True)
END
    PIDS+=($!)
    wait_until grep -q 1 kept
    replace --drain 1 -- node server.js "$PORT" 127.0.0.1
    wait_until grep -qx closed kept
    run ! grep -qx 2 kept
    grep -q '; connections left to the old server when it was signalled: 1$' out
}

# A UDP server in udp.py that answers each datagram with its PID.
udp_server() {
    cat >udp.py <<'END'
import os, socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    server.sendto(b"%d" % os.getpid(), server.recvfrom(64)[1])
END
}

@test "UDP: after the change every datagram reaches the newcomer" {
    udp_server
    spawn server /usr/bin/python3 udp.py "$PORT"
    SERVER=$PID
    wait_until bound_udp_are "$PORT" 1
    replace -- /usr/bin/python3 udp.py "$PORT"
    run /usr/bin/python3 - "$PORT" <<'END'
import socket, sys
answers = set()
for _ in range(200):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", int(sys.argv[1])))
        client.send(b"who")
        answers.add(int(client.recv(64)))
print(*answers)
END
    [ "$output" = "$SERVER" ]
    run "$COMMAND" list "$PORT/udp"
    [ "$(grep -c '^udp.* yes ' <<<"$output")" = 1 ]
}

# serves_as_before STATUS TEXT: what replace said and returned, and that SERVER is as it was, its option no
# or $SHARES.
serves_as_before() {
    echo "status $status: $output"
    [ "$status" = "$1" ]
    [[ $output == *"$2"* ]]
    run "$COMMAND" list "$PORT"
    [ "$(grep -cE "^tcp .* $SERVER +server +${SHARES:-no} " <<<"$output") $(grep -c "^tcp .*server *[yn]" <<<"$output")" = "1 1" ]
    run python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 20
    [ "$output" = "$SERVER 20" ]
}

@test "UDP: what the old server has not read by then it reads, and only then is it signalled" {
    udp_server
    cat >ask-udp.py <<'END'
"""Sends one datagram from each of so many sockets, then prints who answered how many."""
import collections, socket, sys
clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(int(sys.argv[2]))]
for client in clients:
    client.settimeout(20)
    client.connect(("127.0.0.1", int(sys.argv[1])))
    client.send(b"who")
print("sent", flush=True)
for who, count in collections.Counter(int(client.recv(64)) for client in clients).items():
    print(who, count)
END
    local replace early
    spawn server /usr/bin/python3 udp.py "$PORT"
    SERVER=$PID
    wait_until bound_udp_are "$PORT" 1
    freeze_server
    spawn early /usr/bin/python3 ask-udp.py "$PORT" 20
    early=$PID
    wait_until grep -q sent "$(log early)"
    spawn replace "$COMMAND" replace --drain 20 "$SERVER" /usr/bin/python3 udp.py "$PORT"
    replace=$PID
    wait_until grep -q 'waiting for what the old server still has to accept' "$(log replace)"
    run /usr/bin/python3 ask-udp.py "$PORT" 50
    [[ ${lines[1]} != "$SERVER "* && ${lines[1]} = *" 50" ]]
    sleep 1 # ten times as long as it waits where nothing is left
    run ! grep "old server's connections" "$(log replace)"
    kill -CONT "$SERVER"
    wait "$early"
    cat "$(log early)"
    [ "$(sed 1d "$(log early)")" = "$SERVER 20" ]
    wait "$replace"
    grep -q "has replaced pid $SERVER" "$(log replace)"
}

@test "afterwards nothing is left in the group: a copy that joins later gets its share" {
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn third shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listeners_are "$PORT" 2
    run python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 200
    echo "$output"
    [ "${#lines[@]}" = 2 ]
}

old_gets_all() {
    [ "$(python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 100)" = "$SERVER 100" ]
}

@test "after a failure, too, nothing is left in the group" {
    # Two servers beside each other, of which the new one fails when connections are sent to it already.
    local replace other status=0
    server_that_waits
    start /usr/bin/python3 waits.py "$PORT"
    exec {kept}<>"/dev/tcp/127.0.0.1/$PORT"
    read -r -u "$kept" _
    spawn replace "$COMMAND" replace --drain 60 "$SERVER" /usr/bin/python3 waits.py "$PORT" {kept}>&-
    replace=$PID
    wait_until grep -q "waiting for the old server's connections" "$(log replace)"
    # The new server may end once it has no connection left.
    exec {other}<>"/dev/tcp/127.0.0.1/$PORT"
    read -r -u "$other" _
    kill -TERM "$replace"
    wait_until grep -q "sending connections back to the old server" "$(log replace)"
    wait_until old_gets_all
    exec {other}>&-
    wait_until_ended "$replace"
    wait "$replace" || status=$?
    exec {kept}>&-
    [ "$status" = 125 ]
    "$COMMAND" adopt "$PORT"
    spawn third shared /usr/bin/python3 waits.py "$PORT"
    wait_until listeners_are "$PORT" 2
    run python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 200
    echo "$output"
    [ "${#lines[@]}" = 2 ]
}

@test "if COMMAND does not come up, the old server serves as before, its option switched back" {
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    run -127 "$COMMAND" replace "$SERVER" no-such-command
    serves_as_before 127 "no-such-command: No such file or directory"
    run "$COMMAND" replace -m preload "$SERVER" "$PROBES/static-probe"
    serves_as_before 125 "static: has no loader"
    run "$COMMAND" replace "$SERVER" sh -c 'exit 3'
    serves_as_before 125 "replace: sh ended with status 3 before it listened on all ports; pid $SERVER serves as before"
    run "$COMMAND" replace "$SERVER" true
    serves_as_before 125 "replace: true ended with status 0 before it listened on all ports; pid $SERVER serves as before"
    run "$COMMAND" replace --start-timeout 1 "$SERVER" sh -c 'exec tail -f /dev/null'
    serves_as_before 125 "replace: sh did not listen on 127.0.0.1:$PORT/tcp within 1 s (-p LIST names the ports to hand over); pid $SERVER serves as before"
    run "$COMMAND" replace -p 1-99 "$SERVER" true
    serves_as_before 125 "replace: pid $SERVER and its descendants hold no such port"
    run "$COMMAND" replace -p x "$SERVER" true
    serves_as_before 125 '-p: "x": not a port'
    run "$COMMAND" replace 4194305 true
    serves_as_before 125 "replace: 4194305: there is no such process"
    run "$COMMAND" replace $$ true
    serves_as_before 125 "replace: pid $$ is an ancestor of this command"
    run "$COMMAND" replace -s NONSENSE "$SERVER" true
    serves_as_before 125 '-s: "NONSENSE": not HUP, INT, QUIT, TERM'
}

@test "another user's server is refused, with the reason" {
    need_root
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    run setpriv --reuid 65534 --clear-groups "$COMMAND" replace "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    serves_as_before 125 "replace: pid $SERVER and its descendants hold no port that this process may see"
}

@test "an interrupt before the signal puts everything back" {
    # Shared from the start, so that what waits in its queue is not in the way of the new one's bind.
    start env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$BUILD/examples/server" "$PORT" 127.0.0.1
    local SHARES=yes
    local name when waiting
    for name in INT TERM; do
        for when in 'waiting until' 'waiting for what the old server still has to accept'; do
            # Stopped, the old server leaves a connection in its queue, so that the command goes no further.
            freeze_server
            exec {waiting}<>"/dev/tcp/127.0.0.1/$PORT"
            spawn "$name" env --default-signal=INT "$COMMAND" replace --drain 5 "$SERVER" sh -c \
                'case $1 in *until) exec tail -f /dev/null ;; esac; exec "$0" "$2" 127.0.0.1' \
                "$BUILD/examples/server" "$when" "$PORT"
            local replace=$PID
            wait_until grep -q "$when" "$(log "$name")"
            kill -"$name" "$replace"
            status=0
            wait "$replace" || status=$?
            kill -CONT "$SERVER"
            [[ $(cat <&"$waiting") = "pid $SERVER accepted "* ]]
            exec {waiting}>&-
            output=$(<"$(log "$name")")
            serves_as_before 125 "replace: interrupted; pid $SERVER serves as before"
        done
    done
}

# one_of_two_serves: what is on the port takes connections, and answers all of them.
one_of_two_serves() {
    local answers
    answers=$(python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 20)
    echo "$answers"
    [ -n "$answers" ]
}

# stop_servers: whatever listens on the port now.
stop_servers() {
    local pid
    for pid in $("$COMMAND" list --json "$PORT" | grep -o '"pid": [0-9]*' | cut -d' ' -f2); do
        kill -TERM "$pid"
        wait_until_ended "$pid"
    done
}

# at_each CALL INJECTION CHECK: does a replacement with that injected into its first CALL, its second, and so
# on until it makes no more of them, from a new server each time, and CHECK after it.
at_each() {
    local number
    need strace
    for ((number = 1; number < 60; number++)); do
        start "$BUILD/examples/server" "$PORT" 127.0.0.1
        [ "$3" != storm_over ] || storm ''
        status=0
        timeout 60 strace -o trace -e trace="$1" -e inject="$1:$2:when=$number" "$COMMAND" replace --start-timeout 2 "$SERVER" \
            "$BUILD/examples/server" "$PORT" 127.0.0.1 >out 2>&1 3>&- </dev/null || status=$?
        "$3" || {
            echo "at $1 number $number, status $status:"
            cat out
            return 1
        }
        one_of_two_serves
        stop_servers
        wait "$SERVER" || true
        grep -qE 'INJECTED|killed by SIGKILL' trace || break
    done
    echo "$((number - 1)) times at $1"
    [ "$number" -gt 1 ]
}

@test "a KILL of the command at any of its steps leaves at least one server, and costs no connection" {
    at_each write signal=KILL storm_over
}

@test "a KILL of the command at any change that it makes leaves at least one server that takes connections" {
    local call
    for call in setsockopt pidfd_getfd pidfd_send_signal clone; do
        at_each "$call" signal=KILL true
    done
}

@test "whatever fails in the kernel, the new server or the old one serves, and the status tells which" {
    # consistent: 0 and replaced, or 125 and a reason.
    consistent() {
        case $status in
        0) grep -q "has replaced pid $SERVER" out && ! kill -0 "$SERVER" 2>/dev/null ;;
        *) [ "$status" = 125 ] && grep -qE "^reuseport: replace: .*" out && kill -0 "$SERVER" ;;
        esac
    }
    at_each setsockopt error=ENOMEM consistent
    at_each clone error=EAGAIN consistent
    grep -q 'fork: Resource temporarily unavailable' out || true
    at_each pidfd_getfd error=EPERM consistent
}

@test "what the old server has still to accept holds the new one's start back, and no longer" {
    # Without SO_REUSEADDR, and not shared: a connection in its queue is in the way of a bind.
    local waiting replace
    cat >keeps.py <<'END'
import os, socket, sys
server = socket.socket()
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen()
kept = []
while True:
    kept.append(server.accept()[0])
    kept[-1].send(b"pid %d\n" % os.getpid())
END
    start /usr/bin/python3 keeps.py "$PORT"
    freeze_server
    exec {waiting}<>"/dev/tcp/127.0.0.1/$PORT"
    spawn replace "$COMMAND" replace --drain 0 "$SERVER" /usr/bin/python3 keeps.py "$PORT"
    replace=$PID
    wait_until grep -q 'waiting for connections that block the new bind' "$(log replace)"
    kill -CONT "$SERVER"
    read -r -u "$waiting" line
    [ "$line" = "pid $SERVER" ]
    wait "$replace"
    exec {waiting}>&-
    grep -q "has replaced pid $SERVER" "$(log replace)"
}

@test "a connection that no process has as a descriptor for a while, as in accept(2), is waited for" {
    # Here it is on its way through a unix socket, for the 1.5 s that the request takes.
    cat >passes.py <<'END'
import os, socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
while True:
    client = server.accept()[0]
    socket.send_fds(a, [b"x"], [client.fileno()])
    client.close()
    time.sleep(1.5)
    client = socket.socket(fileno=socket.recv_fds(b, 1, 1)[1][0])
    client.send(b"pid %d\n" % os.getpid())
    client.close()
END
    local passed old
    start /usr/bin/python3 passes.py "$PORT"
    old=$SERVER
    exec {passed}<>"/dev/tcp/127.0.0.1/$PORT"
    replace -- /usr/bin/python3 passes.py "$PORT"
    cat replace.log
    [ "$(cat <&"$passed")" = "pid $old" ]
    exec {passed}>&-
}

# bats test_tags=long
@test "connections that the old server closed a moment ago, in TIME_WAIT, delay the new one, and do not prevent it" {
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    "$BUILD/examples/client" "$PORT" 20
    [ "$(ss -Htan state time-wait "sport = :$PORT" | wc -l)" = 20 ]
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    grep -q 'waiting for connections that block the new bind' replace.log
}

# Servers on two ports, or on the first of them alone.
two_ports() {
    cat >two.py <<'END'
import os, socket, sys
servers = [socket.create_server(("127.0.0.1", int(port))) for port in sys.argv[1:]]
while True:
    client = servers[0].accept()[0]
    client.send(b"pid %d\n" % os.getpid())
    client.close()
END
}

@test "where a stranger is in the group nothing is steered: it goes on getting its share" {
    local kept replace
    server_that_waits
    spawn other shared /usr/bin/python3 waits.py "$PORT"
    local other=$PID
    wait_until listens "$PORT"
    spawn server shared /usr/bin/python3 waits.py "$PORT"
    SERVER=$PID
    wait_until listeners_are "$PORT" 2
    # Connections of the old server hold replace up, those of the stranger do not.
    cat >hold.py <<'END'
import socket, sys, time
kept, who = [], set()
while len(who) < 2:
    kept.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    who.add(kept[-1].recv(64))
print("held", flush=True)
time.sleep(600)
END
    spawn hold /usr/bin/python3 hold.py "$PORT"
    local hold=$PID
    wait_until grep -q held "$(log hold)"
    spawn replace "$COMMAND" replace --drain 60 "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    replace=$PID
    wait_until grep -q "waiting for the old server's connections" "$(log replace)"
    # All three get some of 200.
    run python3 -c '
import socket, sys
answers = set()
for _ in range(200):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as client: answers.add(client.recv(64).split()[1].decode())
print(*answers)' "$PORT"
    echo "$output"
    [ "$(wc -w <<<"$output")" = 3 ]
    [[ " $output " = *" $other "* && " $output " = *" $SERVER "* ]]
    kill -TERM "$hold"
    wait "$replace"
}

@test "ending COMMAND sends TERM once to each of its processes, to those that appear later, too, and at last KILL" {
    # The shell ends at TERM, and leaves two that do not.
    local pid
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn replace "$COMMAND" replace --start-timeout 1 "$SERVER" sh -c \
        '"$0" one 0 shy & echo $! >>pids; "$0" two 0 shy & echo $! >>pids; wait' "$PROBES/signals"
    local replace=$PID
    both() { [ "$(wc -l <pids)" = 2 ]; }
    wait_until both
    mapfile -t -O "${#PIDS[@]}" PIDS <pids
    status=0
    wait "$replace" || status=$?
    output=$(<"$(log replace)")
    for pid in $(<pids); do
        ended "$pid"
    done
    [ "$(cat one two)" = $'- started\n- TERM\n- started\n- TERM' ]
    serves_as_before 125 "did not listen on 127.0.0.1:$PORT/tcp within 1 s (-p LIST names the ports to hand over); pid $SERVER serves as before"
}

@test "the tests' own: a storm in which connections failed shows what replace said" {
    echo "the new server has no socket on this address" >replace.log
    echo "nothing" >out
    storm '' # nobody listens
    has_threads() { [ "$(find "/proc/$STORM/task" -maxdepth 1 | wc -l)" -gt 3 ]; }
    wait_until has_threads
    if storm_over >shown; then return 1; fi
    [[ $(<shown) == *"0 answered, "*"the new server has no socket on this address"* ]]
}

@test "if the old server ends by itself before COMMAND is up, COMMAND is left running, and the message says so" {
    local other replace status=0 new
    two_ports
    lease_port other
    start /usr/bin/python3 two.py "$PORT" "$other"
    spawn replace "$COMMAND" replace --start-timeout 2 "$SERVER" /usr/bin/python3 two.py "$PORT"
    replace=$PID
    wait_until listeners_are "$PORT" 2
    kill -KILL "$SERVER"
    wait "$replace" || status=$?
    cat "$(log replace)"
    [ "$status" = 125 ]
    [[ $(tail -n 1 "$(log replace)") =~ did\ not\ listen\ on\ 127.0.0.1:$other/tcp\ within\ 2\ s\ .*\;\ pid\ $SERVER\ has\ ended\ meanwhile,\ by\ itself,\ so\ pid\ ([0-9]+)\ is\ left\ running ]]
    new=${BASH_REMATCH[1]}
    run python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 5
    [ "$output" = "$new 5" ]
}

@test "after a failure the connections of the old server have their option back, too" {
    local kept
    need strace node
    node_server
    start node server.js "$PORT" 127.0.0.1
    exec {kept}<>"/dev/tcp/127.0.0.1/$PORT"
    accepted() { [ "$(ss -Htnp state established "sport = :$PORT" | grep -c pid=)" = 1 ]; }
    wait_until accepted
    run strace -o trace -e trace=setsockopt "$COMMAND" replace "$SERVER" false
    [ "$status" = 125 ]
    # The listener's and the connection's.
    cat trace
    [ "$(grep -c 'SO_REUSEPORT, \[1\]' trace) $(grep -c 'SO_REUSEPORT, \[0\]' trace)" = "3 2" ]
    exec {kept}>&-
}

@test "a worker that has taken over the old server's socket meanwhile gets its option back, too" {
    cat >renews.py <<'END'
"""A master without a socket, whose worker hands over to another once there is a file go."""
import os, select, socket, sys, time
if os.fork():
    while True: time.sleep(600)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
renewed = False
while True:
    if select.select([server], [], [], 0.02)[0]:
        client = server.accept()[0]
        client.send(b"pid %d\n" % os.getpid())
        client.close()
    if os.path.exists("go") and not renewed:
        if os.fork(): os._exit(0)
        renewed = True
        open("gone", "w").close()
END
    local replace other status=0
    start /usr/bin/python3 renews.py "$PORT"
    spawn replace "$COMMAND" replace --start-timeout 2 "$SERVER" sh -c 'echo started; exec tail -f /dev/null'
    replace=$PID
    wait_until grep -q started "$(log replace)"
    run "$COMMAND" list "$PORT"
    [[ $output == *" yes "* ]]
    touch go
    wait_until [ -e gone ]
    wait "$replace" || status=$?
    [ "$status" = 125 ]
    run "$COMMAND" list "$PORT"
    echo "$output"
    [[ $output == *"does not share it"* ]]
}

@test "IPv6 alone and IPv4 on one port are told from a dual-stack socket, and both go to the newcomer" {
    cat >both.py <<'END'
import os, select, socket, sys
port = int(sys.argv[1])
servers = [socket.create_server(("0.0.0.0", port)), socket.create_server(("::", port), family=socket.AF_INET6)]
while True:
    for server in select.select(servers, [], [])[0]:
        client = server.accept()[0]
        client.send(b"pid %d\n" % os.getpid())
        client.close()
END
    start /usr/bin/python3 both.py "$PORT"
    local address
    replace --strict -- /usr/bin/python3 both.py "$PORT"
    [[ $(<out) == *"0.0.0.0:$PORT/tcp, [::]:$PORT/tcp"* ]]
    for address in 127.0.0.1 ::1; do
        exec {kept}<>"/dev/tcp/$address/$PORT"
        [ "$(cat <&"$kept")" = "pid $SERVER" ]
        exec {kept}>&-
    done
}

@test "without netlink it counts by /proc/net, and loses nothing either" {
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    storm ''
    AS=("$PROBES/without" netlink)
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    storm_over
}

@test "-I puts the copy's number into the arguments, COMMAND has the settings that a replacement needs, and a wrong one is refused" {
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    run env REUSEPORT_LOG=loud "$COMMAND" replace "$SERVER" true
    serves_as_before 125 'reuseport: REUSEPORT_LOG: "loud": not off, warn or info'
    # REUSEPORT_AT=socket would refuse the list, which is not "all".
    REUSEPORT_AT=socket REUSEPORT_REUSEADDR=0 replace -n 3 -I @ --ready='env >question' -- \
        sh -c 'echo "copy @ $REUSEPORT_AT $REUSEPORT_REUSEADDR" >>copies; exec "$0" "$1" 127.0.0.1' "$BUILD/examples/server" "$PORT"
    [ "$(sort copies)" = $'copy 0 bind 1\ncopy 1 bind 1\ncopy 2 bind 1' ]
    [ "$(grep -E '^REUSEPORT_(AT|REUSEADDR)=' question | sort | xargs)" = "REUSEPORT_AT=socket REUSEPORT_REUSEADDR=0" ]
}

@test "COMMAND has a session of its own, and the standard input of replace unless that is a terminal" {
    local words='readlink /proc/self/fd/0 >input; cut -d" " -f1,6 /proc/$$/stat >session; exit 1'
    need script
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$words" >words
    run "$COMMAND" replace "$SERVER" sh -c "$words" <words
    serves_as_before 125 "sh ended with status 1"
    [ "$(<input)" = "$PWD/words" ]
    [[ $(<session) =~ ^([0-9]+)\ ([0-9]+)$ && ${BASH_REMATCH[1]} = "${BASH_REMATCH[2]}" ]]
    script -qec "$COMMAND replace $SERVER sh words" /dev/null >terminal </dev/null 3>&- || true
    [ "$(<input)" = /dev/null ]
}

@test "on a terminal progress is one line that is written over, in a log a line for each step" {
    local kept
    need node script
    node_server
    start node server.js "$PORT" 127.0.0.1
    exec {kept}<>"/dev/tcp/127.0.0.1/$PORT"
    replace --drain 1 -- node server.js "$PORT" 127.0.0.1
    exec {kept}>&-
    [ "$(sed "s/pid [0-9]*/pid N/" replace.log)" = "reuseport: waiting until node listens
reuseport: sending new connections to the new server
reuseport: waiting for what the old server still has to accept
reuseport: waiting for the old server's connections
reuseport: signalling pid N" ]
    exec {kept}<>"/dev/tcp/127.0.0.1/$PORT"
    script -qec "$COMMAND replace --drain 1 $SERVER node server.js $PORT 127.0.0.1" /dev/null >terminal </dev/null 3>&-
    exec {kept}>&-
    [ "$(grep -ac reuseport terminal)" = 1 ]
    [ "$(tr '\r' '\n' <terminal | grep -ac 'connections left: 1, [01] s')" -gt 5 ]
    tr '\r' '\n' <terminal | grep -a 'connections that wait for the old server: 0, under way: 0'
    SERVER=$(tr '\r' '\n' <terminal | sed -n "s/.*pid \([0-9]*\) .* has replaced pid $SERVER .*/\1/p")
    # A message takes the line's place.
    script -qec "$COMMAND replace $SERVER false" /dev/null >terminal </dev/null 3>&- || true
    tr '\r' '\n' <terminal | grep -a $'^\e\\[Kreuseport: replace: false ended with status 1'
}

@test "busy keep-alive connections under nginx -s QUIT: no answer is cut short" {
    need nginx
    cat >conf <<END
daemon off; pid $PWD/pid; worker_processes 1; user $(id -un);
events {}
http { access_log off; keepalive_requests 1000000; server { listen 127.0.0.1:$PORT; location / { return 200 "$(printf '%01000d' 0)"; } } }
END
    start nginx -p "$PWD" -e "$PWD/error" -c "$PWD/conf"
    cat >kept.py <<'END'
"""Requests without a pause on 8 connections that are kept; prints how many were answered, how many found their
connection closed, and how many answers were cut short."""
import http.client, signal, sys, threading
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
answered, closed, cut = [], [], []
def ask():
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
    while not ended.is_set():
        try:
            connection.request("GET", "/")
            answered.append(len(connection.getresponse().read()) == 1000)
        except (http.client.RemoteDisconnected, ConnectionError):
            closed.append(1)
            connection.close()
        except http.client.IncompleteRead:
            cut.append(1)
            connection.close()
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
print("started", flush=True)
ended.wait()
for thread in threads: thread.join()
print(f"{sum(answered)} answered, {len(closed)} closed, {len(cut) + len(answered) - sum(answered)} cut short")
END
    spawn kept /usr/bin/python3 kept.py "$PORT"
    local kept=$PID
    wait_until grep -q started "$(log kept)"
    replace --drain 1 -s QUIT -- nginx -p "$PWD" -e "$PWD/error" -c "$PWD/conf"
    kill -TERM "$kept"
    wait "$kept"
    cat "$(log kept)"
    # Each of the 8 may find its connection closed once.
    [[ $(tail -n 1 "$(log kept)") =~ ^([0-9]+)\ answered,\ ([0-9]+)\ closed,\ 0\ cut\ short$ ]]
    [ "${BASH_REMATCH[1]}" -gt 100 ]
    [ "${BASH_REMATCH[2]}" -le 8 ]
}

@test "--strict refuses where somebody else has sockets on the port; otherwise it says what is left" {
    spawn other shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    spawn server shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    SERVER=$PID
    wait_until listeners_are "$PORT" 2
    run "$COMMAND" replace --strict "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$output"
    [[ $status = 125 && $output == *"--strict: 127.0.0.1:$PORT/tcp: the new server's sockets cannot be told apart from the others there"*"pid $SERVER serves as before"* ]]
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    cat replace.log
    grep -q "the new server's sockets cannot be told apart from the others there; what the old server has not accepted when it ends is lost" replace.log
}

@test "a server that does not end is not killed, but with --kill" {
    local old pid status=0
    start sh -c 'trap "" TERM; exec "$@"' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    timeout 60 "$COMMAND" replace -n 2 --stop-timeout 1 "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1 >out 2>&1 3>&- </dev/null || status=$?
    cat out
    [[ $status = 125 && $(<out) == *"has been signalled and did not end within 1 seconds; it gets no new connections"* ]]
    run "$BUILD/examples/client" "$PORT" 50
    [[ ${#lines[@]} = 2 && $output != *"pid $SERVER "* ]]
    kill -KILL "$SERVER"
    for pid in $(ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2); do
        kill -TERM "$pid"
    done
    wait_until is_down
    lease_port PORT
    start sh -c 'trap "" TERM; exec "$@"' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    old=$SERVER
    replace --kill --stop-timeout 1 -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until_ended "$old"
}

@test "with --no-steer, a server that does not end may still get connections, and replace says so" {
    start sh -c 'trap "" TERM; exec "$@"' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    run timeout 60 "$COMMAND" replace --no-steer --drain 0 --stop-timeout 1 "$SERVER" sh -c 'exec "$@" >/dev/null 2>&1' sh "$BUILD/examples/server" "$PORT" 127.0.0.1 </dev/null
    echo "$output"
    [[ $status = 125 && $output == *"has been signalled and did not end within 1 seconds; it may still get new connections"* ]]
    kill -KILL "$SERVER"
}

@test "a descendant that goes on listening after PID has ended gets no connection back" {
    start sh -c '"$@" & wait' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    timeout 60 "$COMMAND" replace --stop-timeout 1 "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1 >out 2>&1 3>&- </dev/null || status=$?
    cat out
    [ "$status" = 125 ]
    ended "$SERVER"
    listeners_are "$PORT" 2
    run "$BUILD/examples/client" "$PORT" 50
    [ "${#lines[@]}" = 1 ]
}

@test "a COMMAND that no longer listens when the old server is to be signalled is given up" {
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    run timeout 60 "$COMMAND" replace --start-timeout 2 "$SERVER" sh -c '"$0" "$1" 127.0.0.1 & server=$!
        until "$2" list "$1" | grep -q "$server .* yes"; do :; done; kill $server; exec tail -f /dev/null' \
        "$BUILD/examples/server" "$PORT" "$COMMAND"
    [[ $output == *"no longer listens"* || $output == *"did not listen"* ]]
    serves_as_before 125 "pid $SERVER serves as before"
}

@test "--foreground stays, passes on signals, and ends as the new server does" {
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn stay "$COMMAND" replace --foreground "$SERVER" sh -c 'trap "kill \$!; exit 7" TERM; "$@" & wait' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    local stay=$PID status=0
    wait_until grep -q 'has replaced' "$(log stay)"
    "$BUILD/examples/client" "$PORT" 5
    kill -TERM "$stay"
    wait "$stay" || status=$?
    [ "$status" = 7 ]
    wait_until listeners_are "$PORT" 0
}

@test "over a link of 100 ms, where handshakes straddle the change, and with tcp_migrate_req 0 and 1" {
    local migrate
    slow_link
    for migrate in 0 1; do
        "${NET[@]}" sysctl -qw net.ipv4.tcp_migrate_req=$migrate
        start "$BUILD/examples/server" "$PORT" 192.0.2.1
        storm ''
        replace -- "$BUILD/examples/server" "$PORT" 192.0.2.1
        replace -n 3 -- "$BUILD/examples/server" "$PORT" 192.0.2.1
        replace -n 3 -- "$BUILD/examples/server" "$PORT" 192.0.2.1
        storm_over
        kill -TERM "$SERVER"
        wait_until_ended "$SERVER"
        lease_port PORT
    done
}
