#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# reuseport list --watch: each second, how busy each socket of a port is.

load helpers

setup() {
    need python3
    lease_port PORT
    COMMAND=$BUILD/reuseport
    KEEPER=$BATS_TEST_DIRNAME/keeper.py
}

# clients NAME ADDRESS COUNT [close]: so many connect.
clients() {
    spawn "$1" python3 "$KEEPER" clients "$PORT" "${@:2}"
    wait_until grep -q connected "$(log "$1")"
}

# steer N: the next connections go to that member of the group.
steer() {
    python3 "$BATS_TEST_DIRNAME/group.py" steer tcp 127.0.0.1 "$PORT" "$1"
}

# table [again]: the first table that it prints of $PORT, or the second, blanks made one, without its head.
table() {
    "$COMMAND" list --watch "$PORT" | sed "${1:+1,/^\$/d;} /^\$/Q" | tail -n +2 | tr -s ' '
}

table_is() {
    TABLE=$(table "${@:2}")
    echo "$TABLE"
    [ "$TABLE" = "$1" ]
}

# established_are PID COUNT: the kernel has so many connections for it.
established_are() {
    [ "$(ss -Htnp state established "sport = :$PORT" | grep -c "pid=$1,")" = "$2" ]
}

# three_copies: sets A, B, C to copies: A has three connections, B one; C does not accept, its queue is full, and it
# is stopped.
three_copies() {
    spawn a python3 "$KEEPER" serve "$PORT" 127.0.0.1
    A=$PID
    wait_until listeners_are "$PORT" 1
    clients three 127.0.0.1 3
    spawn b python3 "$KEEPER" serve "$PORT" 127.0.0.1
    B=$PID
    wait_until listeners_are "$PORT" 2
    steer 1
    clients one 127.0.0.1 1
    wait_until established_are "$A" 3
    wait_until established_are "$B" 1
    spawn c shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen pause
    C=$PID
    wait_until listeners_are "$PORT" 3
    steer 2
    clients many 127.0.0.1 20
    kill -STOP "$C"
    wait_until grep -q '^State:.T' "/proc/$C/status"
}

@test "a table each second: who is stopped, queues with limits, connections of each socket, and bars of their shares" {
    three_copies
    local expected
    expected=$(sort -n -t ' ' -k 4 <<END
tcp 127.0.0.1 $PORT $A python3 runs 0/1024 3 75% ###############
tcp 127.0.0.1 $PORT $B python3 runs 0/1024 1 25% #####
tcp 127.0.0.1 $PORT $C probe stopped 17/16 0 0%
END
    )
    expect_rows() { TABLE=$(table "$@" | sed 's/ *$//' | sort -n -t ' ' -k 4) && echo "$TABLE" && [ "$TABLE" = "$expected" ]; }
    expect_rows
    # The second one is of another kind, without a search.
    expect_rows again
    run bash -c '"$1" list --watch "$2" | head -n 9' bash "$COMMAND" "$PORT"
    kill -CONT "$C"
    [[ ${lines[0]} =~ ^PROTO\ +ADDRESS\ +PORT\ +PID\ +COMMAND\ +PROCESS\ +QUEUE\ +ESTAB\ +SHARE$ ]]
    [[ $output == *$'\n\n'PROTO* ]]
    [ "${lines[4]}" = "${lines[0]}" ]
    wait_until grep -q '^State:.S' "/proc/$C/status"
    [[ $(table) == *" $C probe runs 17/16 "* ]]
}

@test "--json: one object in each line, each second, with a time and what list --json has" {
    three_copies
    local plain
    plain=$("$COMMAND" list --json "$PORT")
    "$COMMAND" list --watch --json "$PORT" | head -n 3 >"$BATS_TEST_TMPDIR/lines"
    kill -CONT "$C"
    python3 - "$BATS_TEST_TMPDIR/lines" "$plain" "$A" "$B" "$C" <<'END'
import json, sys, time
lines, plain = open(sys.argv[1]).read().splitlines(), json.loads(sys.argv[2])
objects = [json.loads(line) for line in lines]
assert len(objects) == 3
times = [o["time"] for o in objects]
assert all(0.9 < b - a < 5 for a, b in zip(times, times[1:])), times
assert 0 <= time.time() - times[-1] < 10
a, b, c = (int(word) for word in sys.argv[3:])
for o in objects:
    assert list(o) == ["time", "sockets"]
    assert [{k: s[k] for k in p} for s, p in zip(o["sockets"], plain)] == plain and len(plain) == 3
    own = {s["pid"]: s for s in o["sockets"]}
    assert list(own[a])[-3:] == ["stopped", "connections", "share"]
    assert [(own[p]["stopped"], own[p]["connections"], own[p]["share"]) for p in (a, b, c)] == [
        (False, 3, 0.75), (False, 1, 0.25), (True, 0, 0)], own
END
}

