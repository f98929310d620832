#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# run -n --balance: which copies get new connections, as clients see it, and what is attached to the group meanwhile.

load helpers

setup() {
    need python3
    lease_port PORT
    COMMAND=$BUILD/reuseport
    ADDRESS=127.0.0.1
    AS=()
    IN=()
    cd "$BATS_TEST_TMPDIR" || exit
    chmod 755 . "$BATS_RUN_TMPDIR"
    own_network
    ordinary # so that the programs are classic ones
}

# own_network: servers and clients are in a network namespace of their own if possible, as arrivals are counted for all
# in it, and make the choice less strict.
own_network() {
    unshare -n true 2>/dev/null || return 0
    unshare -n sh -c 'ip link set lo up && exec sleep 1000' 3>&- &
    PIDS+=("$!")
    NETWORK=$!
    wait_until nsenter -n -t "$NETWORK" sh -c 'ip addr show dev lo | grep 127.0.0.1'
    wait_until nsenter -n -t "$NETWORK" sh -c '[ ! -e /proc/net/if_inet6 ] || grep lo /proc/net/if_inet6'
    IN=(nsenter -n -t "$NETWORK")
}

# For the helpers.
ss() {
    "${IN[@]}" "$(type -P ss)" "$@"
}

# bats shows the logs when the test has failed.
teardown() {
    tail -v -n +1 "$BATS_TEST_TMPDIR"/*.log || true
    stop_all
}

# ordinary: commands of "${AS[@]}" are an ordinary user's.
ordinary() {
    [ "$(id -u)" != 0 ] || AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
}

SERVER=example # of serve
# serve COUNT [OPTION...]: a group with that many copies, once all are ready; SUPERVISOR is its PID.
serve() {
    local server=("$BUILD/examples/server" "$PORT" "$ADDRESS") count=$1
    [ "$SERVER" = example ] || server=("${SERVER[@]}")
    spawn run "${IN[@]}" "${AS[@]}" "$COMMAND" run -v -n "$count" -p "$PORT" "${@:2}" "${server[@]}"
    SUPERVISOR=$PID
    wait_until ready "$count"
    mapfile -t COPIES < <(copies)
}

ready() {
    [ "$(grep -c 'copy [0-9]*: ready' "$(log run)")" -ge "$1" ]
}

# copies: the PIDs of the copies that run, by number.
copies() {
    local keeper
    for keeper in $(cat "/proc/$SUPERVISOR/task/$SUPERVISOR/children"); do
        cat "/proc/$keeper/task/$keeper/children"
    done | tr -s ' ' '\n' | sed '/^$/d'
}

# clients COUNT RATE [REQUEST [PATIENCE]]: OUT is what they say.
clients() {
    OUT=$("${IN[@]}" python3 "$BATS_TEST_DIRNAME/clients.py" "$ADDRESS" "$PORT" "$@")
    echo "$OUT"
}

# answered: how many clients were answered, failed, or hang; answers PID: how many by that process.
answered() {
    sed -nE 's/^([0-9]+) answered.*/\1/p' <<<"$OUT"
}
failed() {
    sed -nE 's/.* ([0-9]+) failed.*/\1/p' <<<"$OUT"
}
hung() {
    sed -nE 's/.* ([0-9]+) hung.*/\1/p' <<<"$OUT"
}
answers() {
    awk -v pid="$1" '$1 == pid { n = $2 } END { print n + 0 }' <<<"$OUT"
}

# is_steered: whether a program is attached, which is then detached, without a socket of ours that joins.
is_steered() {
    "${IN[@]}" "$COMMAND" adopt --unsteer "$PORT" | grep -q 'no longer steered'
}

# few_hang: of 1000 clients at most 5 hang, and none is refused, while the first copy is stopped. Where the machine is
# so busy that the supervisor came late to the CPU, once more.
few_hang() {
    kill -STOP "${COPIES[0]}"
    clients 1000 400 '' 1
    [ "$(failed)" = 0 ]
    if [ "$(hung)" -gt 5 ] && [ "$(hung)" -le 25 ]; then
        kill -CONT "${COPIES[0]}"
        sleep 0.5
        kill -STOP "${COPIES[0]}"
        clients 1000 400 '' 1
    fi
    [ "$(hung)" -le 5 ]
}

