#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# run -n --balance as root, where an eBPF program deals: who gets which connection, as clients see it.

load helpers

setup() {
    need_sys_admin
    need_linux 5.11
    need python3
    lease_port PORT
    ADDRESS=127.0.0.1
    AS=()
    SERVER=("$BUILD/examples/server" "$PORT" "$ADDRESS")
}

# bats shows the log when the test has failed.
teardown() {
    cat "$(log service)" || true
    stop_all
}

# serve COUNT [OPTION...]: a service with that many copies, once all are ready. SERVICE and COPIES are PIDs.
serve() {
    spawn service "${AS[@]}" "$BUILD/reuseport" run -v -n "$1" -p "$PORT" "${@:2}" "${SERVER[@]}"
    SERVICE=$PID
    wait_until listeners_are "$PORT" "$1"
    wait_until ready "$1"
    mapfile -t COPIES < <(started | sort -n | cut -d ' ' -f 2)
}

# started: a line "COPY PID" for each that was started, oldest first; pid_of COPY: of the last one with that number.
started() {
    sed -n 's/^reuseport: copy \([0-9]*\): started, pid /\1 /p' "$(log service)"
}
pid_of() {
    started | sed -n "s/^$1 //p" | tail -n 1
}
started_are() {
    [ "$(started | wc -l)" = "$1" ]
}

ready() {
    [ "$(grep -c 'copy [0-9]*: ready' "$(log service)")" -ge "$1" ]
}

# deal COUNT [PAUSE]: so many clients; got PID: how many of them that process has answered; got hung: nobody has.
deal() {
    OUT=$(/usr/bin/python3 "$BATS_TEST_DIRNAME/dealt.py" "$ADDRESS" "$PORT" "$@")
    echo "$OUT"
}
got() {
    awk -v who="$1" '$1 == who { n = $2 } END { print n + 0 }' <<<"$OUT"
}