@test "connections count at the socket of the process that has them, its workers and children included, and half closed" {
    spawn prefork python3 "$KEEPER" prefork "$PORT" 127.0.0.1
    local prefork=$PID
    wait_until listens "$PORT"
    clients one 127.0.0.1 7
    spawn inetd python3 "$KEEPER" inetd "$PORT" 127.0.0.2
    local inetd=$PID
    wait_until listeners_are "$PORT" 2
    clients two 127.0.0.2 2 close # its server keeps it: CLOSE_WAIT
    spawn other python3 "$KEEPER" inetd "$PORT" 127.0.0.3
    local other=$PID
    wait_until listeners_are "$PORT" 3
    clients three 127.0.0.3 3
    local expected="tcp 127.0.0.1 $PORT $prefork+2 python3 runs 0/1024 7 58% ############
tcp 127.0.0.2 $PORT $inetd python3 runs 0/1024 2 17% ###
tcp 127.0.0.3 $PORT $other python3 runs 0/1024 3 25% #####"
    wait_until table_is "$expected"
    table_is "$expected" again
}

@test "a connection that a child has counts at its parent's socket, also if the child listens on another address" {
    spawn parent python3 -c '
import os, socket, sys, time
def listen(address):
    server = socket.socket()
    server.bind((address, int(sys.argv[1])))
    server.listen(8)
    return server
server = listen("127.0.0.1")
connection = server.accept()[0]
if os.fork():
    connection.close()
else:
    server.close()
    own = listen("127.0.0.2")
    print(os.getpid(), flush=True)
time.sleep(600)' "$PORT"
    wait_until listens "$PORT"
    clients one 127.0.0.1 1
    wait_until test -s "$(log parent)"
    table_is "tcp 127.0.0.1 $PORT ${PIDS[0]} python3 runs 0/8 1 100% ####################
tcp 127.0.0.2 $PORT $(<"$(log parent)") python3 runs 0/8 0 0% "
}

@test "of a process with sockets of several addresses each has its own connections; of twins they are unknown" {
    spawn server python3 "$KEEPER" serve "$PORT" 127.0.0.1 0.0.0.0 :: 127.0.0.2 127.0.0.2
    wait_until listeners_are "$PORT" 5
    clients exact 127.0.0.1 1
    clients any 127.0.0.3 2
    clients six ::1 3
    clients twins 127.0.0.2 4
    run table
    echo "$output"
    [ "$(awk '{ print $2, $8, $9 }' <<<"$output" | xargs)" = "127.0.0.1 1 10% 127.0.0.2 ? - 127.0.0.2 ? - 0.0.0.0 2 20% :: 3 30%" ]
    run bash -c '"$1" list --watch --json "$2" | head -n 1 | grep -o "\"connections\": null, \"share\": null" | wc -l' bash "$COMMAND" "$PORT"
    [ "$output" = 2 ]
}

@test "MPTCP connections count once each, and without netlink as with it" {
    [ "$(cat /proc/sys/net/mptcp/enabled 2>/dev/null)" = 1 ] || missing "MPTCP"
    spawn server python3 -c '
import socket, sys, time
def make():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
where, kept = ("127.0.0.1", int(sys.argv[1])), []
server = make()
server.bind(where)
server.listen(8)
for _ in range(3):
    client = make()
    client.connect(where)
    kept += [client, server.accept()]
queued = make()
queued.connect(where)
print("connected", flush=True)
time.sleep(600)' "$PORT"
    wait_until grep -q connected "$(log server)"
    table_is "mptcp 127.0.0.1 $PORT $PID python3 runs 1/8 3 100% ####################"
    run bash -c '"$1" netlink "$2" list --watch "$3" | head -n 5 | tail -n 1 | tr -s " "' bash "$PROBES/without" "$COMMAND" "$PORT"
    [ "$output" = "mptcp 127.0.0.1 $PORT $PID python3 runs 1/? 3 100% ####################" ]
}