@test "of 1000 clients at most 5 hang at the one of four copies that is stopped, and all are served once it goes on" {
    serve 4 --balance
    few_hang
    kill -CONT "${COPIES[0]}"
    clients 1000 500
    [ "$(answered)" = 1000 ]
    [ "$(answers "${COPIES[0]}")" -ge 100 ]
}

@test "without --balance a quarter of them hangs: the test measures what it should" {
    serve 4
    kill -STOP "${COPIES[0]}"
    clients 400 400
    [ "$(hung)" -ge 50 ]
}

@test "a copy that is busy with a long request gets no more connections while others are free" {
    SERVER=(/usr/bin/python3 "$BATS_TEST_DIRNAME/slow.py" "$PORT")
    serve 4 --balance
    "${IN[@]}" bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT && echo 8 >&3 && cat <&3 >long.log" &
    clients 600 200 0
    wait $!
    cat long.log
    # It has let wait those that came before the first was seen to; the clients are done long before it is.
    [ "$(answers "$(grep -o '[0-9]*' long.log)")" -le 3 ]
    [ "$(hung)" -le 3 ]
}

@test "copies with even queues are left to the kernel: nothing is attached" {
    serve 4 --balance
    clients 200 400
    sleep 2 # a second without arrivals
    kill -STOP "$SUPERVISOR"
    run ! is_steered
}

@test "what excluded a copy is detached once it accepts again and nothing has arrived for a second" {
    serve 4 --balance
    few_hang
    kill -STOP "$SUPERVISOR"
    is_steered
    kill -CONT "$SUPERVISOR" "${COPIES[0]}"
    sleep 2.5
    kill -STOP "$SUPERVISOR"
    run ! is_steered
}

@test "if all copies are stopped, the kernel chooses among them" {
    serve 4 --balance
    kill -STOP "${COPIES[@]}"
    (sleep 1.5 && kill -CONT "${COPIES[@]}") &
    clients 200 200
    [ "$(answered)" = 200 ]
    for pid in "${COPIES[@]}"; do
        [ "$(answers "$pid")" -ge 20 ]
    done
}

# left_behind [OPTION...]: how many of 400 clients a group's only other member answers, which is its first and has a
# program that sends all to that one.
left_behind() {
    spawn left "${IN[@]}" "${AS[@]}" "$PROBES/programmed" "$PORT" classic
    local left=$PID
    wait_until listeners_are "$PORT" 1
    serve 3 "$@"
    clients 400 400
    LEFT=$(answers "$left")
}

@test "at its start it detaches what an earlier supervisor has left" {
    left_behind --balance
    [ "$LEFT" -ge 40 ]
    [ "$LEFT" -le 200 ]
}

@test "without --balance a server's own program stays, and nothing is attached or detached" {
    need strace
    AS=(strace -f -o trace -e "trace=setsockopt")
    left_behind
    [ "$(answered)" = 400 ]
    for pid in "${COPIES[@]}"; do
        [ "$(answers "$pid")" = 0 ]
    done
    run ! grep -E 'SO_(ATTACH|DETACH)|, (51|52|27|68)[],]' trace
}

@test "kill -9 of the supervisor leaves no process behind and nothing attached to a group that lives on" {
    local left
    serve 4 --balance
    few_hang
    mapfile -t left < <(descendants "$SUPERVISOR")
    kill -STOP "$SUPERVISOR" # so that it sees nobody join
    spawn stranger "${IN[@]}" "${AS[@]}" /usr/bin/python3 "$BATS_TEST_DIRNAME/group.py" serve tcp 127.0.0.1 "$PORT"
    wait_until listeners_are "$PORT" 5
    kill -KILL "$SUPERVISOR"
    for pid in "${left[@]}"; do
        wait_until ended "$pid"
    done
    [ "$(listeners "$PORT")" = 1 ]
    run ! is_steered
    clients 50 100
    [ "$(answers "$PID")" = 50 ]
}

@test "kill -9 of the supervisor and all keepers at once ends the copies, and the group with them" {
    local keepers
    serve 4 --balance
    mapfile -t keepers < <(tr -s ' ' '\n' <"/proc/$SUPERVISOR/task/$SUPERVISOR/children" | sed '/^$/d')
    kill -KILL "$SUPERVISOR" "${keepers[@]}"
    for pid in "${COPIES[@]}"; do
        wait_until ended "$pid"
    done
    listeners_are "$PORT" 0
}

