#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Why a bind to a shared port was refused: the kernel's rule of one user to a port, and what the library
# says of it.

load helpers

setup() {
    lease_port PORT
}

@test "a copy of another user is refused by the kernel, and the message names both users" {
    need_root
    spawn holder shared "$BUILD/examples/server" "$PORT" 127.0.0.1 65534
    wait_until listens "$PORT"
    refused "127.0.0.1:$PORT/tcp: in use by pid $PID (server) of user nobody; only sockets of one user share a port (this one is of user root)" \
        shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    refused "0.0.0.0:$PORT/tcp: in use by user nobody; only sockets of one user share a port (this one is of uid 4711); its process is not visible to this one" \
        shared "$PROBES/probe" user 4711 socket tcp4 bind 0.0.0.0 "$PORT"
    # Both of one user after they gave up root.
    spawn second shared "$BUILD/examples/server" "$PORT" 127.0.0.1 65534
    wait_until listeners_are "$PORT" 2
}

@test "the users are those who created the sockets, whoever binds" {
    need_root
    spawn holder shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    refused "127.0.0.1:$PORT/tcp: in use by pid $PID (server) of user root; only sockets of one user share a port (this one is of user nobody)" \
        shared "$PROBES/probe" euser 65534 socket tcp4 euser 0 bind 127.0.0.1 "$PORT"
    # Before Linux 4.11 nobody tells: the process's user stands for the socket's.
    refused "127.0.0.1:$PORT/tcp: in use by user root; only sockets of one user share a port (this one is of uid 4711); its process is not visible to this one" \
        "$PROBES/without" statx env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe" \
        user 4711 socket tcp4 bind 127.0.0.1 "$PORT"
}

# bats test_tags=sanitized
@test "a UDP port of another user, on IPv6" {
    need_root
    spawn holder shared "$PROBES/probe" user 65534 socket udp6 bind ::1 "$PORT" pause
    wait_until bound_udp_are "$PORT" 1
    refused "[::1]:$PORT/udp: in use by pid $PID (probe) of user nobody; only sockets of one user share a port (this one is of user root)" \
        shared "$PROBES/probe" socket udp6 bind ::1 "$PORT"
}

# bats test_tags=sanitized
@test "a holder of the same user that does not share is named, with what would let this one in" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    refused "127.0.0.1:$PORT/tcp: in use by pid $PID (server), whose socket does not share it; \"reuseport adopt $PORT\" lets this one in" \
        shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    spawn udp "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT" pause
    wait_until bound_udp_are "$PORT" 1
    refused "127.0.0.1:$PORT/udp: in use by pid $PID (probe), whose socket does not share it; \"reuseport adopt $PORT/udp\" lets this one in" \
        shared "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT"
}

@test "connections that outlived a server which did not share are told from a server" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    "$BUILD/examples/client" "$PORT" 3
    stop_all
    refused "127.0.0.1:$PORT/tcp: in use by connections that outlived their server; wait a minute, or give both servers REUSEPORT_REUSEADDR=1" \
        shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
}

# twelve: the probe's steps for so many binds that are refused.
twelve() {
    local i
    for ((i = 0; i < 12; i++)); do printf 'socket tcp4 bind 127.0.0.1 %s close ' "$PORT"; done
}

# told_once LINE...: the lines tell in full once, eight times in short, once that they end, and no more.
told_once() {
    local bind="libreuseport: bind 127.0.0.1:$PORT/tcp: in use" line
    printf '%s\n' "$@"
    [ $# = 10 ]
    [[ $1 == "$bind by "*"adopt $PORT"* ]]
    for line in "${@:2:8}"; do [ "$line" = "$bind" ]; done
    [ "${10}" = "$bind; no more of these are reported" ]
}

# bats test_tags=sanitized
@test "a process tells in full of the first refused bind, in short of nine more, then of none" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    # shellcheck disable=SC2046 # words
    run --separate-stderr shared "$PROBES/probe" $(twelve)
    [ "$(grep -c '^bind=Address already in use$' <<<"$output")" = 12 ]
    told_once "${stderr_lines[@]}"
    REUSEPORT_LOG=off run --separate-stderr shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    [[ $output == *"already in use"* && -z $stderr ]]
    # Nor of a port that the list denies: it was not to be shared.
    REUSEPORT_PORTS="!$PORT" run --separate-stderr shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    [[ $output == *"already in use"* && -z $stderr ]]
}

