# SPDX-License-Identifier: MIT
# What the tests of reuseport replace have in common: a server, its replacement, and a storm of connections.
# shellcheck disable=SC2034 # for the tests that load this

load "${BASH_SOURCE[0]%/*}/helpers"

setup_replacement() {
    lease_port PORT
    COMMAND=$BUILD/reuseport
    ADDRESS=127.0.0.1
    cd "$BATS_TEST_TMPDIR" || exit
    chmod 755 . "$BATS_RUN_TMPDIR"
    LINK=
    NETWORK=
    HTTP='GET / HTTP/1.0\r\n\r\n'
}

setup() {
    setup_replacement
}

teardown() {
    teardown_replacement
}

# The new servers are in sessions of their own: what was put in the place of what this test started.
teardown_replacement() {
    local pid
    for pid in $("${NET[@]}" ss -Htlnup "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u); do
        PIDS+=("$pid")
    done
    stop_all
    [ -z "$LINK" ] || ip netns del "$LINK-a" || true
    [ -z "$LINK" ] || ip netns del "$LINK-b" || true
    [ -z "$NETWORK" ] || ip netns del "$NETWORK" || true
}

# own_network: servers and clients are in a network namespace of the test's own from now on, whose counters nobody
# else's connections change.
own_network() {
    make_network
    FAR=("${NET[@]}")
}

# slow_link: servers and clients are in namespaces of their own from now on, 50 ms apart.
slow_link() {
    local side
    need_root
    need_sys_admin
    need ip
    [ -c /dev/net/tun ] || missing /dev/net/tun
    LINK=reuseport$BASHPID
    ip netns add "$LINK-a"
    ip netns add "$LINK-b"
    spawn link "$PROBES/delay-link" 50 "/run/netns/$LINK-a" "/run/netns/$LINK-b"
    wait_until grep -q linked "$(log link)"
    for side in a b; do
        ip -n "$LINK-$side" link set lo up
        ip -n "$LINK-$side" link set dev delay up
    done
    ip -n "$LINK-a" addr add 192.0.2.1 peer 192.0.2.2 dev delay
    ip -n "$LINK-b" addr add 192.0.2.2 peer 192.0.2.1 dev delay
    NET=(nsenter --net="/run/netns/$LINK-a")
    FAR=(nsenter --net="/run/netns/$LINK-b")
    ADDRESS=192.0.2.1
}

# counter NAME: that of /proc/net/netstat, such as TCPSynRetrans.
counter() {
    "${NET[@]}" awk -v name="$1" '$1 == "TcpExt:" { if (!at) for (i = 2; i <= NF; i++) { if ($i == name) at = i }
        else print $at }' /proc/net/netstat
}

print_delays() {
    local name
    for name in TCPSynRetrans TCPMinTTLDrop ListenOverflows ListenDrops; do
        echo "$name $(counter "$name")"
    done
}

# none_delayed: no client has sent a SYN twice, which it does after a second.
none_delayed() {
    print_delays
    [ "$(counter TCPSynRetrans)" = 0 ]
}

# delayed_by_visitors_alone: no client has sent a SYN twice but those whose first a visitor has dropped.
delayed_by_visitors_alone() {
    print_delays
    [ "$(counter TCPSynRetrans)" -le "$(counter TCPMinTTLDrop)" ]
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

# Its own end, and that of its sockets: the next one is to have the port.
stop_server() {
    kill -TERM "$SERVER"
    wait_until_ended "$SERVER"
    wait_until is_down
}

is_down() {
    [ -z "$("${NET[@]}" ss -Htln "sport = :$PORT")" ]
}

# replace OPTION... -- COMMAND...: replaces SERVER; the new PID becomes SERVER.
replace() {
    local options=() out
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    # Into files: the new server inherits them, and outlives the command. New ones each time: a server of the
    # round before still writes where it was in the old ones.
    rm -f out replace.log
    "${NET[@]}" "${AS[@]}" timeout 100 "$COMMAND" replace "${options[@]}" "$SERVER" "$@" >out 2>replace.log 3>&- </dev/null || {
        cat out replace.log
        return 1
    }
    out=$(grep 'has replaced' out)
    echo "$out"
    [[ $out =~ ^pid\ ([0-9]+)\ \(.*\)\ has\ replaced\ pid\ $SERVER\ on ]]
    SERVER=${BASH_REMATCH[1]}
}

# freeze_server: stops the server, and waits until it has stopped: a signal may come later than what is sent next.
freeze_server() {
    kill -STOP "$SERVER"
    wait_until grep -q '^State:.T' "/proc/$SERVER/status"
}

# storm REQUEST [ANSWER]: 32 threads open connections until storm_over.
storm() {
    spawn storm "${FAR[@]:-env}" "$PROBES/storm" "$ADDRESS" "$PORT" "$@"
    STORM=$PID
}

# storm_over: none of them failed. Where some did, what replace said tells why.
storm_over() {
    kill -TERM "$STORM"
    wait "$STORM"
    cat "$(log storm)"
    grep -qE '^[1-9][0-9]* answered, 0 failed$' "$(log storm)" || {
        echo "replace said:"
        cat out replace.log
        return 1
    }
}

# use SERVER: sets COPY, the words that start a copy of it on $ADDRESS and $PORT; REQUEST and ANSWER, what it is
# asked, and what is in its answer at the end; OPTIONS of replace.
use() {
    local user
    user=$(id -un)
    REQUEST=$HTTP
    ANSWER=
    OPTIONS=()
    case $1 in
    example)
        REQUEST=
        COPY=("$BUILD/examples/server" "$PORT" "$ADDRESS")
        ;;
    static)
        REQUEST=
        COPY=("$PROBES/static-server" "$PORT" "$ADDRESS")
        ;;
    rclone) COPY=(rclone --config config serve http . --addr "$HOST:$PORT") ;;
    http.server) COPY=(/usr/bin/python3 -m http.server -b "$ADDRESS" "$PORT") ;;
    long-queue)
        cat >long-queue.py <<'END'
