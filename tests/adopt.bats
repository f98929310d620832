#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# reuseport adopt: lets others join a server that runs already, without disturbing it.

load helpers

setup() {
    lease_port PORT
    COMMAND=$BUILD/reuseport
    cd "$BATS_TEST_TMPDIR" || exit
    chmod 755 . "$BATS_RUN_TMPDIR"
}

# fails LINE COMMAND...: status 125, and just this line.
fails() {
    run --separate-stderr "${@:2}"
    echo "status $status: $output / $stderr"
    [ "$status" = 125 ] && [ "$stderr" = "reuseport: $1" ]
}

# yama: the condition that it adds.
yama() {
    [ "$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)" = 0 ] || echo " and kernel.yama.ptrace_scope 0"
}

# joins PROTOCOL COMMAND...: the first copy runs without the library and under traffic; once adopted, a
# second joins it under the library, both answer, and no request failed. COPY in the command is replaced by
# 0 and 1; AS, if set, starts everything.
joins() {
    local protocol=$1 proto=${1#*/} out traffic
    shift
    spawn first "${AS[@]}" "${@//COPY/0}"
    wait_until holds "$proto" 1 || { cat "$(log first)"; return 1; }
    spawn traffic python3 "$BATS_TEST_DIRNAME/traffic.py" "$protocol" "$PORT"
    traffic=$PID
    wait_until grep -q started "$(log traffic)"
    out=$("${AS[@]}" "$COMMAND" adopt "$PORT")
    echo "$out"
    [[ $out == *"/$proto: pid "*"shares it now"* ]]
    spawn second "${AS[@]}" env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "${@//COPY/1}"
    wait_until holds "$proto" 2
    run python3 "$BATS_TEST_DIRNAME/ask.py" "$protocol" "$PORT" 200
    echo "$output"
    [ "${#lines[@]}" = 2 ]
    kill -TERM "$traffic"
    wait "$traffic"
    tail -n 3 "$(log traffic)"
    grep -qE '^[1-9][0-9]* answered, 0 failed$' "$(log traffic)"
    run "$COMMAND" list "$PORT/$proto"
    echo "$output"
    [ "$(grep -c ' yes ' <<<"$output")" = 2 ]
}

holds() {
    [ "$(ss "-Hna${1:0:1}" "sport = :$PORT" | grep -cE 'LISTEN|UNCONN')" = "$2" ]
}

python_server() {
    mkdir -p web0 web1
    echo copy-0 >web0/who
    echo copy-1 >web1/who
    chmod -R a+rX .
    joins http/tcp python3 -m http.server -d "webCOPY" -b 127.0.0.1 "$PORT"
}

redis() {
    mkdir -p -m 777 r0 r1
    joins redis/tcp redis-server --port "$PORT" --bind 127.0.0.1 --save '' --dir "$PWD/rCOPY"
}

@test "redis-server is adopted under traffic, and a second one joins" {
    need redis-server
    redis
}

@test "redis-server of an ordinary user is adopted by that user" {
    need_root
    need redis-server setpriv
    AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    redis
}

@test "nginx, master and worker, is adopted under traffic, and a second one joins" {
    need nginx
    local copy
    for copy in 0 1; do
        mkdir "n$copy"
        echo "copy-$copy" >"n$copy/who"
        cat >"n$copy/conf" <<END
daemon off; pid $PWD/n$copy/pid; worker_processes 1; user $(id -un);
events {}
http { access_log off; server { listen 127.0.0.1:$PORT; root $PWD/n$copy; } }
END
    done
    joins http/tcp nginx -p "$PWD/nCOPY" -e "$PWD/nCOPY/error" -c "$PWD/nCOPY/conf"
}

@test "Python's http.server is adopted under traffic, and a second one joins" {
    python_server
}

@test "a UDP server is adopted under traffic, and a second one joins" {
    need dnsmasq
    joins dns/udp dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --log-facility=- \
        --listen-address=127.0.0.1 --bind-interfaces --port="$PORT" --pid-file="$PWD/pidCOPY" --user="$(id -un)" \
        --txt-record=who.test,copy-COPY
}

@test "--undo switches it off again, and only what was named is touched" {
    local other
    lease_port other
    spawn one "$BUILD/examples/server" "$PORT" 127.0.0.1
    local pid=$PID
    spawn two "$BUILD/examples/server" "$PORT" 127.0.0.2
    spawn udp "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT" pause
    spawn other "$BUILD/examples/server" "$other" 127.0.0.1
    wait_until listeners_are "$PORT" 2
    wait_until bound_udp_are "$PORT" 1
    wait_until listens "$other"
    run "$COMMAND" adopt "$PORT/tcp" "$pid"
    [ "$output" = "127.0.0.1:$PORT/tcp: pid $pid (server) shares it now" ]
    shared_now() { "$COMMAND" list --json "$PORT" "$other" | grep -c '"shares": true' || true; }
    [ "$(shared_now)" = 1 ]
    run "$COMMAND" adopt "$PORT"
    [ "$(grep -c 'shares it now' <<<"$output") $(grep -c 'shared it already' <<<"$output")" = "2 1" ]
    [ "$(shared_now)" = 3 ]
    run "$COMMAND" adopt --undo "$PORT"
    [ "$(grep -c 'no longer shares it' <<<"$output")" = 3 ]
    [ "$(shared_now)" = 0 ]
    run "$COMMAND" adopt --undo "$PORT/udp"
    [[ $output == *"did not share it" ]]
}

# left COUNT PROTO: the line that --undo is to say.
left() {
    echo "reuseport: adopt: 127.0.0.1:$PORT/$2: $1 sockets still hold it together; one may get all new connections, and others may still join"
}

@test "--undo says once where sockets still hold the port together: one of two, all of three, UDP" {
    local pids=()
    spawn one shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    pids+=("$PID")
    spawn two shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    pids+=("$PID")
    spawn udp shared "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT" pause
    wait_until listeners_are "$PORT" 2
    wait_until bound_udp_are "$PORT" 1
    run --separate-stderr "$COMMAND" adopt --undo "$PORT" "${pids[1]}"
    echo "$output / $stderr"
    [ "$status:$stderr" = "0:$(left 2 tcp)" ]
    # One that did not share before is not told of; adopting is not, either.
    run --separate-stderr "$COMMAND" adopt --undo "$PORT" "${pids[1]}"
    [ "$status:$stderr" = "0:" ]
    run --separate-stderr "$COMMAND" adopt "$PORT"
    [ "$status:$stderr" = "0:" ]
    spawn three shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn udp2 shared "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT" pause
    wait_until listeners_are "$PORT" 3
    wait_until bound_udp_are "$PORT" 2
    run --separate-stderr "$COMMAND" adopt --undo "$PORT"
    echo "$output / $stderr"
    [ "$status" = 0 ]
    [ "$stderr" = "$(left 3 tcp && left 2 udp)" ]
    [ "$(wc -l <<<"$output")" = 5 ]
}

@test "what the library advises to adopt can be adopted: connected UDP, bound TCP" {
    spawn udp "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT" connect 127.0.0.1 9 pause
    local udp=$PID
    wait_until grep -q connect=ok "$(log udp)"
    refused "127.0.0.1:$PORT/udp: in use by pid $udp (probe), whose socket does not share it; \"reuseport adopt $PORT/udp\" lets this one in" \
        env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT"
    run "$COMMAND" adopt "$PORT/udp"
    [ "$output" = "127.0.0.1:$PORT/udp: pid $udp (probe) shares it now" ]
    shared "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT" | grep -qx bind=ok
    need_linux 6.8
    spawn tcp "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" pause
    wait_until grep -q bind=ok "$(log tcp)"
    run "$COMMAND" adopt "$PORT/tcp" "$PID"
    [ "$output" = "127.0.0.1:$PORT/tcp: pid $PID (probe) shares it now" ]
}

@test "it refuses with the reason: nothing bound, no such process, another port, bad words" {
    fails "adopt: nothing holds port $PORT" "$COMMAND" adopt "$PORT"
    fails "adopt: nothing holds port $PORT/udp" "$COMMAND" adopt "$PORT/udp"
    spawn one "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    fails "adopt: 4194305: there is no such process" "$COMMAND" adopt "$PORT" 4194305
    fails "adopt: pid $$ does not hold port $PORT, or this process may not look into it" "$COMMAND" adopt "$PORT" $$
    fails 'adopt: "80a": not a port' "$COMMAND" adopt 80a
    fails 'adopt: "80-90": not a single PORT or PORT/PROTO' "$COMMAND" adopt 80-90
    fails 'adopt: expected PORT[/PROTO] [PID]; see reuseport adopt --help' "$COMMAND" adopt
    fails 'adopt: "--undo": options come before PORT' "$COMMAND" adopt "$PORT" --undo
    fails 'list: "--watch": options come before PORT' "$COMMAND" list "$PORT" --watch
    fails 'adopt: "x": not a number from 1 to 2147483647' "$COMMAND" adopt "$PORT" x
}

@test "it refuses another user's server, and one that Yama or its own wish protects" {
    need_root
    spawn root "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    fails "adopt: 127.0.0.1:$PORT/tcp: a socket of user root: this process may not look into it: that requires the same user$(yama), or CAP_SYS_PTRACE; try as root" \
        setpriv --reuid 65534 --clear-groups "$COMMAND" adopt "$PORT"
    # Of one user, but not dumpable, as after a change of user: the kernel refuses as Yama does.
    stop_all
    spawn dropped "$BUILD/examples/server" "$PORT" 127.0.0.1 65534
    wait_until listens "$PORT"
    run --separate-stderr setpriv --reuid 65534 --clear-groups "$COMMAND" adopt "$PORT"
    [[ $status = 125 && $stderr == *"may not look into it"* ]]
    run "$COMMAND" adopt "$PORT"
    [ "$status" = 0 ]
}

@test "root without the capability is not told to try as root, and Yama is named only where it is in the way" {
    need_root
    spawn other setpriv --reuid 65534 --clear-groups "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    fails "adopt: 127.0.0.1:$PORT/tcp: a socket of user nobody: this process may not look into it: that requires the same user$(yama), or CAP_SYS_PTRACE" \
        setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace "$COMMAND" adopt "$PORT"
    run setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace "$COMMAND" list "$PORT"
    [[ $output == *"unknown: this process may not look into it: that requires the same user$(yama), or CAP_SYS_PTRACE" ]]
}

@test "from a container, a process outside is to be adopted on the host" {
    need_root
    need_unshare -p -f --mount-proc
    spawn out "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    fails "adopt: 127.0.0.1:$PORT/tcp: a socket of user root: its process is not visible here; run reuseport adopt on the host" \
        unshare -p -f --mount-proc "$COMMAND" adopt "$PORT"
    run unshare -p -f --mount-proc "$COMMAND" list "$PORT"
    [[ $output == *"unknown: its process is not visible here; run reuseport list on the host" ]]
}

@test "on a kernel without pidfd_getfd it says so" {
    spawn one "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    fails "adopt: 127.0.0.1:$PORT/tcp: pid $PID: cannot hand over descriptors here: requires Linux 5.6, and a seccomp profile that allows pidfd_getfd" \
        "$PROBES/without" pidfd_getfd "$COMMAND" adopt "$PORT"
}

@test "a sandbox that kills callers of pidfd_getfd does not kill reuseport: adopt says what to allow, list goes on" {
    spawn one "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    fails "adopt: 127.0.0.1:$PORT/tcp: pid $PID: a sandbox kills callers of pidfd_getfd; allow that call (systemd: SystemCallFilter=pidfd_getfd)" \
        "$PROBES/without" pidfd_getfd:KILL "$COMMAND" adopt "$PORT"
    run "$PROBES/without" pidfd_getfd:KILL "$COMMAND" list "$PORT"
    [ "$status" = 0 ]
    [[ $output == *" $PID "*"unknown"* ]]
    run "$PROBES/without" pidfd_getfd:KILL "$COMMAND" check "$BUILD/examples/server"
    [ "$status" = 0 ]
}

@test "a process in another network namespace is told from one that does not hold the port" {
    need_root
    need_unshare -n
    spawn far unshare -n "$PROBES/probe" socket tcp4 bind 0.0.0.0 "$PORT" listen pause
    wait_until grep -q listen "$(log far)"
    spawn near "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    fails "adopt: pid ${PIDS[0]} is in another network namespace; try nsenter -t ${PIDS[0]} -n reuseport adopt $PORT ${PIDS[0]}" \
        "$COMMAND" adopt "$PORT" "${PIDS[0]}"
}

@test "500 adoptions of sockets that come and go: no crash, and never another socket" {
    local round other
    lease_port other
    spawn churn "$PROBES/churn" "$PORT" "$other"
    local churn=$PID statuses=
    for ((round = 0; round < 500; round++)); do
        run "$COMMAND" adopt "$PORT"
        [[ $status = 0 || $status = 125 ]] || {
            echo "round $round: status $status: $output"
            return 1
        }
        statuses+=" $status"
    done
    kill -TERM "$churn"
    wait "$churn"
    cat "$(log churn)"
    grep -qx 'adopted=some wrong=0' "$(log churn)"
    [[ $statuses == *" 0"* ]]
}

@test "it keeps no descriptor of the other process, and takes them close-on-exec" {
    need strace
    spawn one "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    strace -o trace -e trace=pidfd_getfd,pidfd_open,close "$COMMAND" adopt "$PORT" >/dev/null
    local fd
    for fd in $(sed -nE 's/^pidfd_(getfd|open).* = ([0-9]+)$/\2/p' trace | sort -u); do
        [ "$(grep -cE "^pidfd_.* = $fd\$" trace)" -le "$(grep -c "^close($fd)" trace)" ]
    done
    grep -q pidfd_getfd trace
}

group() {
    "${AS[@]}" /usr/bin/python3 "$BATS_TEST_DIRNAME/group.py" "$@"
}

# three_of KIND ADDRESS: three servers of a group on $PORT.
three_of() {
    local i
    for i in 1 2 3; do
        spawn "$1$i" "${AS[@]}" /usr/bin/python3 "$BATS_TEST_DIRNAME/group.py" serve "$1" "$2" "$PORT"
    done
    wait_until holds "${1#mp}" 3
}

# unsteers KIND ADDRESS [COMMAND...]: once a process that has left the group has it send all to one member, the other
# two get nothing; without that, all three do. COMMAND runs reuseport.
unsteers() {
    local kind=$1 address=$2 where
    shift 2
    where="$address:$PORT/${kind#mp}"
    [[ $address != *:* ]] || where="[$address]:$PORT/tcp"
    group steer "$kind" "$address" "$PORT" 1
    run group ask "$kind" "$address" "$PORT" 100
    [[ ${#lines[@]} = 1 && $output == *" 100" ]]
    run --separate-stderr "${AS[@]}" "$@" "$COMMAND" adopt --unsteer "$PORT/${kind#mp}"
    echo "status $status: $output / $stderr"
    [ "$status:$output:$stderr" = "0:$where: no longer steered:" ]
    run group ask "$kind" "$address" "$PORT" 100
    echo "$output"
    [ "${#lines[@]}" = 3 ]
    run --separate-stderr "${AS[@]}" "$@" "$COMMAND" adopt --unsteer "$PORT/${kind#mp}"
    [ "$status:$output:$stderr" = "0:$where: was not steered:" ]
}

ordinary() {
    [ "$(id -u)" != 0 ] || AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
}

# unsteers_kind KIND ADDRESS: by duplicates and by visits.
unsteers_kind() {
    ordinary
    three_of "$1" "$2"
    unsteers "$1" "$2"
    unsteers "$1" "$2" "$PROBES/without" pidfd_getfd
}

@test "--unsteer takes away a program that starves members: TCP over IPv4, by an ordinary user" {
    unsteers_kind tcp 127.0.0.1
}

@test "--unsteer takes away a program that starves members: TCP over IPv6" {
    unsteers_kind tcp ::1
}

@test "--unsteer takes away a program that starves members: MPTCP, which can only be visited" {
    [ "$(cat /proc/sys/net/mptcp/enabled 2>/dev/null)" = 1 ] || missing "MPTCP"
    unsteers_kind mptcp 127.0.0.1
}

@test "--unsteer takes away a program that starves members: UDP, which cannot be visited" {
    ordinary
    three_of udp 127.0.0.1
    unsteers udp 127.0.0.1
    fails "adopt: 127.0.0.1:$PORT/udp: cannot hand over descriptors here: requires Linux 5.6, and a seccomp profile that allows pidfd_getfd" \
        "${AS[@]}" "$PROBES/without" pidfd_getfd "$COMMAND" adopt --unsteer "$PORT/udp"
}

@test "a visitor drops what arrives before it listens, and is out of sight before it detaches and closes" {
    need strace
    three_of tcp ::1
    strace -f -o trace -e trace=setsockopt,listen "$PROBES/without" pidfd_getfd "$COMMAND" adopt --unsteer "$PORT"
    cat trace
    [ "$(grep -oE 'IP_MINTTL|IPV6_MINHOPCOUNT|SO_ATTACH_FILTER|listen|SO_BINDTOIFINDEX|SO_DETACH_REUSEPORT_BPF' trace | xargs)" = \
        "IP_MINTTL SO_ATTACH_FILTER IPV6_MINHOPCOUNT listen SO_BINDTOIFINDEX SO_DETACH_REUSEPORT_BPF" ]
}

@test "--unsteer says for each group of the port what it did, and leaves SO_REUSEPORT and lone sockets as they are" {
    three_of tcp 127.0.0.1
    spawn v6 /usr/bin/python3 "$BATS_TEST_DIRNAME/group.py" serve tcp ::1 "$PORT"
    wait_until listeners_are "$PORT" 4
    spawn alone "$BUILD/examples/server" "$PORT" 127.0.0.2
    wait_until listeners_are "$PORT" 5
    group steer tcp 127.0.0.1 "$PORT" 0
    run --separate-stderr "$COMMAND" adopt --unsteer "$PORT"
    echo "$output / $stderr"
    [ "$status:$stderr" = 0: ]
    [ "$output" = "127.0.0.1:$PORT/tcp: no longer steered
127.0.0.2:$PORT/tcp: was not steered
[::1]:$PORT/tcp: was not steered" ]
    [ "$("$COMMAND" list --json "$PORT" | grep -c '"shares": true')" = 4 ]
}

@test "--unsteer refuses a PID, --undo, and a port that nothing holds or that belongs to another user" {
    fails "adopt: nothing holds port $PORT" "$COMMAND" adopt --unsteer "$PORT"
    fails "adopt: --unsteer acts on all sockets of the port; give no PID" "$COMMAND" adopt --unsteer "$PORT" $$
    fails "adopt: --undo and --unsteer exclude each other" "$COMMAND" adopt --undo --unsteer "$PORT"
    need_root
    three_of tcp 127.0.0.1
    group steer tcp 127.0.0.1 "$PORT" 0
    run --separate-stderr setpriv --reuid 65534 --clear-groups "$COMMAND" adopt --unsteer "$PORT"
    echo "$stderr"
    [[ $status = 125 && $stderr == "reuseport: adopt: 127.0.0.1:$PORT/tcp: this process may not look into it"* ]]
    run group ask tcp 127.0.0.1 "$PORT" 100
    [ "${#lines[@]}" = 1 ]
}
