#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What reuseport replace makes sure of, or says, before it changes anything.

load replacement

# hold_up OPTION... -- COMMAND...: a replacement of SERVER, its PID in FIRST, that waits for the connection KEPT.
hold_up() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    server_that_waits
    start /usr/bin/python3 waits.py "$PORT"
    exec {KEPT}<>"/dev/tcp/127.0.0.1/$PORT"
    read -r -u "$KEPT" _
    spawn first "$COMMAND" replace --drain 60 "${options[@]}" "$SERVER" "$@" {KEPT}>&-
    FIRST=$PID
    wait_until grep -q "waiting for the old server's connections" "$(log first)"
}

# is_locked PID: whether somebody has the lock on which replacements of that process meet.
is_locked() {
    local lock status=0
    exec {lock}<"/proc/$1/environ"
    flock -n "$lock" || status=$?
    exec {lock}<&-
    [ "$status" = 1 ]
}

is_free() {
    ! is_locked "$1"
}

# newcomer: the process that FIRST has started, or its supervisor.
newcomer() {
    tr ' ' '\n' <"/proc/$FIRST/task/$FIRST/children" | head -n 1
}

# on_port: the processes there.
on_port() {
    "$COMMAND" list --json "$PORT" | grep -o '"pid": [0-9]*' | cut -d' ' -f2
}

@test "a second replacement of a server is refused and names the first, whatever that has started" {
    local options pid new
    for options in '-m preload' '-n 2' '-m seccomp' '-m seccomp -n 2'; do
        # shellcheck disable=SC2086 # several words
        hold_up $options -- "$BUILD/examples/server" "$PORT" 127.0.0.1
        is_locked "$SERVER"
        run "$COMMAND" replace "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
        echo "$options: $output"
        [ "$status" = 125 ]
        [ "${lines[-1]}" = "reuseport: replace: pid $SERVER is part of a replacement under way, by pid $FIRST (reuseport)" ]

        new=$(newcomer)
        run "$COMMAND" replace "$new" "$BUILD/examples/server" "$PORT" 127.0.0.1
        [ "$status $output" = "125 reuseport: replace: pid $new is part of a replacement under way, by pid $FIRST (reuseport)" ]

        # The new server goes on, without the lock.
        kill -KILL "$FIRST"
        wait_until_ended "$FIRST"
        [ "$("$COMMAND" list "$PORT" | grep -c ' server *yes ')" -ge 1 ]
        is_free "$SERVER"
        is_free "$new"
        exec {KEPT}>&-
        kill -KILL "$SERVER"
        for pid in $(on_port); do
            kill -TERM "$pid"
            wait_until_ended "$pid"
        done
    done
}

@test "with --foreground the new server can be replaced, as soon as it is alone" {
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn first "$COMMAND" replace --foreground "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    FIRST=$PID
    wait_until grep -q 'has replaced' "$(log first)"
    SERVER=$(newcomer)
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait "$FIRST" || [ $? = 143 ]
}

@test "a replacement that failed leaves no lock, and another process's lock is not in the way" {
    local other
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    run "$COMMAND" replace "$SERVER" sh -c 'exit 3'
    [ "$status" = 125 ]
    is_free "$SERVER"
    spawn other sleep 600
    exec {other}<"/proc/$PID/environ"
    flock "$other"
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    exec {other}<&-
}

@test "nobody can lock who may not replace the server" {
    need_root
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    run ! setpriv --reuid 65534 --clear-groups flock -n "/proc/$SERVER/environ" true
    [[ $output == *"Permission denied"* ]]
}

