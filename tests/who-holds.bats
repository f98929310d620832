#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# reuseport list: who holds a port, whether they share it, and what makes them share less than it seems.

load helpers

setup() {
    lease_port PORT
    COMMAND=$BUILD/reuseport
}

# row COLUMN...: the rows that list shows of $PORT, those columns of each (as awk numbers them).
rows() {
    "$COMMAND" list "$PORT" | awk -v columns="$*" -v port="$PORT" '
        BEGIN { n = split(columns, column) }
        $3 == port { for (i = 1; i <= n; i++) printf "%s%s", $column[i], i < n ? " " : "\n" }'
}

@test "nothing holds the port: no output, status 1" {
    run "$COMMAND" list "$PORT"
    [[ $status = 1 && -z $output ]]
    run "$COMMAND" list --json "$PORT"
    [[ $status = 1 && $output = "[]" ]]
}

@test "a table of protocol, address, port, user, PID, command, sharing, queue and limit" {
    spawn tcp shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    local tcp=$PID
    spawn udp "$PROBES/probe" socket udp6 bind ::1 "$PORT" pause
    wait_until listens "$PORT"
    wait_until bound_udp_are "$PORT" 1
    run "$COMMAND" list "$PORT"
    echo "$output"
    [ "$status" = 0 ]
    [[ ${lines[0]} =~ ^PROTO\ +ADDRESS\ +PORT\ +USER\ +PID\ +COMMAND\ +SHARES\ +QUEUE\ +LIMIT$ ]]
    [ "$(rows 1 2 4 5 6 7 8 9)" = "tcp 127.0.0.1 $(id -un) $tcp server yes 0 $(cat /proc/sys/net/core/somaxconn)
udp ::1 $(id -un) $PID probe no - -" ]
    run "$COMMAND" list "$PORT/udp"
    [ "${#lines[@]}" = 3 ] # with one hint
    # Nothing twice where the ports overlap.
    run "$COMMAND" list "$PORT" "$PORT/tcp" "$PORT"
    [[ ${#lines[@]} = 4 && $output != *unknown* ]]
}

@test "--json has one object for each socket, with stable keys" {
    spawn tcp shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    run "$COMMAND" list --json "$PORT"
    echo "$output"
    python3 - "$output" "$PORT" "$PID" <<'END'
import json, os, sys
(socket,) = json.loads(sys.argv[1])
assert list(socket) == ["proto", "address", "interface", "port", "uid", "user", "pid", "pids", "command", "queue", "limit", "inode", "state", "mptcp", "shares"]
pid = int(sys.argv[3])
inode = next(int(l[8:-1]) for l in (os.readlink(f"/proc/{pid}/fd/{f}") for f in os.listdir(f"/proc/{pid}/fd")) if l.startswith("socket:"))
assert (socket["proto"], socket["address"], socket["port"]) == ("tcp", "127.0.0.1", int(sys.argv[2]))
assert (socket["interface"], socket["mptcp"]) == (None, False)
assert (socket["uid"], socket["pid"], socket["pids"], socket["command"]) == (os.getuid(), pid, [pid], "server")
assert (socket["queue"], socket["inode"], socket["state"], socket["shares"]) == (0, inode, "listening", True)
END
}

@test "the order is the kernel's: exact addresses, then 0.0.0.0, then ::" {
    export REUSEPORT_PORTS=$PORT
    spawn dual shared "$PROBES/probe" socket tcp6 bind :: "$PORT" listen pause
    spawn any shared "$PROBES/probe" socket tcp4 bind 0.0.0.0 "$PORT" listen pause
    spawn exact shared "$PROBES/probe" socket tcp4 bind 127.0.0.3 "$PORT" listen pause
    wait_until listeners_are "$PORT" 3
    [ "$(rows 2 | xargs)" = "127.0.0.3 0.0.0.0 ::" ]
    run "$COMMAND" list "$PORT"
    [[ $output == *"tcp $PORT: its sockets are on different addresses: they share the port, not the traffic"* ]]
}

@test "without a port it shows every group in which somebody shares, and only those" {
    local other
    lease_port other
    spawn shared shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn alone "$BUILD/examples/server" "$other" 127.0.0.1
    wait_until listens "$PORT"
    wait_until listens "$other"
    run "$COMMAND" list
    [[ $output == *" $PORT "* && $output != *" $other "* ]]
}

@test "it names a member without the option, and what changes that" {
    spawn alone "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    run "$COMMAND" list "$PORT"
    [[ $output == *"tcp $PORT: pid $PID (server) does not share it, so nobody can join: \"reuseport adopt $PORT/tcp\" changes that"* ]]
    spawn shared shared "$BUILD/examples/server" "$PORT" 127.0.0.2
    wait_until listeners_are "$PORT" 2
    [ "$(rows 2 7 | sort | xargs)" = "127.0.0.1 no 127.0.0.2 yes" ]
}

@test "it tells of different users" {
    need_root
    spawn one shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn two shared "$BUILD/examples/server" "$PORT" 127.0.0.2 65534
    wait_until listeners_are "$PORT" 2
    [ "$(rows 4 | sort | xargs)" = "nobody root" ]
    run "$COMMAND" list "$PORT"
    [[ $output == *"tcp $PORT: its sockets are of different users"* ]]
}

@test "it tells of a stopped process and of a full accept queue, with its length" {
    spawn server shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen pause
    wait_until listens "$PORT"
    # Nobody accepts, and the backlog is 16: the seventeenth fills it.
    spawn clients python3 -c '
import socket, sys, time
kept = []
for _ in range(20):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", int(sys.argv[1])))
    kept.append(client)
print("connected", flush=True)
time.sleep(600)' "$PORT"
    wait_until grep -q connected "$(log clients)"
    queue_is_full() { [ "$(rows 8 9)" = "17 16" ]; }
    wait_until queue_is_full
    run "$COMMAND" list "$PORT"
    [[ $output == *"the accept queue of pid ${PIDS[0]} (probe) is full, 17 of 16"* && $output != *"is stopped"* ]]
    kill -STOP "${PIDS[0]}"
    stopped() { "$COMMAND" list "$PORT" | grep -F "tcp $PORT: pid ${PIDS[0]} (probe) is stopped, and still gets its share: \"kill -CONT ${PIDS[0]}\", or end it"; }
    wait_until stopped
    kill -CONT "${PIDS[0]}"
}

# clients COUNT: so many connections are open and wait in the queue.
clients() {
    spawn clients python3 -c '
import socket, sys, time
kept = []
for _ in range(int(sys.argv[2])):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", int(sys.argv[1])))
    kept.append(client)
time.sleep(600)' "$PORT" "$1"
    queue_is() { [ "$(rows 8)" = "$1" ]; }
    wait_until queue_is "$1"
}

@test "an accept queue that holds as many as its limit has room for one more, and no hint" {
    spawn server shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen pause
    wait_until listens "$PORT"
    clients 16
    [ "$(rows 8 9)" = "16 16" ]
    run "$COMMAND" list "$PORT"
    [[ $output != *"is full"* ]]
}

@test "a socket of two processes is stopped once both are" {
    spawn parent shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen fork pause
    wait_until listens "$PORT"
    local parent=$PID child
    both_have_it() { [[ $(rows 5) == *+1 ]]; }
    wait_until both_have_it
    child=$(pgrep -P "$parent")
    is_stopped() { grep -q '^State:.T' "/proc/$1/status"; }
    kill -STOP "$parent"
    wait_until is_stopped "$parent"
    run "$COMMAND" list "$PORT"
    [[ $output == *" $parent+1 "* && $output != *"is stopped"* ]]
    kill -STOP "$child"
    wait_until is_stopped "$child"
    run "$COMMAND" list "$PORT"
    [[ $output == *"pid $parent (probe) is stopped"* ]]
    kill -CONT "$parent"
    run "$COMMAND" list "$PORT"
    [[ $output != *"is stopped"* ]]
    kill -CONT "$child"
}

@test "IPv4 and IPv6 sockets on one address share the port, not the traffic" {
    spawn four shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen pause
    spawn six shared "$PROBES/probe" socket tcp6 bind ::ffff:127.0.0.1 "$PORT" listen pause
    wait_until listeners_are "$PORT" 2
    [ "$(rows 2 | xargs)" = "127.0.0.1 ::ffff:127.0.0.1" ]
    run "$COMMAND" list "$PORT"
    echo "$output"
    [[ $output == *"tcp $PORT: its sockets are on different addresses: they share the port, not the traffic"* ]]
}

# hinted WORDS: list says so of $PORT.
hinted() {
    run "$COMMAND" list "$PORT"
    echo "$output"
    [[ $output == *"$1"* ]]
}

@test "0.0.0.0 beside [::] with V6ONLY is no mixture of addresses, in one process or in copies" {
    local copy
    for copy in 1 2; do
        spawn "$copy" shared "$PROBES/probe" socket tcp4 bind 0.0.0.0 "$PORT" listen \
            socket tcp6 v6only 1 bind :: "$PORT" listen \
            socket udp4 bind 0.0.0.0 "$PORT" socket udp6 v6only 1 bind :: "$PORT" pause
        wait_until listeners_are "$PORT" $((2 * copy))
        wait_until bound_udp_are "$PORT" $((2 * copy))
        run ! hinted "on different addresses"
    done
    # /proc/net does not show V6ONLY: it is read with SO_REUSEPORT.
    run "$PROBES/without" netlink "$COMMAND" list "$PORT"
    echo "$output"
    [[ $status = 0 && $output != *"on different addresses"* ]]
}

@test "127.0.0.1 beside ::1 is no mixture of addresses, in one process or in copies" {
    local copy
    for copy in 1 2; do
        spawn "$copy" shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen \
            socket tcp6 bind ::1 "$PORT" listen pause
        wait_until listeners_are "$PORT" $((2 * copy))
        run ! hinted "on different addresses"
    done
}

@test "an exact IPv4 address beside [::] with V6ONLY is no mixture, beside a dual-stack [::] it is one" {
    spawn exact shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen pause
    spawn only shared "$PROBES/probe" socket tcp6 v6only 1 bind :: "$PORT" listen pause
    wait_until listeners_are "$PORT" 2
    run ! hinted "on different addresses"
    stop_all
    spawn exact shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen pause
    spawn dual shared "$PROBES/probe" socket tcp6 v6only 0 bind :: "$PORT" listen pause
    wait_until listeners_are "$PORT" 2
    hinted "tcp $PORT: its sockets are on different addresses"
}

@test "a dual-stack [::] beside 0.0.0.0 or ::1, and two addresses of one family, are told of" {
    local other
    for other in "tcp4 bind 0.0.0.0" "tcp6 bind ::1"; do
        spawn dual shared "$PROBES/probe" socket tcp6 v6only 0 bind :: "$PORT" listen pause
        # shellcheck disable=SC2086 # words
        spawn other shared "$PROBES/probe" socket $other "$PORT" listen pause
        wait_until listeners_are "$PORT" 2
        hinted "tcp $PORT: its sockets are on different addresses"
        stop_all
    done
    # Not neighbours in the table: between them stands one of the other family.
    for other in "tcp4 bind 127.0.0.1" "tcp6 bind ::1" "tcp4 bind 0.0.0.0"; do
        # shellcheck disable=SC2086 # words
        spawn other shared "$PROBES/probe" socket $other "$PORT" listen pause
    done
    wait_until listeners_are "$PORT" 3
    hinted "tcp $PORT: its sockets are on different addresses"
}

@test "copies that each have several addresses, as those of stunnel and of nginx, are no mixture; one that lacks an address is" {
    local copy
    for copy in 1 2; do
        spawn "$copy" shared "$PROBES/probe" socket tcp6 v6only 0 bind :: "$PORT" listen \
            socket tcp4 bind 0.0.0.0 "$PORT" listen socket tcp4 bind 127.0.0.1 "$PORT" listen pause
        wait_until listeners_are "$PORT" $((3 * copy))
        run ! hinted "on different addresses"
    done
    spawn lacking shared "$PROBES/probe" socket tcp4 bind 0.0.0.0 "$PORT" listen pause
    wait_until listeners_are "$PORT" 7
    hinted "tcp $PORT: its sockets are on different addresses"
}

# Each of thousands of addresses was compared with each socket, for each socket: a minute.
@test "thousands of addresses of two processes, as any user may have, do not keep list busy" {
    local copy
    need python3
    for copy in 1 2; do
        spawn "$copy" /usr/bin/python3 -c '
import resource, signal, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (3100, 3100))
held = []
for i in range(3000):
    held.append(socket.socket())
    held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held[-1].bind((f"127.{i >> 8}.{i & 255}.7", int(sys.argv[1])))
    held[-1].listen()
signal.pause()' "$PORT"
    done
    wait_until listeners_are "$PORT" 6000
    run timeout 20 "$COMMAND" list "$PORT"
    [ "$status" = 0 ]
    [[ $output != *"on different addresses"* ]]
}

@test "connected UDP sockets hold a port, too: IPv4, IPv6, in the table and in JSON" {
    spawn four "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT" connect 127.0.0.1 9 pause
    local four=$PID
    wait_until grep -q connect=ok "$(log four)"
    [ "$(rows 1 2 5 7 8 9)" = "udp 127.0.0.1 $four no - -" ]
    spawn six python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::1", int(sys.argv[1])))
s.connect(("::1", 9))
time.sleep(600)' "$PORT"
    both() { [ "$(rows 1 2 5 7 | xargs)" = "udp 127.0.0.1 $four no udp ::1 $PID no" ]; }
    wait_until both
    [ "$("$COMMAND" list --json "$PORT" | grep -c '"state": "connected"')" = 2 ]
    [ "$("$PROBES/without" netlink "$COMMAND" list "$PORT/udp" | grep -c '^udp .* probe\|^udp .* python3')" = 2 ]
}

@test "a TCP socket that is bound and does not listen holds a port, an accepted connection is not shown" {
    need_linux 6.8
    spawn bound "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" pause
    wait_until grep -q bind=ok "$(log bound)"
    [ "$(rows 1 2 5 7 8 9)" = "tcp 127.0.0.1 $PID no - -" ]
    [[ $("$COMMAND" list --json "$PORT") == *'"state": "bound"'* ]]
    stop_all
    spawn server "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    spawn client "$PROBES/probe" socket tcp4 connect 127.0.0.1 "$PORT" pause
    wait_until grep -q connect=ok "$(log client)"
    [ "$(rows 1 5 | xargs)" = "tcp ${PIDS[-2]}" ]
}

@test "of sockets that receive nothing new, no hint says that they get a share or are on another address" {
    spawn any shared "$PROBES/probe" socket udp4 bind 0.0.0.0 "$PORT" pause
    spawn connected shared "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT" connect 127.0.0.1 9 pause
    wait_until grep -q connect=ok "$(log connected)"
    wait_until bound_udp_are "$PORT" 2
    kill -STOP "$PID"
    wait_until grep -q '^State:.T' "/proc/$PID/status"
    run "$COMMAND" list "$PORT"
    kill -CONT "$PID"
    echo "$output"
    [ "${#lines[@]}" = 3 ]
}

@test "without a port, connected clients and merely bound sockets on ports of their own are left out" {
    spawn shared shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn client "$PROBES/probe" socket udp4 connect 127.0.0.1 9 port pause
    wait_until listens "$PORT"
    wait_until grep -q port= "$(log client)"
    local free
    free=$(sed -n 's/^port=//p' "$(log client)")
    run "$COMMAND" list
    echo "$output"
    [[ $output == *" $PORT "* && $output != *" $free "* && $output != *unknown* ]]
    [[ $("$COMMAND" list "$free") == *" $PID "* ]]
}

@test "sockets bound to an interface show it, in the table and in JSON; others leave the column out" {
    need_root
    need_unshare -n
    spawn lo shared "$PROBES/probe" socket tcp4 device lo bind 127.0.0.1 "$PORT" listen pause
    wait_until listens "$PORT"
    run "$COMMAND" list "$PORT"
    echo "$output"
    [[ ${lines[0]} =~ ^PROTO\ +ADDRESS\ +INTERFACE\ +PORT\ +USER ]]
    [[ ${lines[1]} =~ ^tcp\ +127.0.0.1\ +lo\ +$PORT\  && ${#lines[@]} = 2 ]]
    [[ $("$COMMAND" list --json "$PORT") == *'"interface": "lo"'* ]]
    [[ $("$PROBES/without" netlink "$COMMAND" list "$PORT") == *" lo "* ]]
    # UDP and IPv6, where the interface has a name of its own; its number once it is gone.
    run unshare -n sh -c '
        ip link set lo up && ip link add test0 type veth && ip link set test0 up || exit 77
        "$1" socket udp6 device test0 bind :: "$3" pause >&2 3>&- &
        until "$2" list "$3"; do sleep 0.05; done
        ip link del test0
        "$2" list --json "$3"
        kill $!' sh "$PROBES/probe" "$COMMAND" "$PORT"
    echo "$output"
    [ "$status" != 77 ] || missing "veth interfaces"
    [[ $output =~ udp\ +::\ +test0\ +$PORT ]]
    [[ $output =~ '"interface": "'[0-9]+'"' ]]
}

# members KIND ADDRESS DEVICE...: sockets of one process, which join in that order; - for no device.
members() {
    local kind=$1 address=$2 device steps=()
    shift 2
    for device; do
        steps+=(socket "$kind")
        [ "$device" = - ] || steps+=(device "$device")
        steps+=(bind "$address" "$PORT")
        [[ $kind = udp* ]] || steps+=(listen)
    done
    spawn members shared "$PROBES/probe" "${steps[@]}" mark port pause
    wait_until grep -q port= "$(log members)"
}

@test "members of one address that are bound to an interface and others that are not are told of" {
    need_root
    local kind address
    for kind in tcp4 tcp6 udp4; do
        address=127.0.0.1
        [ "$kind" != tcp6 ] || address=::1
        members "$kind" "$address" - lo
        hinted "${kind%?} $PORT: of its sockets on one address some are bound to an interface, some are not"
        stop_all
        members "$kind" "$address" lo lo
        run ! hinted "bound to an interface"
        stop_all
    done
}

@test "of members bound to an interface and not, the last to join gets all, with IPv6 the first, as the hint says" {
    need_root
    run python3 - "$PORT" <<'END'
import socket, sys
for family, address, expected in (socket.AF_INET, "127.0.0.1", 1), (socket.AF_INET6, "::1", 0):
    for devices in (b"lo", b""), (b"", b"lo"):
        members, clients = [], []
        for device in devices:
            member = socket.socket(family)
            member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if device:
                member.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
            member.bind((address, int(sys.argv[1])))
            member.listen(64)
            member.setblocking(False)
            members.append(member)
        for _ in range(40):
            clients.append(socket.create_connection((address, int(sys.argv[1])), 5))
        for _ in range(40):
            members[expected].accept()[0].close()
        for socket_ in members + clients:
            socket_.close()
print("as expected")
END
    echo "$output"
    [ "$output" = "as expected" ]
}

@test "members that are bound to different interfaces get different traffic: no hint" {
    need_root
    need_unshare -n
    run unshare -n sh -c '
        ip link set lo up && ip link add test0 type veth && ip link set test0 up || exit 77
        "$1" socket tcp4 reuseport 1 device lo bind 0.0.0.0 "$3" listen \
            socket tcp4 reuseport 1 device test0 bind 0.0.0.0 "$3" listen pause >&2 3>&- &
        until [ "$("$2" list "$3" | grep -c " yes ")" = 2 ]; do sleep 0.05; done
        "$2" list "$3"
        kill $!' sh "$PROBES/probe" "$COMMAND" "$PORT"
    [ "$status" != 77 ] || missing "veth interfaces"
    echo "$output"
    [[ $output == *" lo "*" test0 "* && $output != *"tcp $PORT:"* ]]
}

@test "MPTCP sockets are marked, whether they listen or are merely bound" {
    [ "$(cat /proc/sys/net/mptcp/enabled 2>/dev/null)" = 1 ] || missing "MPTCP"
    spawn listener shared "$PROBES/probe" socket mptcp4 bind 127.0.0.1 "$PORT" listen pause
    wait_until listens "$PORT"
    spawn plain shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen pause
    wait_until listeners_are "$PORT" 2
    [ "$(rows 1 2 5 7 | sort | xargs)" = "mptcp 127.0.0.1 ${PIDS[0]} yes tcp 127.0.0.1 $PID yes" ]
    [ "$("$COMMAND" list --json "$PORT" | grep -c '"proto": "tcp"')" = 2 ]
    [ "$("$COMMAND" list --json "$PORT" | grep -c '"mptcp": true')" = 1 ]
    [ "$("$PROBES/without" netlink "$COMMAND" list "$PORT" | grep -c '^mptcp')" = 1 ]
    [ "$("$PROBES/without" pidfd_getfd "$COMMAND" list --json "$PORT" | grep -c '"mptcp": null')" = 2 ]
    stop_all
    need_linux 6.8
    spawn bound shared "$PROBES/probe" socket mptcp4 bind 127.0.0.1 "$PORT" pause
    wait_until grep -q bind=ok "$(log bound)"
    [ "$(rows 1 5 9)" = "mptcp $PID -" ]
}

@test "what it may not see is unknown, and it says why once" {
    need_root
    spawn one shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn two shared "$BUILD/examples/server" "$PORT" 127.0.0.2
    wait_until listeners_are "$PORT" 2
    run setpriv --reuid 65534 --clear-groups "$COMMAND" list "$PORT"
    echo "$output"
    [ "$status" = 0 ]
    [ "$(grep -c "root .*unknown" <<<"$output")" = 2 ]
    [ "$(grep -c '^unknown: this process may not look into it: .*; try as root$' <<<"$output")" = 1 ]
}

@test "two TCP listeners of one address, port and interface share, if it may not look into them, too" {
    need_root
    local copy hidden=(setpriv --reuid 65534 --clear-groups "$COMMAND")
    for copy in 1 2; do
        spawn "same$copy" shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen pause
        spawn "six$copy" shared "$PROBES/probe" socket tcp6 bind ::1 "$PORT" listen pause
    done
    # One alone, a pair of which one does not listen, a pair on two interfaces, and UDP might not.
    spawn alone shared "$PROBES/probe" socket tcp4 bind 127.0.0.2 "$PORT" listen pause
    spawn bound shared "$PROBES/probe" socket tcp4 bind 127.0.0.2 "$PORT" pause
    spawn device shared "$PROBES/probe" socket tcp4 bind 127.0.0.4 "$PORT" listen \
        socket tcp4 device lo bind 127.0.0.4 "$PORT" listen pause
    members udp4 127.0.0.3 - -
    wait_until listeners_are "$PORT" 7
    wait_until bound_udp_are "$PORT" 2
    run "${hidden[@]}" list "$PORT"
    echo "$output"
    [ "$(awk '$1 == "tcp" && / yes / { print $2 }' <<<"$output" | sort | uniq -c | xargs)" = "2 127.0.0.1 2 ::1" ]
    [ "$(grep -c '^udp.* unknown ' <<<"$output")" = 2 ]
    # Without a port, such a group is one in which somebody shares.
    run "${hidden[@]}" list
    [[ $output == *" $PORT "* ]]
    # Where nothing can be looked into at all.
    [ "$("$PROBES/without" pidfd_getfd "$COMMAND" list --json "$PORT" | grep -c '"shares": true')" = 4 ]
}

@test "where there is no netlink it reads /proc/net, and where there is no pidfd_getfd it says unknown" {
    spawn one shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn udp shared "$PROBES/probe" socket udp6 bind ::1 "$PORT" pause
    wait_until listens "$PORT"
    wait_until bound_udp_are "$PORT" 1
    local netlink proc
    netlink=$("$COMMAND" list "$PORT" | awk '{ $9 = ""; print }')
    proc=$("$PROBES/without" netlink "$COMMAND" list "$PORT" | awk '{ $9 = ""; print }')
    echo "$proc"
    [ "$netlink" = "$proc" ]
    run "$PROBES/without" pidfd_getfd "$COMMAND" list "$PORT"
    [[ $output == *unknown*"unknown: cannot hand over descriptors here: requires Linux 5.6, and a seccomp profile that allows pidfd_getfd"* ]]
}

@test "processes that inherited a socket are counted" {
    spawn parent shared sh -c '"$0" socket tcp4 bind 127.0.0.1 "$1" listen fork pause' "$PROBES/probe" "$PORT"
    wait_until listens "$PORT"
    two() { [[ $(rows 5) == *+1 ]]; }
    wait_until two
}

# Room for so many is full at each power of two: one more than there are is somebody else's memory.
@test "of one socket it reads no second, nor do --watch, adopt and check, and they free what they have" {
    need valgrind
    local words
    spawn one shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    for words in "list" "list $PORT" "list --json $PORT" "list --watch $PORT" "adopt --undo $PORT" "check $PID"; do
        # shellcheck disable=SC2086 # words
        valgrind -q --leak-check=full --log-file="$BATS_TEST_TMPDIR/memory" "$COMMAND" $words | head -n 2
        run ! grep '^==' "$BATS_TEST_TMPDIR/memory" # it may also say that it does not know pidfd_open(2)
    done
}

@test "it asks the kernel for one port alone, and binds nothing" {
    need strace
    spawn one shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    strace -o "$BATS_TEST_TMPDIR/trace" -e trace=sendto,recvfrom,bind "$COMMAND" list "$PORT/tcp" >/dev/null
    cat "$BATS_TEST_TMPDIR/trace"
    run ! grep '^bind' "$BATS_TEST_TMPDIR/trace"
    grep -q "sendto.*idiag_sport=htons($PORT)" "$BATS_TEST_TMPDIR/trace"
}

@test "bad words are refused in one line" {
    local word
    for word in 80a 0 70000 80/sctp 80-90 '!80' all 127.0.0.1:80 80,90; do
        run --separate-stderr "$COMMAND" list "$word"
        [[ $status = 125 && ${#stderr_lines[@]} = 1 && $stderr == "reuseport: list: \"$word\": "* ]]
    done
}