# traced SECONDS: what the supervisor does to the group in that time, a line for each system call.
traced() {
    timeout "$1" strace -o trace -e trace=setsockopt -p "$SUPERVISOR" || true
    grep -E 'REUSEPORT|BPF' trace || true
}

@test "a stranger that joins gets its share: it detaches once, and excludes the stopped copy again when it has gone" {
    need strace
    serve 4 --balance
    few_hang
    (strace -o trace -e trace=setsockopt -p "$SUPERVISOR" &
        echo $! >strace.pid
        wait) &
    wait_until grep -q . strace.pid
    spawn stranger "${IN[@]}" "${AS[@]}" /usr/bin/python3 "$BATS_TEST_DIRNAME/group.py" serve tcp 127.0.0.1 "$PORT"
    wait_until grep -q DETACH trace
    clients 500 500 '' 1
    kill "$(cat strace.pid)"
    [ "$(answers "$PID")" -ge 50 ]
    [ "$(hung)" -ge 50 ]
    cat trace
    [ "$(grep -c 'DETACH' trace)" = 1 ]
    run ! grep ATTACH trace
    kill "$PID"
    wait_until listeners_are "$PORT" 4
    sleep 0.2
    clients 500 500 '' 1
    [ "$(hung)" -le 3 ]
}

@test "while somebody holds the replace lock of its PID it does not touch the group, and does again afterwards" {
    need strace flock
    serve 4 --balance
    flock "/proc/$SUPERVISOR/environ" sleep 1000 3>&- &
    PIDS+=("$!")
    wait_until grep -q FLOCK /proc/locks
    kill -STOP "${COPIES[0]}"
    (clients 300 300 "" 0.5 >locked.log) &
    [ -z "$(traced 1)" ]
    wait $!
    cat locked.log
    OUT=$(cat locked.log)
    [ "$(hung)" -ge 30 ]
    stop_flock
    sleep 0.2
    clients 500 500 '' 1
    [ "$(hung)" -le 3 ]
}

stop_flock() {
    local flock=${PIDS[-1]}
    mapfile -t flock < <(descendants "$flock")
    kill "${flock[@]}"
}

@test "two copies killed at the same moment: no client hangs, and a survivor that is stopped is passed over nearly at once" {
    local survivor
    serve 4 --balance --on-exit=restart
    kill -KILL "${COPIES[0]}" "${COPIES[2]}"
    wait_until ready 6
    clients 300 300
    [ "$(hung)" = 0 ]
    # Which of the two numbers each of them has is not known, until connections come to one that is passed over.
    for survivor in "${COPIES[1]}" "${COPIES[3]}"; do
        kill -STOP "$survivor"
        clients 1000 400 '' 1
        [ "$(hung)" -le 12 ]
        kill -CONT "$survivor"
    done
}

@test "an ordinary user who may look into no process balances by visits: nobody is reset, and at most one in 200 hangs" {
    AS+=("$PROBES/without" pidfd_getfd:EPERM)
    serve 4 --balance
    few_hang
    kill -CONT "${COPIES[0]}"
    clients 1000 500
    [ "$(answered)" = 1000 ]
}

@test "below 1024 without the capability one line says why it cannot choose, and the hash deals" {
    need_root
    need_unshare -n
    need setpriv
    AS=(setpriv --reuid 65534 --regid 65534 --clear-groups "$PROBES/without" pidfd_getfd:EPERM)
    PORT=80
    "${IN[@]}" sysctl -qw net.ipv4.ip_unprivileged_port_start=80 # as if the server alone had the capability
    serve 4 --balance
    "${IN[@]}" sysctl -qw net.ipv4.ip_unprivileged_port_start=1024
    kill -STOP "${COPIES[0]}"
    clients 400 400 "" 0.5
    [ "$(hung)" -ge 50 ]
    [ "$(grep -c '127.0.0.1:80/tcp: cannot choose who gets connections: joining that port requires CAP_NET_BIND_SERVICE' "$(log run)")" = 1 ]
}