@test "two replacements that see mounts of proc of their own exclude each other by init's" {
    need_root
    need_unshare -pmf --mount-proc
    cat >both.sh <<'END'
python3 waits.py "$PORT" &
server=$!
until exec 7<>"/dev/tcp/127.0.0.1/$PORT"; do sleep 0.05; done 2>/dev/null
read -r -u 7 _
"$COMMAND" replace --force-init --drain 60 "$server" "$BUILD/examples/server" "$PORT" 127.0.0.1 >first.log 2>&1 7>&- &
first=$!
until grep -q "waiting for the old" first.log || ! kill -0 "$first"; do sleep 0.05; done
"$COMMAND" replace --force-init "$server" true
unshare -m sh -c 'mount -t proc proc /proc && exec "$@"' sh "$COMMAND" replace --force-init "$server" true
echo "$server $first"
END
    local server first
    server_that_waits
    run env COMMAND="$COMMAND" BUILD="$BUILD" PORT="$PORT" unshare -pmf --mount-proc bash both.sh 3>&-
    echo "$output"
    read -r server first <<<"${lines[-1]}"
    [ "$(grep -c "replace: pid $server is part of a replacement under way, by pid $first" <<<"$output")" = 2 ]
}

@test "where the lock cannot be had a line says so, and --strict refuses" {
    need_root
    need_unshare -m
    local why
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    why="cannot tell whether another command is replacing pid $SERVER: /proc is not that of this PID namespace"
    masked() { run unshare -m sh -c 'mount --bind /dev/null "/proc/$0/environ" && exec "$@"' "$SERVER" "$COMMAND" replace "$@"; }
    masked --strict "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    [ "$status" = 125 ]
    [ "${lines[-1]}" = "reuseport: replace: --strict: $why" ]
    run "$COMMAND" list "$PORT"
    [[ ${lines[1]} == *" no "* ]]
    masked "$SERVER" sh -c 'exit 3'
    [[ $output == *"reuseport: replace: $why"*"sh ended with status 3"* ]]
}

# A TCP server that has a UDP client, unconnected, as resolvers have, on the port in the file client.
server_with_client() {
    cat >client.py <<'END'
import os, socket, sys
tcp = socket.create_server(("127.0.0.1", int(sys.argv[1])))
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(b"query", ("127.0.0.1", 9))
with open("client.new", "w") as file:
    print(client.getsockname()[1], file=file)
os.rename("client.new", "client")
while True:
    peer = tcp.accept()[0]
    peer.send(b"pid %d\n" % os.getpid())
    peer.close()
END
    rm -f client
    start /usr/bin/python3 client.py "$PORT"
    wait_until [ -s client ]
}

@test "a UDP client of the server is left out, with a line, unless -p names its port" {
    local client
    server_with_client
    client=$(<client)
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    grep -qF "replace: leaving out $client/udp, as net.ipv4.ip_local_port_range is for clients; name a server's ports with -p" replace.log
    kill "$SERVER"

    server_with_client
    client=$(<client)
    run "$COMMAND" replace --start-timeout 1 -p "$PORT,$client" "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    [ "$status" = 125 ]
    [[ $output != *"leaving out"* ]]
    run "$COMMAND" replace -p 1-99 "$SERVER" true
    [[ $output == *"hold no such port"* ]]
}

@test "ports below the range of clients, and reserved ones in it, are servers' also for UDP" {
    need_root
    need_unshare -n
    cat >udp.py <<'END'
import socket, sys, time
servers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in sys.argv[1:]]
for server, port in zip(servers, sys.argv[1:]):
    server.bind(("127.0.0.1", int(port)))
time.sleep(600)
END
    cat >inside.sh <<'END'
ip link set lo up
sysctl -qw net.ipv4.ip_local_port_range="30000 31000" net.ipv4.ip_local_reserved_ports="30005,30007-30009"
/usr/bin/python3 udp.py 29999 30000 30005 30008 31000 31001 &
until [ "$(ss -Huan | wc -l)" = 6 ]; do sleep 0.05; done
"$COMMAND" replace --force-init --start-timeout 1 $! sh -c 'echo "$REUSEPORT_PORTS" >ports; exec sleep 600'
/usr/bin/python3 udp.py 30500 &
until [ "$(ss -Huan | wc -l)" = 7 ]; do sleep 0.05; done
"$COMMAND" replace $! true
END
    run env COMMAND="$COMMAND" unshare -npf --mount-proc --kill-child bash inside.sh 3>&-
    echo "$output"
    [ "$(<ports)" = 29999/udp,30005/udp,30008/udp,31001/udp ]
    grep -q "leaving out 30000/udp, 31000/udp, as net.ipv4" <<<"$output"
    [[ ${lines[-1]} == *"hold no other port that this process may see" ]]
}

