#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # AS and SERVER are replacement.bash's
# The section SECURITY of libreuseport(7): a table of the tests that hold its sentences, and those tests that no
# other file has. Their titles are the sentences.

load replacement

# of_section: the sentences of the section, one a line.
of_section() {
    mandoc -T ascii -O width=300 "$ROOT/shim/doc/libreuseport.7" | col -bx |
        awk '/^[A-Z]/ { inside = $0 == "SECURITY" }
             inside && /^     / { text = text $0; next }
             text { print text; text = "" }' |
        sed -e "s/\. \+\([A-Z]\|adopt \)/.\n\1/g" | sed 's/ \+/ /g; s/^ //; s/ $//'
}

# sentence | file that has the test | words of its title; "own" is this file, with the sentence for a title
holders() {
    cat <<'END'
Any process of a shared port's user can join the port, with this library or without it, and then receives a share of its connections. | own
A process of another user cannot, root included, unless it changes its user. | own
The exception is UDP where both sockets have SO_REUSEADDR, which the library never sets there. | own
Sharing does not open privileged ports: those below net.ipv4.ip_unprivileged_port_start still require CAP_NET_BIND_SERVICE. | own
The list is not access control: a program may set the option itself on a port that no entry names. | own
In secure-execution mode (AT_SECURE) the library ignores every variable. | effect | a secure-execution process ignores every variable
The watcher has the rights of the user who started it. | own
It reads the memory and duplicates the descriptors of no program but the one that asks, and only while its call waits. | seccomp | each look into the program is followed by the question whether its call still waits
It reads the memory and duplicates the descriptors of no program but the one that asks, and only while its call waits. | seccomp | a program that is killed while it is watched, and whose PID becomes another's, leaves that alone
About the process that holds a port, it tells the program only what that could find out itself. | hostile | the watcher tells a program of a process only what it may see itself
If a program holds it up for more than 2 seconds, another watcher replaces it. | seccomp | one that is held up for too long is replaced
A user who does that repeatedly ties up four watchers, and keeps the binds of others waiting for less than 4 seconds. | hostile | who freezes watchers repeatedly ties up four, and keeps others waiting for less than 4 seconds
A process of the watcher's user can kill it, with the same effect. | seccomp | the watcher killed before and during a bind, and the guard: each bind is shared
Without CAP_SYS_ADMIN the program runs with no_new_privs. | seccomp | as an ordinary user, who takes no_new_privs, and as root, who does not
A program that is set-user-ID is refused. | seccomp | set-user-id programs, and for others than root file capabilities, are refused with a way out
Both act with the caller's rights; without CAP_SYS_PTRACE they refuse another user's server. | adopt | it refuses another user's server, and one that Yama or its own wish protects
Both act with the caller's rights; without CAP_SYS_PTRACE they refuse another user's server. | replace | another user's server is refused, with the reason
A process of the server's user can replace the server. | own
The new server has the caller's rights, not those of the server that it replaces. | own
A process's name never decides which server it belongs to. | identity | a name that makes its bearer a child of replace does not make it the new server
A process's name never decides which server it belongs to. | identity | a name that makes its bearer a descendant of the old server does not give that its ports
adopt changes only the sockets of the port that it is given. | adopt | --undo switches it off again, and only what was named is touched
END
}