@test "copies of a dropped user, into which it may not look, are balanced all the same" {
    need_root
    SERVER=("$BUILD/examples/server" "$PORT" 127.0.0.1 65534)
    AS=(setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace)
    spawn run "${IN[@]}" "${AS[@]}" "$COMMAND" run -v -n 4 -p "$PORT" --balance "${SERVER[@]}"
    SUPERVISOR=$PID
    wait_until listeners_are "$PORT" 4
    mapfile -t COPIES < <(copies)
    sleep 0.5
    few_hang
    wait_until grep 'new connections go to 3 of 4 copies' "$(log run)"
}

@test "IPv6 copies are balanced" {
    ADDRESS=::1
    serve 4 --balance
    few_hang
}

@test "MPTCP copies are balanced, by visits" {
    [ "$(cat /proc/sys/net/mptcp/enabled 2>/dev/null)" = 1 ] || missing "MPTCP"
    SERVER=(/usr/bin/python3 "$BATS_TEST_DIRNAME/group.py" serve mptcp 127.0.0.1 "$PORT")
    serve 4 --balance
    few_hang
}

@test "each of several ports and addresses is balanced for itself, and UDP is left to the hash" {
    local port=$PORT
    lease_port OTHER
    cat >several.py <<END
import os, selectors, socket
all = selectors.DefaultSelector()
for address, port in ("127.0.0.1", $PORT), ("127.0.0.2", $PORT), ("127.0.0.1", $OTHER):
    listener = socket.socket()
    listener.bind((address, port))
    listener.listen(512)
    all.register(listener, selectors.EVENT_READ)
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", $PORT))
while True:
    for key, _ in all.select():
        client = key.fileobj.accept()[0]
        client.send(b"%d" % os.getpid())
        client.close()
END
    SERVER=(/usr/bin/python3 several.py)
    PORT=$PORT,$OTHER
    serve 4 --balance
    PORT=$port
    few_hang
    PORT=$OTHER
    clients 500 250 '' 1
    [ "$(hung)" -le 10 ] # of 125
    PORT=$port
    ADDRESS=127.0.0.2
    clients 500 250 '' 1
    [ "$(hung)" -le 10 ] # of 125
    [ "$(grep -c "127.0.0.1:$PORT/udp: --balance leaves datagrams to the kernel" "$(log run)")" = 1 ]
}

# cpu PID: clock ticks that it has used.
cpu() {
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}

@test "a hostile user's thousands of sockets on the port, at other addresses, that come and go, cost a fifth of a CPU at most" {
    need_root
    cat >hostile.py <<END
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
held = []
def add(number):
    listener = socket.socket()
    listener.bind((f"127.66.{number // 250}.{number % 250 + 1}", $PORT))
    listener.listen(1)
    held.append(listener)
for number in range(4000):
    add(number)
print("ready", flush=True)
while True:
    for number in range(4000):
        held.pop(0).close()
        add(number)
        time.sleep(0.001)
END
    spawn hostile "${IN[@]}" setpriv --reuid 65533 --regid 65533 --clear-groups /usr/bin/python3 hostile.py
    wait_until grep -q ready "$(log hostile)"
    serve 4 --balance
    local before after
    before=$(cpu "$SUPERVISOR")
    clients 400 100
    [ "$(answered)" = 400 ]
    after=$(cpu "$SUPERVISOR")
    echo "ticks of 100 a second: $((after - before))"
    [ $((after - before)) -le 100 ] # in at least four seconds
    kill -STOP "${COPIES[0]}"
    clients 400 100 '' 1
    [ "$(hung)" -le 20 ]
    kill -CONT "${COPIES[0]}"
    kill -TERM "$SUPERVISOR"
    wait_until listeners_gone 127.0.0.1
}

listeners_gone() {
    [ -z "$(ss -Htln "src = $1 and sport = :$PORT")" ]
}

# heap PID: its size in memory, in KiB.
heap() {
    awk '/\[heap\]$/ { heap = 1 } heap && $1 == "Rss:" { print $2; exit }' "/proc/$1/smaps"
}

