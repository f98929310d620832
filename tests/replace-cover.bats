#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# reuseport replace: the new server receives whatever the old one did, or the old one goes on.

load replacement

setup() {
    setup_replacement
    cat >on.py <<'END'
"""A server on those addresses, "only" before one of IPv6 for IPV6_V6ONLY, %INTERFACE behind one to bind to it.

usage: on.py tcp|udp PORT ADDRESS..."""
import os, select, socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
servers = []
for address in sys.argv[3:]:
    address, _, interface = address.partition("%")
    only, address = address.startswith("only"), address.removeprefix("only")
    server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    if ":" in address: server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    if interface: server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    server.bind((address, int(sys.argv[2])))
    if kind == socket.SOCK_STREAM: server.listen()
    servers.append(server)
while True:
    for server in select.select(servers, [], [])[0]:
        if kind == socket.SOCK_STREAM:
            client = server.accept()[0]
            client.send(b"pid %d\n" % os.getpid())
            client.close()
        else:
            server.sendto(b"pid %d\n" % os.getpid(), server.recvfrom(64)[1])
END
}

# old PROTOCOL ADDRESS...: a server on those.
old() {
    PROTOCOL=$1
    spawn server /usr/bin/python3 on.py "$1" "$PORT" "${@:2}"
    SERVER=$PID
    is_bound() { [ -n "$(ss -Hl"${PROTOCOL:0:1}"n "sport = :$PORT")" ]; }
    wait_until is_bound
}

# answers ADDRESS: who answers there.
answers() {
    python3 - "$PROTOCOL" "$1" "$PORT" <<'END'
import socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
with socket.socket(socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET, kind) as client:
    client.settimeout(5)
    if kind == socket.SOCK_STREAM:
        client.connect((sys.argv[2], int(sys.argv[3])))
    else: # not connected, as the answer may come from another address
        client.sendto(b"who", (sys.argv[2], int(sys.argv[3])))
    print(client.recv(64).decode().split()[1])
END
}

# uncovered ADDRESSES NEW...: a server on the addresses NEW does not replace SERVER, as it does not cover ADDRESSES.
uncovered() {
    run timeout 60 "$COMMAND" replace "$SERVER" /usr/bin/python3 on.py "$PROTOCOL" "$PORT" "${@:2}" </dev/null
    echo "$output"
    [ "$status" = 125 ]
    [[ $output == *"does not receive all traffic to $1 (see --allow-uncovered); pid $SERVER serves as before" ]]
    ! ended "$SERVER"
}

# stop: that server, and until its port is free.
stop() {
    kill -TERM "$SERVER"
    wait_until_ended "$SERVER"
    lease_port PORT
}

@test "an old address that the new server does not cover ends the replacement, and is named" {
    old tcp 0.0.0.0
    uncovered "0.0.0.0:$PORT/tcp" 127.0.0.1
    [ "$(answers 127.0.0.2)" = "$SERVER" ]
    uncovered "0.0.0.0:$PORT/tcp" only::
    stop
    old udp 0.0.0.0
    uncovered "0.0.0.0:$PORT/udp" 127.0.0.1
    [ "$(answers 127.0.0.2)" = "$SERVER" ]
    stop
    old tcp 127.0.0.1 127.0.0.2 127.0.0.3
    uncovered "127.0.0.2:$PORT/tcp, 127.0.0.3:$PORT/tcp" 127.0.0.1
}

@test "a dual-stack socket is covered by none of one family, as its clients of the other would be lost" {
    old tcp ::
    uncovered "[::]:$PORT/tcp" 0.0.0.0
    uncovered "[::]:$PORT/tcp" only::
    [ "$(answers 127.0.0.1) $(answers ::1)" = "$SERVER $SERVER" ]
    replace -- /usr/bin/python3 on.py tcp "$PORT" 0.0.0.0 only::
    [ "$(answers 127.0.0.1) $(answers ::1)" = "$SERVER $SERVER" ]
    replace -- /usr/bin/python3 on.py tcp "$PORT" ::
    [ "$(answers 127.0.0.1) $(answers ::1)" = "$SERVER $SERVER" ]
}

@test "an exact address is covered by the wildcard of its family, and by a dual-stack one" {
    old tcp 127.0.0.1
    replace -- /usr/bin/python3 on.py tcp "$PORT" 0.0.0.0
    [ "$(answers 127.0.0.1)" = "$SERVER" ]
    replace -- /usr/bin/python3 on.py tcp "$PORT" ::
    [ "$(answers 127.0.0.1) $(answers ::1)" = "$SERVER $SERVER" ]
}

@test "a socket bound to an interface is covered by one that is bound to it or to none, and covers no other" {
    need_root
    old tcp 0.0.0.0%lo
    replace -- /usr/bin/python3 on.py tcp "$PORT" 0.0.0.0
    [ "$(answers 127.0.0.1)" = "$SERVER" ]
    uncovered "0.0.0.0:$PORT/tcp" 0.0.0.0%lo
}

@test "--allow-uncovered accepts a new server on fewer addresses, with a line" {
    old tcp 0.0.0.0
    replace --allow-uncovered -- /usr/bin/python3 on.py tcp "$PORT" 127.0.0.1
    grep -q "0.0.0.0:$PORT/tcp: the new server has no socket on this address" replace.log
    [ "$(answers 127.0.0.1)" = "$SERVER" ]
}

@test "when time runs out, the message names the ports that are missing, and -p" {
    local other
    lease_port other
    cat >two.py <<'END'
import socket, sys, time
kept = [socket.create_server(("127.0.0.1", int(port))) for port in sys.argv[1:]]
time.sleep(600)
END
    spawn server /usr/bin/python3 two.py "$PORT" "$other"
    SERVER=$PID
    wait_until listens "$other"
    run timeout 60 "$COMMAND" replace --start-timeout 2 "$SERVER" /usr/bin/python3 two.py "$PORT" </dev/null
    echo "$output"
    [ "$status" = 125 ]
    [[ $output == *"python3 did not listen on 127.0.0.1:$other/tcp within 2 s (-p LIST names the ports to hand over); pid $SERVER serves as before" ]]
    run timeout 60 "$COMMAND" replace --start-timeout 2 -n 2 -I @ -p "$PORT" "$SERVER" sh -c \
        '[ @ = 0 ] || exec tail -f /dev/null; exec /usr/bin/python3 two.py "$1"' sh "$PORT" </dev/null
    echo "$output"
    [ "$status" = 125 ]
    [[ $output == *"sh did not listen with every copy on 127.0.0.1:$PORT/tcp within 2 s"*"; pid $SERVER serves as before" ]]
    replace -p "$PORT" -- /usr/bin/python3 two.py "$PORT"
}
