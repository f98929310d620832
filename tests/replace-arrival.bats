#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# reuseport replace: when the new server is up, and what the old one is waited for.

load replacement

# scanned [WRAPPER...]: in a namespace of its own, replaces a server, under that wrapper, on which three
# handshakes have been begun that nobody finishes. Sets TOOK, in milliseconds.
scanned() {
    need_root
    need_sys_admin
    need ip
    LINK=reuseport$$
    ip netns add "$LINK-a"
    NET=(ip netns exec "$LINK-a")
    "${NET[@]}" ip link set lo up
    "${NET[@]}" ip route add 192.0.2.77 dev lo # nobody's: what is sent there vanishes
    cat >scan.py <<'END'
import socket, struct, sys, time
here, there = socket.inet_aton("192.0.2.77"), socket.inet_aton("127.0.0.1")
scanner = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for source in range(1001, 1001 + int(sys.argv[2])):
    if source > 1003: time.sleep(0.02)
    def segment(checksum):
        return struct.pack("!HHIIBBHHH", source, int(sys.argv[1]), 1, 0, 0x50, 2, 1024, checksum, 0)
    words = struct.unpack("!16H", here + there + struct.pack("!HH", 6, 20) + segment(0))
    total = sum(words)
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, here, there)
    scanner.sendto(head + segment(~total & 0xffff), ("127.0.0.1", 0))
END
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn scan "${NET[@]}" /usr/bin/python3 scan.py "$PORT" "${SYNS:-3}"
    begun() { [ "$("${NET[@]}" ss -Htn state syn-recv "sport = :$PORT" | wc -l)" -ge 3 ]; }
    wait_until begun
    local begin=$EPOCHREALTIME
    AS=("$@")
    replace --strict --drain 6 -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    TOOK=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))
    echo "$TOOK ms"
}

@test "handshakes of a scanner, never finished, hold --strict up until their SYN-ACK is repeated, and no longer" {
    scanned
    [ "$TOOK" -lt 4000 ]
}

@test "handshakes of a scanner do not hold --strict up without netlink either" {
    scanned "$PROBES/without" netlink
    [ "$TOOK" -lt 4000 ]
}

@test "handshakes of a scanner that goes on all the time hold --strict up no longer either" {
    SYNS=1000 scanned
    [ "$TOOK" -lt 4000 ]
}

# udp_flows: flows.py OPTION PORT, a server that answers each datagram of a client from a socket connected to
# that client, which shares the port by that option.
udp_flows() {
    cat >flows.py <<'END'
"""usage: flows.py SO_REUSEPORT|SO_REUSEADDR PORT"""
import os, select, socket, sys
where = ("127.0.0.1", int(sys.argv[2]))
def open_socket():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, getattr(socket, sys.argv[1]), 1)
    udp.bind(where)
    return udp
server = open_socket()
flows = []
while True:
    for udp in select.select([server, *flows], [], [])[0]:
        data, client = udp.recvfrom(64)
        if data == b"end":
            flows.remove(udp)
            udp.close()
            continue
        if udp is server:
            udp = open_socket()
            udp.connect(client)
            flows.append(udp)
        udp.send(b"%d" % os.getpid())
END
    cat >clients.py <<'END'
"""Asks on 20 flows every 50 ms, for so many seconds, then ends them; prints how many went on with their server."""
import socket, sys, time
flows = []
for _ in range(20):
    flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.settimeout(3)
    flow.connect(("127.0.0.1", int(sys.argv[1])))
    flow.send(b"hello")
    flows.append((flow, flow.recv(64)))
print("started", flush=True)
end = time.monotonic() + float(sys.argv[2])
cut = set()
while time.monotonic() < end:
    for flow, who in flows:
        try:
            flow.send(b"again")
            if flow.recv(64) != who: cut.add(flow)
        except OSError:
            cut.add(flow)
    time.sleep(0.05)
for flow, _ in flows:
    try:
        flow.send(b"end")
    except OSError:
        cut.add(flow)
print(len(cut), "of", len(flows), "cut", flush=True)
END
}

@test "UDP flows on connected sockets are waited for as connections are: none of 20 is cut" {
    local option clients
    udp_flows
    for option in SO_REUSEADDR SO_REUSEPORT; do
        spawn server /usr/bin/python3 flows.py $option "$PORT"
        SERVER=$PID
        wait_until bound_udp_are "$PORT" 1
        spawn clients /usr/bin/python3 clients.py "$PORT" 2
        clients=$PID
        wait_until grep -q started "$(log clients)"
        replace --drain 10 -- /usr/bin/python3 flows.py $option "$PORT"
        wait "$clients"
        cat "$(log clients)" out
        grep -qx '0 of 20 cut' "$(log clients)"
        run ! grep 'left to the old server' out
        kill -TERM "$SERVER"
        wait_until_ended "$SERVER"
    done
}

@test "UDP flows that do not end are left to the old server after --drain seconds, and counted" {
    local clients
    udp_flows
    spawn server /usr/bin/python3 flows.py SO_REUSEADDR "$PORT"
    SERVER=$PID
    wait_until bound_udp_are "$PORT" 1
    spawn clients /usr/bin/python3 clients.py "$PORT" 10
    clients=$PID
    wait_until grep -q started "$(log clients)"
    replace --drain 1 -- /usr/bin/python3 flows.py SO_REUSEADDR "$PORT"
    grep -q '; connections left to the old server when it was signalled: 20$' out
    kill -TERM "$clients"
}

# several: several.py PORT COUNT [DELAY], a server of so many listeners on the port, one after the other.
several() {
    cat >several.py <<'END'
import os, select, socket, sys, time
listeners = []
for number in range(int(sys.argv[2])):
    if number and len(sys.argv) > 3: time.sleep(float(sys.argv[3]))
    listeners.append(socket.create_server(("127.0.0.1", int(sys.argv[1])), reuse_port=True))
while True:
    for listener in select.select(listeners, [], [])[0]:
        client = listener.accept()[0]
        client.send(b"pid %d\n" % os.getpid())
        client.close()
END
}

@test "a server of two listeners is up once the new one has two, too, however long the second takes" {
    local round
    several
    start /usr/bin/python3 several.py "$PORT" 2
    for round in 1 2; do
        replace --strict -- /usr/bin/python3 several.py "$PORT" 2
        replace --strict -- /usr/bin/python3 several.py "$PORT" 2 0.4
    done
    listeners_are "$PORT" 2
}

@test "a server of four listeners, one each 0.7 s, is waited for; a second after the last it is up with fewer" {
    several
    start /usr/bin/python3 several.py "$PORT" 4
    replace --strict -- /usr/bin/python3 several.py "$PORT" 4 0.7
    run "$COMMAND" replace --strict "$SERVER" /usr/bin/python3 several.py "$PORT" 3 </dev/null
    echo "$output"
    [[ $status = 125 && $output == *"the old server has more sockets than the new one"* ]]
    replace -- /usr/bin/python3 several.py "$PORT" 3
    listeners_are "$PORT" 3
}