@test "an idle group costs at most 60 looks a second, and no memory" {
    need strace
    serve 4 --balance
    clients 400 400
    sleep 1.5
    local before calls
    before=$(heap "$SUPERVISOR")
    timeout -s INT 4 strace -c -o trace -p "$SUPERVISOR" || true
    cat trace
    calls=$(awk '$NF == "ppoll" { print $4 }' trace)
    [ "$calls" -ge 40 ] # that is what was counted
    [ "$calls" -le 240 ]
    [ "$(awk '$NF == "total" { print $3 }' trace)" -le $((calls * 20)) ]
    clients 2000 1000 >/dev/null
    echo "heap: $before KiB, $(heap "$SUPERVISOR") KiB"
    [ "$(heap "$SUPERVISOR")" -le $((before + 4)) ] # what a look forgets adds up
}

@test "-v says who gets connections when that lasts, at most once a second" {
    SERVER=(/usr/bin/python3 "$BATS_TEST_DIRNAME/slow.py" "$PORT")
    serve 4 --balance
    clients 1000 250 0.01 # queues of all lengths
    [ "$(grep -c 'new connections go to' "$(log run)")" -le 4 ]
    kill -STOP "${COPIES[2]}"
    clients 300 200 0 1
    wait_until grep "127.0.0.1:$PORT/tcp: new connections go to copies 0 1 3\$" "$(log run)"
    kill -CONT "${COPIES[2]}"
    wait_until sh -c "tail -n 1 '$(log run)' | grep 'new connections go to every copy'"
}

@test "a copy that has not said READY=1 gets no connection, and is no measure for the others" {
    cat >notify.py <<END
import os, socket, time
listener = socket.socket()
listener.bind(("127.0.0.1", $PORT))
listener.listen(512)
if os.environ["REUSEPORT_INSTANCE"] != "2":
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = os.environ["NOTIFY_SOCKET"]
    notify.sendto(b"READY=1", "\0" + name[1:] if name[0] == "@" else name)
while True:
    client = listener.accept()[0]
    client.send(b"%d" % os.getpid())
    client.close()
END
    SERVER=(/usr/bin/python3 notify.py)
    spawn run "${IN[@]}" "${AS[@]}" "$COMMAND" run -v -n 4 -p "$PORT" --balance --ready=notify "${SERVER[@]}"
    SUPERVISOR=$PID
    wait_until ready 3
    mapfile -t COPIES < <(copies)
    sleep 0.3
    clients 500 250
    [ "$(answered)" = 500 ]
    [ "$(answers "${COPIES[2]}")" = 0 ]
    few_hang
    [ "$(answers "${COPIES[2]}")" = 0 ]
}

# exclusions COUNT: after each of so many random events a random copy is stopped, and its clients counted that hang;
# SUM is how many did.
exclusions() {
    local round event victims expected=4
    SUM=0
    serve 4 --balance --on-exit=restart
    for ((round = 1; round <= $1; round++)); do
        event=$((RANDOM % 5))
        mapfile -t COPIES < <(copies)
        case $event in
        0 | 1) kill -KILL "${COPIES[RANDOM % ${#COPIES[@]}]}" ;;
        2)
            [ "$expected" -lt 8 ] || continue
            expected=$((expected + 1))
            kill -TTIN "$SUPERVISOR"
            ;;
        3)
            [ "$expected" -gt 3 ] || continue
            expected=$((expected - 1))
            kill -TTOU "$SUPERVISOR"
            ;;
        4) kill -KILL "${COPIES[0]}" "${COPIES[2]}" ;;
        esac
        sleep 0.1
        wait_until listeners_are "$PORT" "$expected"
        sleep 0.2
        mapfile -t COPIES < <(copies)
        [ "${#COPIES[@]}" = "$expected" ]
        victims=${COPIES[RANDOM % expected]}
        kill -STOP "$victims"
        clients 200 400 '' 0.5
        kill -CONT "$victims"
        [ "$(failed)" = 0 ]
        echo "round $round, event $event, of $expected: $(hung)"
        SUM=$((SUM + $(hung)))
    done
}

@test "whatever copies come and go, the one that is stopped is passed over: eight random events" {
    exclusions 8
    [ "$SUM" -le 90 ] # of some 350 that the hash gives it
}

# bats test_tags=long
@test "whatever copies come and go, the one that is stopped is passed over: 32 random events" {
    RANDOM=${SEED:-$(($(date +%s) % 30000))}
    echo "SEED=$RANDOM"
    exclusions 32
    [ "$SUM" -le 320 ] # of some 1400
}