# A server that writes a line to standard output and error, then serves.
talking_server() {
    cat >talks.sh <<'END'
echo "output of $$"
echo "error of $$" >&2
exec "$0" "$@"
END
}

@test "--output: COMMAND writes to the file, which nobody else can read, and whoever reads replace's pipe sees its end" {
    local pid options answer
    talking_server
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo before >file
    for options in '-m preload' '-n 2' '-m seccomp'; do
        # shellcheck disable=SC2086 # several words
        answer=$(umask 0; exec 3>&-; timeout 60 "$COMMAND" replace $options --output=file "$SERVER" sh -c "$(<talks.sh)" \
            "$BUILD/examples/server" "$PORT" 127.0.0.1 2>&1 | cat; echo "status ${PIPESTATUS[0]}")
        echo "$answer"
        [[ $answer == *"status 0" && $answer != *"is a pipe"* && $answer != *"output of"* ]]
        pid=$(on_port | head -n 1)
        PIDS+=("$pid")
        grep -qx "output of $pid" file
        grep -qx "error of $pid" file
        SERVER=$(grep -o '^pid [0-9]*' <<<"$(grep 'has replaced' <<<"$answer")" | cut -d' ' -f2)
        PIDS+=("$SERVER")
    done
    [ "$(head -n 1 file)" = before ]
    rm file
    answer=$(umask 0; exec 3>&-; timeout 60 "$COMMAND" replace --output file "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1 2>&1 | cat)
    [ "$(stat -c %a file)" = 600 ]
    PIDS+=("$(on_port)")
    # Offset and flags of the server's own standard output: appending, and no descriptor besides.
    pid=$(on_port)
    grep -q '^flags:.*2001$' "/proc/$pid/fdinfo/1"
    [ "$(find "/proc/$pid/fd" -lname "$PWD/file" | wc -l)" = 2 ]
}

@test "--output refuses a symbolic link, a directory and a FIFO without a reader before anything is changed" {
    local file
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    ln -s target link
    mkfifo fifo
    for file in 'link: Too many levels of symbolic links' '/: Is a directory' 'fifo: No such device or address' \
        'none/file: No such file or directory' ': No such file or directory'; do
        run timeout 10 "$COMMAND" replace --output="${file%%: *}" "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
        echo "$output"
        [ "$status $output" = "125 reuseport: replace: $file" ]
    done
    [ ! -e target ]
    run "$COMMAND" list "$PORT"
    [[ ${lines[1]} == *" $SERVER "*" no "* ]]
}

@test "without --output, a pipe is warned of beforehand, and a file is not" {
    local text
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    replace_to() { "$COMMAND" replace "$@" "$SERVER" sh -c 'exit 3' || true; }
    for text in 'standard output and error is a pipe' 'standard output is a pipe' 'standard error is a pipe'; do
        case $text in
        *'output and'*) replace_to 2>&1 | cat >said ;;
        *output*) replace_to 2>said | cat ;;
        *) { replace_to 2>&1 >/dev/null | cat >said; } ;;
        esac
        cat said
        [ "$(head -n 1 said)" = "reuseport: replace: $text, which the new server keeps open, so its reader sees no end of file; use --output=FILE" ]
    done
    replace_to >said 2>&1
    run ! grep pipe said
    replace_to --foreground 2>&1 | cat >said
    run ! grep pipe said
    replace_to --output=file 2>&1 | cat >said
    run ! grep pipe said
}

# need_bpf: the right to load a program.
need_bpf() {
    timeout 0.2 "$PROBES/programmed" "$PORT" reuseport 2>/dev/null || [ $? = 124 ] || missing "the right to load BPF programs"
}

