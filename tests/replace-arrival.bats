#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# reuseport replace: when the new server is up, and what the old one is waited for.

load replacement

# scanned [WRAPPER...]: in a namespace of its own, replaces a server, under that wrapper, on which three
# handshakes have been begun that nobody finishes. Sets TOOK, in seconds.
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
import socket, struct, sys
here, there = socket.inet_aton("192.0.2.77"), socket.inet_aton("127.0.0.1")
scanner = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for source in 1001, 1002, 1003:
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
    "${NET[@]}" /usr/bin/python3 scan.py "$PORT"
    begun() { [ "$("${NET[@]}" ss -Htn state syn-recv "sport = :$PORT" | wc -l)" = 3 ]; }
    wait_until begun
    local begin=$EPOCHREALTIME
    AS=("$@")
    replace --strict --drain 6 -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    TOOK=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000000))
    echo "$TOOK s"
    begun # not ended meanwhile: they were there all the time
}

@test "handshakes of a scanner, never finished, hold --strict up until their SYN-ACK is repeated, and no longer" {
    scanned
    [ "$TOOK" -le 3 ]
}

@test "handshakes of a scanner: without netlink, too" {
    scanned "$PROBES/without" netlink
    [ "$TOOK" -le 3 ]
}