@test "each sentence of the section has a test, and each test of the table exists" {
    need mandoc col
    local sentence file title
    diff <(of_section) <(holders | sed 's/ | .*//' | uniq)
    while IFS='|' read -r sentence file title; do
        file=${file// /}
        if [ "$file" = own ]; then
            title=${sentence% }
            file=security
        fi
        echo "$file: $title"
        grep '^@test ' "$BATS_TEST_DIRNAME/$file.bats" | grep -qF -- "${title# }"
    done < <(holders)
}

# as UID COMMAND...: the command as that user and group.
as() {
    setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
}

@test "Any process of a shared port's user can join the port, with this library or without it, and then receives a share of its connections." {
    need_root
    local server uid=64731
    # Not by as(): the PID is to be the server's.
    spawn one shared setpriv --reuid $uid --clear-groups "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn two shared setpriv --reuid $uid --clear-groups "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn stranger setpriv --reuid $uid --clear-groups /usr/bin/python3 -c '
import os, socket, sys
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen(64)
while True:
    connection, _ = server.accept()
    connection.send(b"pid %d\n" % os.getpid())
    connection.close()' "$PORT"
    wait_until listeners_are "$PORT" 3
    run "$BUILD/examples/client" "$PORT" 100
    echo "$output"
    for server in "${PIDS[@]}"; do
        grep -E "^pid $server +[1-9]" <<<"$output"
    done
}

@test "A process of another user cannot, root included, unless it changes its user." {
    need_root
    local user
    spawn server shared setpriv --reuid 64731 --clear-groups "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    for user in 0 64732; do
        run as $user env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe" \
            socket tcp4 bind 127.0.0.1 "$PORT" get
        echo "$user: $output"
        [[ $output == *"bind=Address already in use"* ]]
    done
    # Root as its user may.
    run as 64731 env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    [[ $output == "bind=ok" ]]
}

@test "The exception is UDP where both sockets have SO_REUSEADDR, which the library never sets there." {
    need_root
    local first second
    # The program's own SO_REUSEADDR, of the holder and of another user's socket.
    for first in 0 1; do
        for second in 0 1; do
            spawn holder shared env REUSEPORT_REUSEADDR=1 setpriv --reuid 64731 --clear-groups \
                "$PROBES/probe" socket udp4 reuseaddr $first bind 127.0.0.1 "$PORT" get pause
            wait_until bound_udp_are "$PORT" 1
            wait_until grep -x "reuseaddr=$first" "$(log holder)"
            run as 64732 env REUSEPORT_PORTS="$PORT" REUSEPORT_REUSEADDR=1 LD_PRELOAD="$LIBRARY" \
                "$PROBES/probe" socket udp4 reuseaddr $second bind 127.0.0.1 "$PORT"
            echo "$first $second: $output"
            if [ $first$second = 11 ]; then
                [ "$output" = "bind=ok" ]
            else
                [[ $output == *"bind=Address already in use"* ]]
            fi
            stop_all
        done
    done
}

@test "Sharing does not open privileged ports: those below net.ipv4.ip_unprivileged_port_start still require CAP_NET_BIND_SERVICE." {
    need_root
    need_unshare -n
    local method start expected
    for method in preload seccomp; do
        for start in 1501 1500; do
            expected="bind=ok"
            [ "$start" = 1500 ] || expected="bind=Permission denied"
            # shellcheck disable=SC2016 # for that shell
            run unshare -n sh -euc '
                ip link set lo up
                echo "$1" >/proc/sys/net/ipv4/ip_unprivileged_port_start
                shift
                exec "$@"' - "$start" setpriv --reuid 64731 --clear-groups \
                "$COMMAND" run -m "$method" -p 1500 "$PROBES/probe" socket tcp4 bind 127.0.0.1 1500
            echo "$method, $start: $output"
            [ "$output" = "$expected" ]
        done
    done
}

@test "The list is not access control: a program may set the option itself on a port that no entry names." {
    local method
    for method in preload seccomp; do
        run "$COMMAND" run -m $method -p 1 "$PROBES/probe" socket tcp4 reuseport 1 bind 127.0.0.1 "$PORT" get
        echo "$method: $output"
        [[ $output == "bind=ok"$'\n'"reuseport=1"* ]]
    done
}

@test "The watcher has the rights of the user who started it." {
    need_root
    local pid watchers
    spawn program setpriv --reuid 64731 --regid 64731 --clear-groups "$COMMAND" run -m seccomp -p "$PORT" \
        "$PROBES/static-probe" socket tcp4 bind 127.0.0.1 "$PORT" listen pause
    wait_until listens "$PORT"
    watchers=$(grep -lsx reuseport-watch /proc/[0-9]*/comm | grep -o '[0-9]*')
    for pid in $watchers; do
        grep -qszxF "BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR" "/proc/$pid/environ" || continue
        grep -E '^([UG]id|CapEff):' "/proc/$pid/status" | tr '\t' ' ' >>rights
    done
    cat rights
    [ "$(sort rights | uniq -c | tr -s ' ')" = " 2 CapEff: 0000000000000000
 2 Gid: 64731 64731 64731 64731
 2 Uid: 64731 64731 64731 64731" ]
}

@test "A process of the server's user can replace the server." {
    need_root
    [ "$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)" = 0 ] || missing "kernel.yama.ptrace_scope 0"
    local old
    AS=(setpriv --reuid 64731 --regid 64731 --clear-groups)
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    old=$SERVER
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    [ "$SERVER" != "$old" ]
    run "$BUILD/examples/client" "$PORT" 20
    echo "$output"
    [[ ${#lines[@]} = 1 && $output == "pid $SERVER "* ]]
}

@test "The new server has the caller's rights, not those of the server that it replaces." {
    need_root
    AS=(setpriv --reuid 64731 --regid 64731 --clear-groups)
    start "$BUILD/examples/server" "$PORT" 127.0.0.1
    # As root, whom the kernel therefore refuses the port.
    run timeout 60 "$COMMAND" replace "$SERVER" sh -c 'id -u >user; exec "$@"' - "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$output"
    [ "$status" != 0 ]
    [ "$(<user)" = 0 ]
    run "$BUILD/examples/client" "$PORT" 20
    [[ ${#lines[@]} = 1 && $output == "pid $SERVER "* ]]
}