# bats test_tags=sanitized
@test "the short form names address, port and protocol of the bind that it is about" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn udp "$PROBES/probe" socket udp6 bind ::1 "$PORT" pause
    wait_until listens "$PORT"
    wait_until bound_udp_are "$PORT" 1
    run --separate-stderr shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" socket udp6 bind ::1 "$PORT"
    [ "${#stderr_lines[@]}" = 2 ]
    [ "${stderr_lines[1]}" = "libreuseport: bind [::1]:$PORT/udp: in use" ]
}

@test "where a program tries one taken port after the other, all but the first bind cost next to nothing" {
    need_root
    need_unshare -n
    # 300 ports of a machine with 20 000 connections.
    spawn crowd unshare -n sh -c 'ip link set lo up && exec "$0" 300 10000' "$PROBES/crowd"
    wait_until grep -q ready "$(log crowd)"
    local steps=() port
    for ((port = 20000; port < 20300; port++)); do steps+=(socket tcp4 bind 127.0.0.1 "$port" close); done
    run --separate-stderr nsenter -t "$PID" -n env REUSEPORT_PORTS=all LD_PRELOAD="$LIBRARY" "$PROBES/probe" \
        socket tcp4 bind 127.0.0.1 20000 cpu "${steps[@]}" cpu
    [ "$(grep -c '^bind=Address already in use$' <<<"$output")" = 301 ]
    [ "${#stderr_lines[@]}" = 10 ]
    echo "${lines[-1]} for 300"
    [ "${lines[-1]#cpu=}" -lt 30000 ] # 100 microseconds each; one explanation alone may take 5 000
}

# among_many COMMAND...: a bind is refused that COMMAND holds the port of, in a PID namespace where nine
# processes with 3 000 descriptors each come first.
among_many() {
    unshare -p -f --mount-proc bash -c '
        for i in 1 2 3 4 5 6 7 8 9; do
            prlimit --nofile=4000:4000 "$0" descriptors 3000 pause &
            until [ "$(ls /proc/$!/fd | wc -l)" -gt 3000 ]; do sleep 0.02; done
        done
        "$@" &
        until [ -n "$(ss -Htln "sport = :$PORT")" ]; do sleep 0.02; done
        env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$0" socket tcp4 cpu bind 127.0.0.1 "$PORT" cpu
        kill $(jobs -p)' "$PROBES/probe" "$@"
}

