#!/usr/bin/env bats
# reuseport replace: a new server takes over from a running one, and no connection is lost.

load helpers

setup() {
    lease_port PORT
    COMMAND=$BUILD/reuseport
    ADDRESS=127.0.0.1
    cd "$BATS_TEST_TMPDIR" || exit
    chmod 755 . "$BATS_RUN_TMPDIR"
    LINK=
    HTTP='GET / HTTP/1.0\r\n\r\n'
}

# The new servers are in sessions of their own: what was put in the place of what this test started.
teardown() {
    local pid
    for pid in $("${NET[@]}" ss -Htlnup "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u); do
        PIDS+=("$pid")
    done
    stop_all
    [ -z "$LINK" ] || ip netns del "$LINK-a" || true
    [ -z "$LINK" ] || ip netns del "$LINK-b" || true
}

# start COMMAND...: the first server, without the library; its PID in SERVER. NET, if set, is what runs a
# command in the server's network namespace, FAR in the client's; AS what runs it as another user.
start() {
    spawn server "${NET[@]}" "${AS[@]}" "$@"
    SERVER=$PID
    wait_until is_up
}

is_up() {
    [ -n "$("${NET[@]}" ss -Htln "sport = :$PORT")" ]
}

# replace OPTION... -- COMMAND...: replaces SERVER; the new PID becomes SERVER.
replace() {
    local options=() out
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    # Into files: the new server inherits them, and outlives the command.
    "${NET[@]}" "${AS[@]}" timeout 60 "$COMMAND" replace "${options[@]}" "$SERVER" "$@" >out 2>>replace.log 3>&- </dev/null || {
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
    spawn storm "${FAR[@]:-env}" "$PROBES/storm" "$ADDRESS" "$PORT" "$@"
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

@test "redis-server, by requests on fresh connections, as root and as an ordinary user" {
    need redis-server
    ten_times 'PING\r\n' PONG -- redis-server --port "$PORT" --bind 127.0.0.1 --save '' --dir "$PWD"
    need_root
    kill -TERM "$SERVER"
    wait_until_ended "$SERVER"
    lease_port PORT
    AS=(setpriv --reuid 64732 --regid 64732 --clear-groups)
    chmod 777 .
    ten_times 'PING\r\n' PONG -- redis-server --port "$PORT" --bind 127.0.0.1 --save '' --dir "$PWD"
}

@test "redis-server and Node, one copy by three, and three by three" {
    need redis-server node
    local round
    start redis-server --port "$PORT" --bind 127.0.0.1 --save '' --dir "$PWD"
    storm 'PING\r\n' PONG
    for round in 1 2 3; do
        replace -n 3 -- redis-server --port "$PORT" --bind 127.0.0.1 --save '' --dir "$PWD"
        listeners_are "$PORT" 3
    done
    storm_over
    kill -TERM "$SERVER"
    wait_until_ended "$SERVER"
    lease_port PORT
    node_server
    start node server.js "$PORT" 127.0.0.1
    storm "$HTTP"
    for round in 1 2 3; do
        replace -n 3 -- node server.js "$PORT" 127.0.0.1
        listeners_are "$PORT" 3
    done
    storm_over
}

@test "memcached" {
    need memcached
    ten_times 'version\r\n' VERSION -- memcached -l 127.0.0.1 -p "$PORT" -u "$(id -un)"
}

@test "Python's http.server" {
    ten_times "$HTTP" '' -- /usr/bin/python3 -m http.server -b 127.0.0.1 "$PORT"
}

@test "nginx, master and worker, by QUIT" {
    need nginx
    local copy
    for copy in COPY 1 2 3 4 5 6 7 8 9 10; do
        mkdir "n$copy"
        cat >"n$copy/conf" <<END
daemon off; pid $PWD/n$copy/pid; worker_processes 1; user $(id -un);
events {}
http { access_log off; server { listen 127.0.0.1:$PORT; return 200 "copy $copy"; } }
END
    done
    ten_times "$HTTP" '' -s QUIT -- nginx -p "$PWD/nCOPY" -e "$PWD/nCOPY/error" -c "$PWD/nCOPY/conf"
}

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

@test "lighttpd" {
    need lighttpd
    printf 'server.document-root = "%s"\nserver.port = %s\nserver.bind = "127.0.0.1"\n' "$PWD" "$PORT" >conf
    ten_times "$HTTP" '' -- lighttpd -D -f "$PWD/conf"
}

# A server whose answer, its PID, takes as many milliseconds as the path says.
node_server() {
    cat >server.js <<'END'
const http = require('http');
const server = http.createServer((request, response) => {
    setTimeout(() => response.end(`pid ${process.pid}\n`), Number(request.url.slice(1)) || 0);
});
server.listen(Number(process.argv[2]), process.argv[3]);
END
}

@test "Node's http" {
    need node
    node_server
    ten_times "$HTTP" '' -- node server.js "$PORT" 127.0.0.1
}

@test "IPv6" {
    need node
    node_server
    ADDRESS=::1
    ten_times "$HTTP" '' -- node server.js "$PORT" ::1
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
    grep -q 'connections were left to the old server' out
}

@test "UDP: after the change every datagram reaches the newcomer" {
    cat >udp.py <<'END'
import os, socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    server.sendto(b"%d" % os.getpid(), server.recvfrom(64)[1])
END
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
    run "$BUILD/examples/client" "$PORT" 20
    [[ ${#lines[@]} = 1 && $output == "pid $SERVER "* ]]
}

@test "if COMMAND does not come up, the old server serves as before, its option switched back" {
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    run -127 "$COMMAND" replace "$SERVER" no-such-command
    serves_as_before 127 "no-such-command: No such file or directory"
    run "$COMMAND" replace "$SERVER" "$PROBES/static-probe"
    serves_as_before 125 "static: there is no loader"
    run "$COMMAND" replace "$SERVER" sh -c 'exit 3'
    serves_as_before 125 "replace: sh ended with status 3 before it listened on all ports; pid $SERVER serves as before"
    run "$COMMAND" replace "$SERVER" true
    serves_as_before 125 "replace: true ended with status 0 before it listened on all ports; pid $SERVER serves as before"
    run "$COMMAND" replace --start-timeout 1 "$SERVER" sh -c 'exec tail -f /dev/null'
    serves_as_before 125 "replace: sh does not listen on all ports after 1 seconds; pid $SERVER serves as before"
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
            kill -STOP "$SERVER"
            exec {waiting}<>"/dev/tcp/127.0.0.1/$PORT"
            spawn "$name" env --default-signal=INT "$COMMAND" replace --drain 60 "$SERVER" sh -c \
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

@test "a KILL of the command itself at any moment leaves at least one server that takes connections" {
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    storm ''
    local round
    for round in {0..14}; do
        spawn "round$round" "$COMMAND" replace "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
        # At moments spread over its whole run, the first before it has begun.
        sleep "0.0$((round * 6 / 10))$((round * 6 % 10))"
        kill -KILL "$PID" 2>/dev/null || true
        wait "$PID" 2>/dev/null || true
        "$BUILD/examples/client" "$PORT" 20 >/dev/null
        SERVER=$("$COMMAND" list --json "$PORT" | grep -o '"pid": [0-9]*' | head -n 1 | cut -d' ' -f2)
    done
    storm_over
}

@test "--strict refuses where somebody else has sockets on the port; otherwise it says what is left" {
    spawn other shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    spawn server shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    SERVER=$PID
    wait_until listeners_are "$PORT" 2
    run "$COMMAND" replace --strict "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$output"
    [[ $status = 125 && $output == *"--strict: 127.0.0.1:$PORT/tcp: somebody else has sockets there too"*"pid $SERVER serves as before"* ]]
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    cat replace.log
    grep -q "somebody else has sockets there too, so the new ones cannot be told apart; what waits there when the old server ends is reset" replace.log
}

@test "a server that does not end is not killed, but with --kill" {
    node_server
    start sh -c 'trap "" TERM; exec "$@"' sh "$BUILD/examples/server" "$PORT" 127.0.0.1
    run timeout 60 "$COMMAND" replace --stop-timeout 1 "$SERVER" sh -c 'trap "" TERM; exec "$@" >/dev/null 2>&1' sh "$BUILD/examples/server" "$PORT" 127.0.0.1 </dev/null
    echo "$output"
    [[ $status = 125 && $output == *"has been signalled and did not end within 1 seconds; it gets no new connections"* ]]
    run "$BUILD/examples/client" "$PORT" 50
    [[ ${#lines[@]} = 1 && $output != "pid $SERVER "* ]]
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
    run timeout 60 "$COMMAND" replace "$SERVER" sh -c '"$0" "$1" 127.0.0.1 & server=$!
        until "$2" list "$1" | grep -q "$server .* yes"; do :; done; kill $server; exec tail -f /dev/null' \
        "$BUILD/examples/server" "$PORT" "$COMMAND"
    [[ $output == *"no longer listens"* || $output == *"does not listen"* ]]
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
    need_root
    need ip
    local name=reuseport$$ migrate side
    LINK=$name
    ip netns add "$name-a"
    ip netns add "$name-b"
    spawn link "$PROBES/delay-link" 50 "/run/netns/$name-a" "/run/netns/$name-b"
    wait_until grep -q linked "$(log link)"
    for side in a b; do
        ip -n "$name-$side" link set lo up
        ip -n "$name-$side" link set dev delay up
    done
    ip -n "$name-a" addr add 192.0.2.1 peer 192.0.2.2 dev delay
    ip -n "$name-b" addr add 192.0.2.2 peer 192.0.2.1 dev delay
    NET=(ip netns exec "$name-a")
    FAR=(ip netns exec "$name-b")
    ADDRESS=192.0.2.1
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