import http.server, sys
family, address = http.server._get_best_family(sys.argv[1], int(sys.argv[2]))
class Server(http.server.ThreadingHTTPServer):
    address_family = family
    request_queue_size = 128 # instead of 5
Server(address, http.server.SimpleHTTPRequestHandler).serve_forever()
END
        COPY=(/usr/bin/python3 long-queue.py "$ADDRESS" "$PORT")
        ;;
    nginx)
        [ "${#AS[@]}" = 0 ] || user=nobody
        cat >conf <<END
daemon off; pid pid; worker_processes 2; user $user;
events {}
http {
    access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
    server { listen $HOST:$PORT; return 200 here; }
}
END
        COPY=(nginx -p "$PWD" -e "$PWD/error" -c "$PWD/conf")
        OPTIONS=(-s QUIT)
        ;;
    redis-server)
        REQUEST='PING\r\n'
        ANSWER=PONG
        COPY=(redis-server --port "$PORT" --bind "$ADDRESS" --save '' --dir "$PWD")
        ;;
    node)
        node_server
        COPY=(node server.js "$PORT" "$ADDRESS")
        ;;
    memcached)
        REQUEST='version\r\n'
        ANSWER=VERSION
        COPY=(memcached -l "$ADDRESS" -p "$PORT" -u "$user")
        ;;
    lighttpd)
        printf 'server.document-root = "%s"\nserver.port = %s\nserver.bind = "%s"\n' "$PWD" "$PORT" "$HOST" >conf
        COPY=(lighttpd -D -f "$PWD/conf")
        ;;
    esac
    [ "$1" = example ] || need "${COPY[0]}"
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

# server_that_waits: waits.py, that answers a connection, and has it until the client closes it.
server_that_waits() {
    cat >waits.py <<'END'
import os, socket, sys, threading
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
def serve(client):
    client.send(b"pid %d\n" % os.getpid())
    try:
        client.recv(1)
    except ConnectionResetError:
        pass
    client.close()
while True:
    threading.Thread(target=serve, args=[server.accept()[0]]).start()
END
}

# kept_by_parent [no-reap]: starts a parent that opens the listener and does not accept, and its child, the server, which
# is another program: else it would be a worker. The parent closes the listener at USR1, and unless told otherwise waits
# for its child. Sets KEEPER and SERVER.
kept_by_parent() {
    cp "$(readlink -f /usr/bin/python3)" keeper
    cat >keeper.py <<'END'
import os, signal, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
child = os.fork()
if not child:
    listener.set_inheritable(True)
    os.execv("/usr/bin/python3", ["python3", "-c", """
import os, socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
while True:
    client = listener.accept()[0]
    client.send(b"pid %d\\n" % os.getpid())
    client.close()
""", str(listener.fileno())])
signal.signal(signal.SIGUSR1, lambda *_: listener.close())
print(child, flush=True)
if len(sys.argv) == 2: os.waitpid(child, 0)
while True: signal.pause()
END
    rm -f "$(log keeper)"
    spawn keeper "${NET[@]}" ./keeper keeper.py "$PORT" "$@"
    KEEPER=$PID
    wait_until grep -q . "$(log keeper)"
    SERVER=$(<"$(log keeper)")
    wait_until executed
}

# executed: the server's process runs what it is to run.
executed() {
    grep -qz -- -c "/proc/$SERVER/cmdline"
}