# fair COUNT PID...: of COUNT clients each of these has got its share, give or take one.
fair() {
    local pid share=$(($1 / ($# - 1)))
    for pid in "${@:2}"; do
        [ "$(got "$pid")" -ge $((share - 1)) ] && [ "$(got "$pid")" -le $((share + 1)) ] || return
    done
}

# in_turn COUNT PID...: clients spread so in one of five runs, as on a busy machine looks find connections that wait.
# The hash's shares of 400 clients and 4 copies are that even in one of 500 runs.
in_turn() {
    local try
    for try in 1 2 3 4 5; do
        echo "$try:"
        deal "$1" 0.001
        ! fair "$@" || return 0
    done
    return 1
}

deals_to() {
    deal 20
    [ "$(got "$1")" -gt 0 ]
}

# maps: the ids of the BPF maps that the service holds, and exist ID...: whether one of them does.
maps() {
    sed -n 's/^map_id:[[:space:]]*//p' "/proc/$SERVICE/fdinfo/"*
}
exist() {
    local id
    for id; do
        "$PROBES/map-exists" "$id" && return
    done
    return 1
}

none_exists() {
    ! exist "$@"
}

# steered, not_steered: whether a program was attached, which is then detached.
steered() {
    "$BUILD/reuseport" adopt --unsteer "$PORT" | grep -q 'no longer steered'
}
not_steered() {
    ! steered
}

# holders PID...: those of the processes that hold a descriptor of that kind.
holders() {
    local kind=$1 pid
    for pid in "${@:2}"; do
        find "/proc/$pid/fd" -lname "anon_inode:$kind" -printf '%p %l\n'
    done
}

@test "turns, queues filled up to one level, closed members, seats, and an end without renewal" {
    run "$BUILT_IN/units/dealer"
    echo "$output"
    [ "$status" = 0 ]
}

@test "in a time namespace, whose clock is not that of programs, none deals" {
    need_unshare -T
    run unshare --fork -T --monotonic 100 "$BUILT_IN/units/dealer"
    [ "$output" = "rp_dealer_open: Operation not supported" ]
}

@test "connections that are kept spread in turn over 4 copies, on IPv4 and IPv6" {
    serve 4 --balance
    in_turn 400 "${COPIES[@]}"
    stop_all
    ADDRESS=::1 SERVER=("$BUILD/examples/server" "$PORT" ::1)
    serve 4 --balance
    in_turn 400 "${COPIES[@]}"
}

@test "without --balance, or with one copy, no BPF map is made" {
    serve 4
    [ -z "$(maps)" ]
    stop_all
    serve 1 --balance
    deal 20
    [ -z "$(maps)" ]
    not_steered
}

@test "without CAP_BPF a line says so, and a classic program passes over the stopped copy" {
    AS=(setpriv "--bounding-set=-sys_admin,-bpf")
    serve 4 --balance
    kill -STOP "${COPIES[1]}"
    deal 400
    [ "$(got hung)" -le 20 ] # the hash leaves about 100
    [ -z "$(maps)" ]
    grep -q 'eBPF is not available: Operation not permitted' "$(log service)"
}

@test "a stopped copy gets no more than 3 of 400 connections, and its turns again once it goes on" {
    serve 4 --balance
    kill -STOP "${COPIES[2]}"
    deal 400
    [ "$(got hung)" -le 3 ]
    kill -CONT "${COPIES[2]}"
    deal 20 # what has waited is accepted
    in_turn 400 "${COPIES[@]}"
}

@test "while the supervisor is stopped the copies get turns for a second, then the hash deals" {
    serve 4 --balance
    kill -STOP "${COPIES[0]}"
    deal 100 # until it is passed over
    kill -STOP "$SERVICE"
    deal 30 0.001
    [ "$(got hung)" = 0 ]
    sleep 1.1
    deal 200
    [ "$(got hung)" -ge 20 ]
    kill -CONT "$SERVICE"
    wait_until passed_over
}

passed_over() {
    deal 50
    [ "$(got hung)" = 0 ]
}

@test "kill -9 of the supervisor: no process, map or program is left, though the group lives on" {
    local all ids
    serve 4 --balance
    in_turn 400 "${COPIES[@]}"
    mapfile -t all < <(descendants "$SERVICE")
    mapfile -t ids < <(maps)
    [ "${#ids[@]}" = 2 ]
    exist "${ids[@]}"
    kill -STOP "$SERVICE" # so that it does not see who joins
    spawn stranger python3 "$BATS_TEST_DIRNAME/group.py" serve tcp 127.0.0.1 "$PORT"
    wait_until listeners_are "$PORT" 5
    kill -KILL "$SERVICE"
    for pid in "${all[@]}"; do
        wait_until ended "$pid"
    done
    [ "$(listeners "$PORT")" = 1 ]
    not_steered
    wait_until none_exists "${ids[@]}"
}

# own_of_keepers: the descriptors that the service's keepers have beside those that it was started with.
own_of_keepers() {
    local keeper
    for keeper in $(cat "/proc/$SERVICE/task/$SERVICE/children"); do
        find "/proc/$keeper/fd" '(' -lname 'anon_inode:*' -o -lname 'socket:*' -o -lname '*/snmp' ')' -printf '%p %l\n'
    done
}

@test "neither copies nor keepers inherit descriptors of the service's, and no process holds a program" {
    serve 4 --balance --on-exit=restart
    in_turn 400 "${COPIES[@]}"
    kill -KILL "${COPIES[1]}"
    wait_until ready 5
    COPIES[1]=$(pid_of 1)
    [ -z "$(holders 'bpf*' "${COPIES[@]}")" ]
    [ -z "$(own_of_keepers)" ]
    # shellcheck disable=SC2046 # PIDs
    [ -z "$(holders bpf-prog $(descendants "$SERVICE"))" ]
    [ -n "$(holders bpf-map "$SERVICE")" ]
    run ! grep eBPF "$(log service)"
}

@test "a copy that was killed and restarted gets its turns again, and meanwhile no client fails" {
    serve 4 --balance --on-exit=restart
    kill -KILL "${COPIES[1]}"
    deal 100
    [ "$(got hung)" = 0 ]
    wait_until ready 5
    COPIES[1]=$(pid_of 1)
    in_turn 400 "${COPIES[@]}"
}

@test "a copy gets no connection before --ready, and does from then on" {
    local go=$BATS_TEST_TMPDIR/go
    touch "$go"
    serve 2 --balance --on-exit=restart --ready "test -e $go"
    rm "$go"
    kill -KILL "${COPIES[0]}"
    wait_until started_are 3
    wait_until listeners_are "$PORT" 2
    deal 60
    [ "$(got "${COPIES[1]}")" = 60 ]
    touch "$go"
    wait_until ready 3
    wait_until deals_to "$(pid_of 0)"
}

@test "a renewal of all copies under connections in turn loses none" {
    serve 3 --balance --rolling=HUP --drain 5
    deal 1500 0.001 >"$BATS_TEST_TMPDIR/renewal.log" &
    local clients=$!
    kill -HUP "$SERVICE"
    wait "$clients"
    wait_until ready 6
    [ "$(grep -c hung "$BATS_TEST_TMPDIR/renewal.log")" = 0 ]
    [ "$(awk '{ n += $2 } END { print n }' "$BATS_TEST_TMPDIR/renewal.log")" = 1500 ]
    mapfile -t COPIES < <(started | tail -n 3 | cut -d ' ' -f 2)
    wait_until listeners_are "$PORT" 3
    in_turn 300 "${COPIES[@]}"
}

@test "while a stranger is in the group the hash deals to it, too, and afterwards turns go on" {
    serve 3 --balance
    in_turn 300 "${COPIES[@]}"
    spawn stranger python3 "$BATS_TEST_DIRNAME/group.py" serve tcp 127.0.0.1 "$PORT"
    wait_until listeners_are "$PORT" 4
    wait_until deals_to "$PID"
    deal 200
    [ "$(got "$PID")" -ge 20 ]
    kill "$PID"
    wait_until listeners_are "$PORT" 3
    wait_until in_turn 300 "${COPIES[@]}"
}

@test "what somebody else detached is attached again after a second with connections" {
    serve 4 --balance
    steered
    wait_until turns_again
}
turns_again() {
    deal 5
    sleep 0.3
    in_turn 400 "${COPIES[@]}"
}

@test "while somebody holds the replace lock of its PID nothing is attached, and it is again afterwards" {
    local lock
    need flock
    serve 4 --balance
    steered
    spawn lock flock "/proc/$SERVICE/environ" sleep 1000
    wait_until grep "FLOCK.* $PID " /proc/locks
    deal 4 0.3
    not_steered
    mapfile -t lock < <(descendants "$PID")
    kill "${lock[@]}"
    wait_until steered_again
}
steered_again() {
    deal 4 0.3
    steered
}

@test "MPTCP listeners, which the map refuses, are left to a classic program" {
    [ "$(cat /proc/sys/net/mptcp/enabled 2>/dev/null)" = 1 ] || missing "MPTCP"
    SERVER=(python3 "$BATS_TEST_DIRNAME/group.py" serve mptcp 127.0.0.1 "$PORT")
    serve 4 --balance
    kill -STOP "${COPIES[3]}"
    deal 400
    [ "$(got hung)" -le 20 ] # by visits; the hash leaves about 100
    steered
}