@test "sockets that do not listen have no connections, those of unseen processes an unknown number" {
    need_root
    spawn udp "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT" pause
    wait_until bound_udp_are "$PORT" 1
    spawn own setpriv --reuid 65534 --clear-groups /usr/bin/python3 "$KEEPER" serve "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    spawn root python3 "$KEEPER" serve "$PORT" 127.0.0.2
    wait_until listeners_are "$PORT" 2
    clients one 127.0.0.1 1
    clients three 127.0.0.2 3
    run setpriv --reuid 65534 --clear-groups "$BASH" -c \
        '"$1" list --watch "$2" | head -n 9 | tail -n 3 | tr -s " " | cut -d " " -f 1-2,4-9' bash "$COMMAND" "$PORT"
    echo "$output"
    # A share is one of all: the others' are somebody's, too.
    [ "$output" = "tcp 127.0.0.1 ${PIDS[1]} python3 runs 0/1024 1 25%
tcp 127.0.0.2 ? ? ? 0/1024 ? -
udp 127.0.0.1 ? ? ? - - -" ]
    [[ $(table again) == *"udp 127.0.0.1 $PORT ${PIDS[0]} probe runs - - -" ]]
}

@test "it watches a port that nothing holds yet, and shows copies that come and go" {
    spawn watch "$COMMAND" list --watch "$PORT"
    local watch
    watch=$(log watch)
    wait_until grep -qx "nothing holds port $PORT" "$watch"
    spawn a python3 "$KEEPER" serve "$PORT" 127.0.0.1
    local a=$PID b
    wait_until grep -q " $a  python3 " "$watch"
    spawn b python3 "$KEEPER" serve "$PORT" 127.0.0.1
    b=$PID
    both() { [ "$(awk -v RS= 'END { print }' "$watch" | grep -cE " ($a|$b)  python3  runs ")" = "$1" ]; }
    wait_until both 2
    kill "$a"
    wait_until both 1
    kill "$b"
    both_gone() { [ "$(tail -n 1 "$watch")" = "nothing holds port $PORT" ]; }
    wait_until both_gone
}

@test "a worker that a known process starts is seen by the next look, not only by the next search" {
    spawn parent python3 -c '
import os, signal, socket, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
signal.sigwait({signal.SIGUSR1})
os.fork()
time.sleep(600)' "$PORT"
    local parent=$PID lines
    wait_until listens "$PORT"
    spawn watch "$COMMAND" list --watch --json "$PORT"
    wait_until grep -q "\"pids\": \[$parent\]" "$(log watch)"
    kill -USR1 "$parent"
    two() { grep -qE '"pids": \[[0-9]+, [0-9]+\]' "$(log watch)"; }
    wait_until two
    lines=$(wc -l <"$(log watch)")
    echo "$lines lines"
    [ "$lines" -lt 8 ]
}

@test "without a port it watches every shared port, and no other" {
    local other
    lease_port other
    spawn alone python3 -m http.server --bind 127.0.0.1 "$other"
    wait_until listens "$other"
    spawn a python3 "$KEEPER" serve "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    clients one 127.0.0.1 2
    spawn watch "$COMMAND" list --watch
    shows() { awk -v RS= 'END { print }' "$(log watch)" | tr -s ' ' | grep -q "^tcp 127.0.0.1 $1 $2 "; }
    wait_until shows "$PORT" "${PIDS[1]} python3 runs 0/1024 2 100%"
    run ! shows "$other" .
}

# bats test_tags=long
@test "a port that is shared later shows within ten seconds" {
    local later
    lease_port later
    spawn a python3 "$KEEPER" serve "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    spawn watch "$COMMAND" list --watch
    appears() { awk -v RS= 'END { print }' "$(log watch)" | tr -s ' ' | grep -q "^tcp 127.0.0.1 $1 "; }
    wait_until appears "$PORT"
    spawn later python3 "$KEEPER" serve "$later" 127.0.0.1
    wait_until appears "$later"
}

@test "on a terminal it redraws in place, cut to the screen, also when that changes; ^C and TERM end it with 0" {
    three_copies
    run python3 "$BATS_TEST_DIRNAME/screen.py" 6 100 redraws 2 print size 6 40 redraws 1 print size 3 100 redraws 1 print \
        key $'\x03' end -- env TERM=xterm "$COMMAND" list --watch "$PORT"
    echo "$output"
    # The bar takes what the other columns leave; the last line is the cursor's.
    [[ ${lines[0]} == PROTO*SHARE ]]
    [ "$(sed -n '1,4s/ .*//p' <<<"$output" | xargs)" = "PROTO tcp tcp tcp" ]
    [ "$(tr -dc '#\n' <<<"$output" | sort | tail -n 1 | wc -c)" -gt 20 ]
    [ "$(sed -n '7,10p' <<<"$output")" = "$(sed -n '1,4p' <<<"$output" | cut -c 1-40 | sed 's/ *$//')" ]
    [[ $(sed -n '13,14p' <<<"$output") =~ ^PROTO.*$'\n'"(3 more)"$ ]]
    [ "$(tail -n 1 <<<"$output")" = "status 0 1 0 0" ] # the newline at the end scrolls
    run python3 "$BATS_TEST_DIRNAME/screen.py" 24 80 redraws 3 print signal 15 end -- env TERM=xterm "$COMMAND" list --watch "$PORT"
    kill -CONT "$C"
    [ "$(grep -c '^tcp ' <<<"$output")" = 3 ]
    [ "$(tail -n 1 <<<"$output")" = "status 0 0 0 0" ]
    # What the last table had below is cleared: the port is nobody's after the first.
    run python3 "$BATS_TEST_DIRNAME/screen.py" 24 80 redraws 1 key $'\n' redraws 2 print key $'\x03' end -- env TERM=xterm \
        bash -c '{ read -r _ <&3; kill -KILL "${@:3}"; } 3<&0 <>/dev/null & exec "$1" list --watch "$2"' bash "$COMMAND" "$PORT" "${PIDS[@]}"
    echo "$output"
    [[ $output == *"nothing holds port $PORT"* && $output != *tcp* ]]
}

@test "without a terminal that it can steer it prints lines" {
    run python3 "$BATS_TEST_DIRNAME/screen.py" 24 80 redraws 0 key $'\x03' end -- env TERM=dumb "$COMMAND" list --watch "$PORT"
    [[ $output == "status 0 "*" 0 0" ]]
    run timeout -s INT 1.5 "$COMMAND" list --watch "$PORT"
    [ "$output" = $'nothing holds port '"$PORT"$'\n\nnothing holds port '"$PORT" ]
}

@test "no name of a process steers the terminal, or spoils the JSON" {
    spawn evil python3 -c '
import socket, sys, time
name = b"a\x1b[2J\"\\\n\x9b1m"
open("/proc/self/comm", "wb").write(name)
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
time.sleep(600)' "$PORT"
    wait_until listens "$PORT"
    run python3 "$BATS_TEST_DIRNAME/screen.py" 24 100 redraws 2 print key $'\x03' end -- env TERM=xterm "$COMMAND" list --watch "$PORT"
    echo "$output"
    [[ $output == *' a?[2J"\??1m  runs '* ]]
    [[ $output == *"status 0 0 0 0" ]]
    "$COMMAND" list --watch --json "$PORT" | head -n 1 |
        python3 -c 'import json, sys; assert json.load(sys.stdin)["sockets"][0]["command"] == "a?[2J\"\\??1m"'
}

@test "started with INT ignored, as background jobs of scripts are, it goes on until TERM" {
    spawn watch bash -c 'trap "" INT; exec "$1" list --watch "$2"' bash "$COMMAND" "$PORT"
    wait_until grep -q nothing "$(log watch)"
    kill -INT "$PID"
    three() { [ "$(grep -c nothing "$(log watch)")" -ge 3 ]; }
    wait_until three
    kill -TERM "$PID"
    wait "$PID"
}

@test "a reader that goes away ends it at once, quietly, with 0, and whether SIGPIPE is ignored or not" {
    local how
    for how in default ignored; do
        run --separate-stderr bash -c '[ "$3" = default ] || trap "" PIPE
            "$1" list --watch "$2" | head -n 1 >/dev/null; echo "${PIPESTATUS[0]}"' bash "$COMMAND" "$PORT" "$how"
        [[ $output = 0 && -z $stderr ]]
    done
    run --separate-stderr bash -c '"$1" list --watch "$2" >/dev/full' bash "$COMMAND" "$PORT"
    [[ $status = 125 && $stderr = "reuseport: standard output: No space left on device" ]]
}

@test "neither descriptors nor memory grow" {
    need valgrind
    spawn a python3 "$KEEPER" serve "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    clients many 127.0.0.1 64
    # Sockets that come and go make it search again and again.
    spawn churn bash -c 'while :; do timeout 1 "$1" socket udp4 bind 127.0.0.1 "$2" pause; done' bash "$PROBES/probe" "$PORT"
    spawn watch "$COMMAND" list --watch --json "$PORT"
    lines_are() { [ "$(wc -l <"$(log watch)")" -ge "$1" ]; }
    descriptors() { find "/proc/$PID/fd" -type l | wc -l; }
    wait_until lines_are 1
    local before
    before=$(descriptors)
    run bash -c 'valgrind -q --leak-check=full --log-file="$1" "$2" list --watch "$3" | head -n 12' bash \
        "$BATS_TEST_TMPDIR/leaks" "$COMMAND" "$PORT"
    [ "${#lines[@]}" -ge 8 ]
    run ! grep '^==' "$BATS_TEST_TMPDIR/leaks" # it may also say that it does not know pidfd_open(2)
    python3 "$BATS_TEST_DIRNAME/screen.py" 24 80 redraws 2 key $'\x03' end -- env TERM=xterm \
        valgrind -q --leak-check=full --log-file="$BATS_TEST_TMPDIR/leaks" "$COMMAND" list --watch "$PORT"
    run ! grep '^==' "$BATS_TEST_TMPDIR/leaks"
    wait_until lines_are 4
    has_as_many() { [ "$(descriptors)" -le "$before" ]; } # a refresh has some for a moment
    wait_until has_as_many
}

# between_lines: sets CALLS to the system calls of a trace between the first write and the second.
between_lines() {
    CALLS=$(awk '/^write\(1,/ { lines++; next } lines == 1' "$BATS_TEST_TMPDIR/trace")
}

@test "a refresh reads the descriptors of the port's processes alone, and asks for the connections of each family once" {
    need strace
    spawn a python3 "$KEEPER" serve "$PORT" 127.0.0.1 127.0.0.2 ::1
    local server=$PID
    wait_until listeners_are "$PORT" 3
    clients many 127.0.0.1 300
    all_accepted() { [ "$(find "/proc/$server/fd" -type l | wc -l)" -ge 300 ]; }
    wait_until all_accepted
    spawn bystander "$PROBES/probe" socket unix descriptors 900 pause
    wait_until test -e "/proc/$PID/fd/800"
    strace -o "$BATS_TEST_TMPDIR/trace" "$COMMAND" list --watch --json "$PORT" | head -n 3 >/dev/null
    between_lines
    echo "$(wc -l <<<"$CALLS") system calls, of which $(grep -c ^readlink <<<"$CALLS") read a link"
    [ "$(grep -c ^readlink <<<"$CALLS")" -ge 300 ]
    [ "$(wc -l <<<"$CALLS")" -lt 450 ]
    # For IPv4 and IPv6: what holds the port, TCP and UDP, and TCP's connections.
    [ "$(grep -c ^sendto <<<"$CALLS")" = 6 ]
}

@test "for the owner of a socket that it may not see it does not search each second" {
    need strace
    need_root
    spawn root python3 "$KEEPER" serve "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    touch "$BATS_TEST_TMPDIR/trace"
    chmod 666 "$BATS_TEST_TMPDIR/trace"
    chmod 755 "$BATS_TEST_TMPDIR"
    setpriv --reuid 65534 --clear-groups strace -o "$BATS_TEST_TMPDIR/trace" "$COMMAND" list --watch "$PORT" | head -n 4 >/dev/null
    between_lines
    echo "$CALLS"
    [[ $CALLS == *sendto* && $CALLS != */proc* ]]
}