@test "a server that holds a BPF program for groups is warned of, and refused with --strict; one with another is not" {
    need_bpf
    local type name
    for type in reuseport filter; do
        name=$(if [ "$type" = filter ]; then echo socket_filter; else echo sk_reuseport; fi)
        # In a child of PID, too.
        start sh -c 'trap "kill \$!; exit" TERM; "$0" "$@" & wait' "$PROBES/programmed" "$PORT" "$type"
        run "$COMMAND" replace --strict "$SERVER" sh -c 'touch started'
        echo "$output"
        [ "$status $(on_port)" = "125 $(pgrep -P "$SERVER")" ]
        [ "${lines[-1]}" = "reuseport: replace: --strict: pid $(on_port) (programmed) holds a BPF program ($name); if it is attached to these ports, steering replaces it (see --no-steer)" ]
        [ ! -e started ]
        PIDS+=("$(on_port)")
        replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
        grep -q "holds a BPF program ($name)" replace.log
        kill "$SERVER" "${PIDS[@]}" 2>/dev/null || true
        wait_until_ended "$SERVER"
    done
    start "$PROBES/programmed" "$PORT" classic
    replace --strict -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    run ! grep 'BPF program' replace.log
}

@test "--no-steer leaves the server's own program to the group, and says what may be lost" {
    local steer third
    for steer in '' --no-steer; do
        start "$PROBES/programmed" "$PORT" classic
        replace $steer -- "$BUILD/examples/server" "$PORT" 127.0.0.1
        cat replace.log
        spawn third shared "$BUILD/examples/server" "$PORT" 127.0.0.1
        third=$PID
        wait_until listeners_are "$PORT" 2
        run python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 200
        echo "$output"
        # Number 0, which the program sends everything to, is now the newcomer's.
        if [ "$steer" ]; then
            [ "$output" = "$SERVER 200" ]
            grep -q 'replace: --no-steer: pid [0-9]* gets its share of new connections until it ends, and what it has not accepted by then is lost (net.ipv4.tcp_migrate_req is 0)' replace.log
        else
            [ "${#lines[@]}" = 2 ]
        fi
        kill "$SERVER" "$third"
        wait_until listeners_are "$PORT" 0
    done
}

@test "--no-steer: both servers get connections, and the old one is signalled when its own have ended" {
    hold_up --no-steer -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    run python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 200
    echo "$output"
    [ "${#lines[@]}" = 2 ]
    kill -0 "$SERVER"
    exec {KEPT}>&-
    wait "$FIRST"
    grep -q "has replaced pid $SERVER" "$(log first)"
}

@test "--no-steer and --strict: refused, unless what waits is TCP and migrates" {
    need_root
    need_unshare -n
    cat >inside.sh <<'END'
ip link set lo up
"$BUILD/examples/server" 1 127.0.0.1 >/dev/null &
until [ "$(ss -Htln | wc -l)" = 1 ]; do sleep 0.05; done
"$COMMAND" replace --force-init --strict --no-steer --output=/dev/null $! "$BUILD/examples/server" 1 127.0.0.1
echo "$? $(pgrep -fc "server 1 127")"
sysctl -qw net.ipv4.tcp_migrate_req=1
"$COMMAND" replace --force-init --strict --no-steer --output=/dev/null $! "$BUILD/examples/server" 1 127.0.0.1
echo "$? $(pgrep -fc "server 1 127")"
END
    run --separate-stderr env COMMAND="$COMMAND" BUILD="$BUILD" unshare -npf --mount-proc --kill-child bash inside.sh 3>&-
    echo "$output / $stderr"
    [ "${lines[0]}" = "125 1" ]
    [[ ${lines[1]} == "pid "*"has replaced pid "* ]]
    [ "${lines[2]}" = "0 1" ]
    [[ $stderr == *"replace: --strict: --no-steer: pid "*"replace: --no-steer: pid "*" goes to the new server (net.ipv4.tcp_migrate_req is 1)"* ]]
}