@test "the explanation takes at most 5 ms of CPU time, and says what it did not find out within them" {
    need_root
    need_unshare -p -f --mount-proc
    export PORT LIBRARY
    # Its listener comes after its own many descriptors and those of the others.
    run --separate-stderr among_many prlimit --nofile=4000:4000 "$PROBES/probe" descriptors 3000 \
        socket tcp4 bind 127.0.0.1 "$PORT" listen pause
    echo "$output / $stderr"
    [ "$stderr" = "libreuseport: bind 127.0.0.1:$PORT/tcp: in use by user root, whose socket does not share it; \"reuseport adopt $PORT\" lets this one in; its process was not found within 5 ms" ]
    local cpu=${output##*cpu=} try
    [ "$cpu" -gt 2000 ]
    # What takes the CPU from a virtual machine counts as the thread's.
    for try in 1 2 3 4; do
        [ "$cpu" -gt 5000 ] || break
        run among_many prlimit --nofile=4000:4000 "$PROBES/probe" descriptors 3000 \
            socket tcp4 bind 127.0.0.1 "$PORT" listen pause
        cpu=${output##*cpu=}
        echo "try $try: $cpu"
    done
    [ "$cpu" -le 5000 ]
}

# bats test_tags=sanitized
@test "where a sandbox forbids the clock of CPU time, nothing is looked for" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    refused "127.0.0.1:$PORT/tcp: in use; its holder was not found within 5 ms" \
        "$PROBES/without" clock env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" \
        "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
}

@test "the low descriptors of all processes are looked at before the high ones of any" {
    need_root
    need_unshare -p -f --mount-proc
    export PORT LIBRARY
    run --separate-stderr among_many "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen pause
    echo "$output / $stderr"
    [[ $stderr == *": in use by pid "*" (probe), whose socket does not share it;"*"lets this one in" ]]
}

# bats test_tags=sanitized
@test "a holder outside the container is to be adopted on the host, and one inside from here" {
    need_root
    need_unshare -p -f --mount-proc
    spawn out "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    refused "127.0.0.1:$PORT/tcp: in use by user root, whose socket does not share it; run \"reuseport adopt $PORT\" on the host; its process is not visible to this one" \
        shared unshare -p -f --mount-proc "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    stop_all
    run unshare -p -f --mount-proc sh -c '
        "$1" socket tcp4 bind 127.0.0.1 "$2" listen pause >/dev/null 3>&- &
        until grep -q "$(printf ":%04X " "$2")" /proc/net/tcp; do sleep 0.05; done
        REUSEPORT_PORTS=$2 LD_PRELOAD=$3 "$1" socket tcp4 bind 127.0.0.1 "$2"
        kill $!' sh "$PROBES/probe" "$PORT" "$LIBRARY"
    echo "$output"
    [[ $output == *"(probe), whose socket does not share it; \"reuseport adopt $PORT\" lets this one in"* ]]
}

@test "a user whom the user namespace does not map is one outside the container, not nobody" {
    need_root
    need_unshare -U -r -p -f --mount-proc
    spawn out setpriv --reuid 4711 --clear-groups "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    refused "127.0.0.1:$PORT/tcp: in use by a user outside this container; only sockets of one user share a port (this one is of user root); its process is not visible to this one" \
        shared unshare -U -r -p -f --mount-proc "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    run unshare -U -r "$BUILD/reuseport" adopt "$PORT"
    [[ $output == "reuseport: adopt: 127.0.0.1:$PORT/tcp: a socket of a user outside this container: "* ]]
    # Where the number is mapped, or in no namespace at all, it is a user like others.
    stop_all
    spawn nobody setpriv --reuid 65534 --clear-groups "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    run --separate-stderr shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    [[ $stderr == *" of user nobody; "* ]]
}

@test "a holder that is the process itself is told as that, and adopt is not advised" {
    REUSEPORT_PORTS="127.0.0.1:$PORT" refused \
        "127.0.0.1:$PORT/tcp: in use: this process holds it already, by a socket that does not share" \
        shared "$PROBES/probe" socket tcp4 bind 0.0.0.0 "$PORT" listen socket tcp4 bind 127.0.0.1 "$PORT"
    # Also by a descriptor that it opened late.
    REUSEPORT_PORTS="127.0.0.1:$PORT" refused \
        "127.0.0.1:$PORT/udp: in use: this process holds it already, by a socket that does not share" \
        shared "$PROBES/probe" descriptors 100 socket udp6 bind :: "$PORT" socket udp4 bind 127.0.0.1 "$PORT"
}

@test "a holder that is the process itself, before it changed its user" {
    need_root
    REUSEPORT_PORTS="127.0.0.1:$PORT" refused \
        "127.0.0.1:$PORT/tcp: in use: this process holds it already, by a socket of user root; only sockets of one user share a port (this one is of user nobody)" \
        shared "$PROBES/probe" socket tcp4 bind 0.0.0.0 "$PORT" listen euser 65534 socket tcp4 bind 127.0.0.1 "$PORT"
}

# refused_after CODE: what a bind to $PORT says after CODE has had the port held; in Python, by a child
# that lives until the process ends, if CODE starts one with child(hold_on).
refused_after() {
    run env REUSEPORT_PORTS="127.0.0.1:$PORT" LD_PRELOAD="$LIBRARY" python3 -c "
import os, socket, threading
ready, tell = os.pipe()
end, keep = os.pipe()
def hold():
    held = socket.socket()
    held.bind(('0.0.0.0', $PORT))
    held.listen()
    return held
def child(live):
    pid = os.fork()
    if not pid:
        try:
            os.close(keep)
        except OSError: # closed by the parent
            pass
        live()
        os._exit(0)
    return pid
def hold_on():
    held = hold()
    os.write(tell, b'x')
    os.read(end, 1)
$1
try:
    socket.socket().bind(('127.0.0.1', $PORT))
except OSError as error:
    print(error.strerror)
"
    echo "$output"
    [[ $output == *"Address already in use"* ]]
}

@test "a holder that is another thread of the process, its child or its grandchild" {
    refused_after 'thread = threading.Thread(target=lambda: globals().update(held=hold())); thread.start(); thread.join()'
    [ "${lines[0]}" = "libreuseport: bind 127.0.0.1:$PORT/tcp: in use: this process holds it already, by a socket that does not share" ]
    local code
    for code in 'child(hold_on)' 'child(lambda: os.waitpid(child(hold_on), 0))'; do
        refused_after "$code; os.read(ready, 1)"
        [[ ${lines[0]} =~ ^"libreuseport: bind 127.0.0.1:$PORT/tcp: in use: pid "[0-9]+" (python3), a descendant of this process, holds it already, by a socket that does not share"$ ]]
    done
}

@test "a holder that is the parent of the process is a stranger: it can be adopted" {
    refused_after 'held = hold()
if child := os.fork():
    os.waitpid(child, 0)
    os._exit(0)
held.close()'
    [[ ${lines[0]} == *"in use by pid "*" (python3), whose socket does not share it; "*"adopt $PORT"* ]]
}

@test "a holder whose name looks like a line of /proc/PID/status is no descendant by that" {
    # The refused process is there first, so that its PID is known.
    spawn refused bash -c 'until [ -e "$0" ]; do sleep 0.02; done; exec "$@"' "$BATS_TEST_TMPDIR/go" \
        env REUSEPORT_PORTS="127.0.0.1:$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    local refused=$PID
    spawn holder python3 -c '
import ctypes, socket, sys, time
held = socket.socket()
held.bind(("127.0.0.1", int(sys.argv[1])))
ctypes.CDLL(None).prctl(15, b"\nPPid:\t" + sys.argv[2].encode(), 0, 0, 0)
held.listen()
time.sleep(600)' "$PORT" "$refused"
    wait_until listens "$PORT"
    touch "$BATS_TEST_TMPDIR/go"
    wait "$refused"
    cat "$(log refused)"
    grep -qF "in use by pid $PID (\\nPPid:" "$(log refused)"
    grep -qF "adopt $PORT" "$(log refused)"
}

# watched LIST COMMAND...: by run -m seccomp.
watched() {
    REUSEPORT_PORTS=$1 run --separate-stderr "$BUILD/reuseport" run -m seccomp "${@:2}"
    echo "$output / $stderr"
}

@test "by seccomp, too, the holder may be the process itself, and each process is told in full once" {
    watched "127.0.0.1:$PORT" "$PROBES/static-probe" socket tcp4 bind 0.0.0.0 "$PORT" listen socket tcp4 bind 127.0.0.1 "$PORT"
    [ "$stderr" = "libreuseport: bind 127.0.0.1:$PORT/tcp: in use: this process holds it already, by a socket that does not share" ]
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    # shellcheck disable=SC2046 # words
    watched "$PORT" "$PROBES/static-probe" $(twelve)
    told_once "${stderr_lines[@]}"
    watched "$PORT" sh -c '"$@"; "$@"' sh "$PROBES/static-probe" socket tcp4 bind 127.0.0.1 "$PORT"
    [ "${#stderr_lines[@]}" = 2 ]
    [[ "${stderr_lines[0]}" = "${stderr_lines[1]}" && $stderr == *"in use by pid $PID "* ]]
}

@test "a TCP socket that is bound but does not listen is found, where the kernel shows it" {
    local version
    IFS=. read -ra version < <(uname -r)
    ((version[0] > 6 || (version[0] == 6 && ${version[1]%%[!0-9]*} >= 8))) || missing "Linux 6.8"
    spawn holder "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" pause
    wait_until grep -q bind=ok "$(log holder)"
    run --separate-stderr shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    echo "$stderr"
    # With many connections on the machine it takes the kernel so long that the process may stay unknown.
    [[ $stderr == "libreuseport: bind 127.0.0.1:$PORT/tcp: in use by "*", whose socket does not share it; \"reuseport adopt $PORT\" lets this one in"* ]]
}

# bats test_tags=sanitized
@test "a socket that is not in the way is not blamed" {
    need_root
    spawn other "$BUILD/examples/server" "$PORT" 127.0.0.9 65534
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listeners_are "$PORT" 2
    refused "127.0.0.1:$PORT/tcp: in use by pid $PID (server), whose socket does not share it; \"reuseport adopt $PORT\" lets this one in" \
        shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    # Another user's IPv4 wildcard is not in the way of an IPv6 address.
    lease_port PORT
    spawn other "$BUILD/examples/server" "$PORT" 0.0.0.0 65534
    spawn holder "$PROBES/probe" socket tcp6 bind ::1 "$PORT" listen pause
    wait_until listeners_are "$PORT" 2
    refused "[::1]:$PORT/tcp: in use by pid $PID (probe), whose socket does not share it; \"reuseport adopt $PORT\" lets this one in" \
        shared "$PROBES/probe" socket tcp6 bind ::1 "$PORT"
}

# with_passwd LINE COMMAND...: under an /etc/passwd of that line and root's.
with_passwd() {
    printf '%b\nroot:x:0:0::/:/bin/sh\n' "$1" >"$BATS_TEST_TMPDIR/passwd"
    unshare -m sh -c 'mount --bind "$0" /etc/passwd && exec "$@"' "$BATS_TEST_TMPDIR/passwd" "${@:2}"
}

@test "an odd or hostile /etc/passwd neither misleads nor hangs nor reaches the terminal" {
    need_root
    need_unshare -m
    local line
    spawn holder shared "$BUILD/examples/server" "$PORT" 127.0.0.1 65534
    wait_until listens "$PORT"
    for line in 'bob:*:1001:100:x:/home/bob' '+:x:::::' "$(printf 'a%.0s' {1..900}):x:5:5::/:" '::' 'x'; do
        refused "127.0.0.1:$PORT/tcp: in use by pid $PID (server) of uid 65534; only sockets of one user share a port (this one is of user root)" \
            with_passwd "$line" env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    done
    run --separate-stderr with_passwd 'no\033[31mbody:x:65534:1::/:' \
        env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    [[ $stderr == *'of user no\x1b[31mbody;'* ]]
    mkfifo "$BATS_TEST_TMPDIR/fifo"
    run --separate-stderr timeout 10 unshare -m sh -c 'mount --bind "$0" /etc/passwd && exec "$@"' "$BATS_TEST_TMPDIR/fifo" \
        env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    [[ $stderr == *"of uid 65534;"* ]]
}

@test "the explanation leaves no descriptor open and opens none for others to inherit" {
    need strace
    local trace=$BATS_TEST_TMPDIR/trace
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    strace -o "$trace" -E REUSEPORT_PORTS="$PORT" -E LD_PRELOAD="$LIBRARY" \
        "$PROBES/probe" socket tcp4 mark bind 127.0.0.1 "$PORT" mark >/dev/null 2>&1
    sed -i '/getppid/,/getppid/!d' "$trace"
    grep -q openat "$trace"
    grep -q AF_NETLINK "$trace"
    [ "$(grep -cE '^(openat|socket).*= [0-9]+$' "$trace")" = "$(grep -cE '^close.*= 0$' "$trace")" ]
    [ "$(grep -cE '^(openat|socket)' "$trace")" = "$(grep -cE '^(openat|socket).*_CLOEXEC' "$trace")" ]
}

@test "where there is no netlink, /proc/net tells who holds the port" {
    local other
    lease_port other
    # Another user's, in the table before the holder or behind it, but on another port.
    [ "$(id -u)" != 0 ] || spawn other "$BUILD/examples/server" "$other" 127.0.0.1 65534
    [ "$(id -u)" != 0 ] || wait_until listens "$other"
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn udp "$PROBES/probe" socket udp6 bind ::1 "$PORT" pause
    wait_until listens "$PORT"
    wait_until bound_udp_are "$PORT" 1
    local without=("$PROBES/without" netlink env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe")
    run --separate-stderr "${without[@]}" socket udp6 bind ::1 "$PORT"
    [[ $stderr == "libreuseport: bind [::1]:$PORT/udp: in use by "* && $stderr == *"reuseport adopt $PORT/udp"* ]]
    # The table of TCP connections takes long to read on a large machine, so the process may stay unknown.
    run --separate-stderr "${without[@]}" socket tcp4 bind 127.0.0.1 "$PORT"
    echo "$stderr"
    [[ $stderr == "libreuseport: bind 127.0.0.1:$PORT/tcp: in use by "* && $stderr == *"reuseport adopt $PORT"* ]]
}

@test "where nothing could be said, nothing is opened" {
    need strace
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    strace -o "$BATS_TEST_TMPDIR/trace" -E REUSEPORT_PORTS="$PORT" -E LD_PRELOAD="$LIBRARY" \
        "$PROBES/probe" socket tcp4 mark bind 127.0.0.1 "$PORT" mark >/dev/null 2>&-
    sed -i '/getppid/,/getppid/!d' "$BATS_TEST_TMPDIR/trace"
    grep -q bind "$BATS_TEST_TMPDIR/trace"
    run ! grep openat "$BATS_TEST_TMPDIR/trace"
}