# rehearse STATUS OPTION... PID COMMAND...: --dry-run and the real thing end with that status after the same line.
rehearse() {
    local expected=$1 real
    shift
    run "-$expected" "$COMMAND" replace "$@"
    real=${lines[-1]}
    run "-$expected" "$COMMAND" replace --dry-run "$@"
    echo "$real / $output"
    [ "${lines[-1]}" = "$real" ]
    [[ $output != *would* ]]
}

@test "--dry-run refuses what would be refused, with the same line and status" {
    local locked
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    rehearse 125 4194305 true
    # One that has ended and that nobody has waited for, too.
    spawn parent /usr/bin/python3 -c 'import os, time; print(os.fork() or os._exit(0), flush=True); time.sleep(600)'
    wait_until test -s "$(log parent)"
    wait_until grep -q '^State:.Z' "/proc/$(<"$(log parent)")/status"
    rehearse 125 "$(<"$(log parent)")" true
    [[ $output == *": there is no such process" ]]
    rehearse 125 $$ true
    rehearse 125 -p 1-99 "$SERVER" true
    rehearse 125 -p x "$SERVER" true
    rehearse 127 "$SERVER" no-such-command
    rehearse 126 "$SERVER" /
    rehearse 125 -m preload "$SERVER" "$PROBES/static-probe"
    rehearse 125 --strict --no-steer "$SERVER" true
    ln -s target link
    rehearse 125 --output=link "$SERVER" true
    rehearse 125 --output=none/file "$SERVER" true
    exec {locked}<"/proc/$SERVER/environ"
    flock "$locked"
    rehearse 125 "$SERVER" true
    exec {locked}<&-
}

@test "--dry-run, too, refuses where no descriptor can be had, unless the port is shared already" {
    need strace
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    cat >filtered <<END
#!/bin/sh
exec strace -o /dev/null -e trace=pidfd_getfd -e inject=pidfd_getfd:error=EPERM "$COMMAND" "\$@"
END
    chmod 755 filtered
    COMMAND=$PWD/filtered
    rehearse 125 "$SERVER" true
    kill "$SERVER"
    wait_until listeners_are "$PORT" 0
    start env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$BUILD/examples/server" "$PORT" 127.0.0.1
    run "$COMMAND" replace --dry-run --output=log "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$output"
    [ "$status" = 0 ]
    [[ $output == *"would switch SO_REUSEPORT on in 0 of its 1 sockets"* ]]
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
}

@test "--dry-run, too, refuses another user's server" {
    need_root
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    cat >as-nobody <<END
#!/bin/sh
exec setpriv --reuid 65534 --clear-groups "$COMMAND" "\$@"
END
    chmod 755 as-nobody
    COMMAND=$PWD/as-nobody
    rehearse 125 "$SERVER" true
}

@test "a server of 64 ports can be replaced, each named once, and one of 65 in parts only" {
    local count
    cat >many.py <<'END'
import signal, socket, sys
kept = []
def serve(address, port):
    kept.append(socket.socket())
    kept[-1].bind((address, port))
    kept[-1].listen()
    return kept[-1].getsockname()[1]
for _ in range(int(sys.argv[1])):
    port = serve("127.0.0.1", 0)
    try:
        serve("127.0.0.2", port)
    except OSError:  # somebody else's on all addresses
        pass
print("listens", flush=True)
signal.pause()
END
    for count in 64 65; do
        spawn "many$count" /usr/bin/python3 many.py "$count"
        wait_until grep -q listens "$(log "many$count")"
        run "$COMMAND" replace --dry-run "$PID" sh
        echo "$output"
        if [ "$count" = 64 ]; then
            [ "$status" = 0 ]
            [ "$(sed -n 's/^would start sh, sharing \(.*\) by -m preload$/\1/p' <<<"$output" | tr , '\n' | sort -u | wc -l)" = 64 ]
        else
            [ "$status" = 125 ]
            [[ $output == *"reuseport: replace: more than 64 ports; choose with -p" ]]
        fi
    done
}

@test "--dry-run says what would be done, and changes nothing" {
    need strace
    local other kept before
    # A program of their own sends everything to the first of two servers.
    start "$PROBES/programmed" "$PORT" classic
    spawn other shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    other=$PID
    wait_until listeners_are "$PORT" 2
    before=$("$COMMAND" list "$PORT")
    run --separate-stderr strace -f -o trace -e trace=setsockopt,bind,connect,kill,pidfd_send_signal "$COMMAND" replace --dry-run \
        -n 2 -s QUIT --drain 7 --kill --output=new "$SERVER" sh -c 'touch started'
    echo "$output / $stderr"
    [ "$status" = 0 ]
    diff - <(echo "$output") <<END
would replace pid $SERVER (programmed) on 127.0.0.1:$PORT/tcp
would switch SO_REUSEPORT on in 0 of its 1 sockets
would start 2 copies of sh, sharing $PORT/tcp by -m preload
would wait at most 30 s until it listens there
would send new connections to it alone
would wait at most 7 s for connections of pid $SERVER to end; now: 0
would send signal 3 (Quit) to pid $SERVER and wait at most 30 s for its end, then send KILL
nothing has been changed; whether the new server comes up, and on which addresses, is not known beforehand
END
    [ -z "$stderr" ]
    [ ! -e started ]
    [ ! -e new ]
    [ "$before" = "$("$COMMAND" list "$PORT")" ]
    run python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 50
    [ "$output" = "$SERVER 50" ]
    run ! grep -E 'SO_(REUSEPORT|ATTACH|DETACH|BINDTO)|AF_INET|kill\(|pidfd_send_signal' trace
    is_free "$SERVER"
}

in_time_wait() {
    [ "$(ss -Htan state time-wait "sport = :$PORT" | wc -l)" = "$1" ]
}

@test "--dry-run leaves the option as it is, and counts sockets and connections" {
    local kept closed
    server_that_waits
    start /usr/bin/python3 waits.py "$PORT"
    exec {kept}<>"/dev/tcp/127.0.0.1/$PORT" {closed}<>"/dev/tcp/127.0.0.1/$PORT"
    read -r -u "$kept" _
    printf x >&"$closed"
    cat <&"$closed"
    exec {closed}>&-
    wait_until in_time_wait 1
    run "$COMMAND" replace --dry-run --no-steer --foreground --signal=15 --drain=86400 --ready='touch asked' "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$output"
    [ "$status" = 0 ]
    [[ $output == *"would switch SO_REUSEPORT on in 1 of its 1 sockets"* ]]
    [[ $output == *"would wait at most 65 s for connections that block a bind, unless both servers set SO_REUSEADDR; now: 1"* ]]
    [[ $output == *"for connections of pid $SERVER to end; now: 1"* ]]
    [[ $output == *"would stay until the new server ends"* ]]
    [[ $output != *"would send new connections"* ]]
    [[ $output == *"until it listens there and --ready's command line ends with 0"* ]]
    [ ! -e asked ]
    [[ $output == *"would wait at most 86400 s for connections"*"would send signal 15 (Terminated)"* ]]
    run "$COMMAND" replace --dry-run --signal=9 --drain=0 --ready=notify "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    [[ $status = 0 && $output == *"until it listens there and says READY=1"* ]]
    [[ $output == *"would wait at most 0 s for connections"*"would send signal 9 (Killed)"* ]]
    run "$COMMAND" list "$PORT"
    [[ ${lines[1]} == *" $SERVER "*" no "* ]]
    exec {kept}>&-
}

@test "a lock that another process of the server's user shares is named, too" {
    need flock
    spawn old "$BUILD/examples/server" "$PORT" 127.0.0.1
    SERVER=$PID
    wait_until listens "$PORT"
    spawn locker flock -F -s "/proc/$SERVER/environ" tail -f /dev/null
    wait_until grep -qx tail "/proc/$PID/comm"
    run "$COMMAND" replace "$SERVER" true
    [ "$status $output" = "125 reuseport: replace: pid $SERVER is part of a replacement under way, by pid $PID (tail)" ]
    kill -KILL "$PID"
}
