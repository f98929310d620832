#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# run -m seccomp: the library's work done from outside, for programs that no preload reaches, and what can go
# wrong with a process that watches another.

load helpers

setup() {
    lease_port PORT
    cd "$BATS_TEST_TMPDIR" || exit
    COMMAND=$BUILD/reuseport
    STATIC=$PROBES/static-probe
}

# What watches ends with what it watched.
teardown() {
    stop_all
    wait_until no_watcher
}

# watched OPTION... COMMAND...: under run -m seccomp, with $PORT shared unless -p says otherwise.
watched() {
    env REUSEPORT_PORTS="$PORT" "$COMMAND" run -m seccomp "$@"
}

# watchers: the PIDs of guards and watchers that this test's processes have started.
watchers() {
    local pid
    for pid in $(grep -lsx reuseport-watch /proc/[0-9]*/comm | grep -o "[0-9]*"); do
        ! ended_or_zombie "$pid" || continue
        ! grep -qszxF "BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR" "/proc/$pid/environ" || echo "$pid"
    done
}

ended_or_zombie() {
    ! grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"
}

export BATS_TEST_TMPDIR

no_watcher() {
    [ -z "$(watchers)" ]
}

has_watcher() {
    ! no_watcher
}

watchers_are() {
    [ "$(watchers | wc -l)" = "$1" ]
}

@test "each row of the table binds as it says, as under the library" {
    need_network
    local probe
    for probe in "$STATIC" "$PROBES/probe" "$PROBES/musl/static-probe"; do
        run "$BATS_TEST_DIRNAME/list-rows.bash" "$COMMAND" run -m seccomp -p LIST "$probe"
        echo "$probe: $output"
        [ "$output" = "$(grep -vc '^#' "$BATS_TEST_DIRNAME/list.table") rows" ]
    done
}

@test "each row of the table, in a 32-bit program" {
    need_network
    [ -e "$PROBES/i386-probe" ] || missing "gcc -m32"
    run "$BATS_TEST_DIRNAME/list-rows.bash" "$COMMAND" run -m seccomp -p LIST "$PROBES/i386-probe"
    echo "$output"
    [ "$output" = "$(grep -vc '^#' "$BATS_TEST_DIRNAME/list.table") rows" ]
    # By socketcall(2), as older libcs have it.
    run watched "$PROBES/i386-probe" socketcall socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ]
}

@test "odd calls have the kernel's result and errno" {
    local list
    "$PROBES/odd-calls" "$PORT" >plain 2>&1
    for list in "$PORT" all "81,127.0.0.1:all,[::1]:$PORT" "all,!$PORT"; do
        REUSEPORT_LOG=off watched -p "$list" "$PROBES/odd-calls" "$PORT" >watched 2>&1
        diff plain watched
    done
}

@test "8 threads that bind 10 000 times" {
    run watched "$PROBES/moments" threads "$PORT" 1250
    echo "$output"
    [ "$output" = "binds=10000 wrong=0" ]
}

@test "in a signal handler, and in the children of fork and vfork" {
    local moment
    for moment in signal fork vfork; do
        run watched "$PROBES/moments" "$moment" "$PORT"
        echo "$moment: $output"
        [ "$output" = reuseport=1 ]
    done
}

@test "after fork, exec and daemonizing, and in a process that runs on alone" {
    run watched "$STATIC" fork socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$(grep -c reuseport=1 <<<"$output")" = 2 ]
    run watched sh -c 'exec env "$@"' sh "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *reuseport=1* ]]
    # Its first process is gone before it binds.
    cat >daemon.sh <<'END'
exec >daemon.out 2>&1
setsid sh -c 'while kill -0 "$0" 2>/dev/null; do :; done; exec "$@"' $$ "$@" &
END
    watched sh daemon.sh "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    wait_until grep -q reuseaddr daemon.out
    grep -q reuseport=1 daemon.out
}

@test "after a change of user: as root, and as root without CAP_SYS_PTRACE" {
    need_root
    # In the process itself, and by way of exec.
    run watched "$STATIC" user 64732 socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *reuseport=1* ]]
    run watched setpriv --reuid 64732 --regid 64732 --clear-groups "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *reuseport=1* ]]
    run setpriv --bounding-set -sys_ptrace "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ]
    run setpriv --bounding-set -sys_ptrace "$COMMAND" run -m seccomp -p "$PORT" \
        setpriv --reuid 64732 --regid 64732 --clear-groups "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ]
    # Who drops his rights without exec is closed to all but CAP_SYS_PTRACE: the bind goes on, and it says so.
    run setpriv --bounding-set -sys_ptrace "$COMMAND" run -m seccomp -p "$PORT" \
        "$STATIC" user 64732 socket tcp4 bind 127.0.0.1 "$PORT" get 2>stderr
    [ "$output" = $'user=ok\nbind=ok\nreuseport=0\nreuseaddr=0' ]
}

@test "what could not be done is said in one line, once, where stderr is a file, and the binds go on" {
    need_root
    setpriv --bounding-set -sys_ptrace "$COMMAND" run -m seccomp -p "$PORT" \
        "$STATIC" user 64732 socket tcp4 bind 127.0.0.1 "$PORT" socket tcp4 bind 127.0.0.2 "$PORT" >out 2>err
    cat out err
    [ "$(grep -c bind=ok out)" = 2 ]
    [ "$(wc -l <err)" = 1 ]
    grep -qE '^libreuseport: pid [0-9]+: cannot read where it binds: this process may not look into it' err
}

@test "log level info tells of each socket on the program's stderr, pipe or file, off of nothing" {
    local other
    lease_port other
    run env REUSEPORT_LOG=info "$COMMAND" run -m seccomp -p "$PORT,!$other" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" \
        socket udp6 bind ::1 "$PORT" socket tcp4 bind 127.0.0.1 "$other"
    echo "$output"
    [ "$output" = "libreuseport: bind 127.0.0.1:$PORT/tcp: shared
bind=ok
libreuseport: bind [::1]:$PORT/udp: shared
bind=ok
libreuseport: bind 127.0.0.1:$other/tcp: not shared
bind=ok" ]
    run env REUSEPORT_LOG=off "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT"
    [ "$output" = bind=ok ]
}

@test "a refused bind is explained in the library's words" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    refused "127.0.0.1:$PORT/tcp: in use by pid $PID (server), whose socket does not share it; \"reuseport adopt $PORT\" lets this one in" \
        watched "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT"
}

# hold KIND ADDRESS [STEP...]: a process that holds $PORT there, not shared unless a step says so.
hold() {
    spawn holder "$PROBES/probe" socket "$1" "${@:3}" bind "$2" "$PORT" listen pause
    wait_until grep -q bind=ok "$(log holder)"
}

@test "a refused bind leaves the socket as the program made it: TCP and UDP, of each family, and an address that is not here" {
    local other row kind held address
    lease_port other
    for row in "tcp4 127.0.0.1 127.0.0.1" "udp4 127.0.0.1 127.0.0.1" "udp4 0.0.0.0 127.0.0.1" "tcp6 ::1 ::1" \
        "udp6 ::1 ::1" "udp6 :: ::1" "udp6 ::1 ::" "udp6 ::ffff:127.0.0.1 ::ffff:127.0.0.1"; do
        read -r kind held address <<<"$row"
        hold "$kind" "$held"
        REUSEPORT_REUSEADDR=1 REUSEPORT_LOG=off run watched "$STATIC" socket "$kind" bind "$address" "$PORT" get bind "$address" "$other" get
        echo "$row: $output"
        [ "$output" = $'bind=Address already in use\nreuseport=0\nreuseaddr=0\nbind=ok\nreuseport=0\nreuseaddr=0' ]
        REUSEPORT_LOG=off run watched "$STATIC" socket "$kind" reuseport 1 bind "$address" "$PORT" bind "$address" 0 get
        [ "$output" = $'bind=Address already in use\nbind=ok\nreuseport=1\nreuseaddr=0' ]
        stop_all
    done
    for row in "tcp4 192.0.2.1" "udp4 192.0.2.1" "tcp6 2001:db8::1" "udp6 2001:db8::1"; do
        read -r kind address <<<"$row"
        run watched "$STATIC" socket "$kind" bind "$address" "$PORT" get
        echo "$row: $output"
        [ "$output" = $'bind=Cannot assign requested address\nreuseport=0\nreuseaddr=0' ]
    done
}

@test "where all that hold the port share, a bind joins them: each kind of socket beside one on another address" {
    local row kind address elsewhere
    for row in "tcp4 127.0.0.1 127.0.0.2" "udp4 127.0.0.1 127.0.0.2" "udp6 ::1 ::ffff:127.0.0.2" "udp6 :: -"; do
        read -r kind address elsewhere <<<"$row"
        hold "$kind" "$address" reuseport 1
        [ "$elsewhere" = - ] || hold "$kind" "$elsewhere"
        run watched "$STATIC" socket "$kind" bind "$address" "$PORT" get
        echo "$row: $output"
        [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ]
        stop_all
    done
    # By SO_REUSEADDR, as memcached and rsyslogd do.
    hold udp4 127.0.0.1 reuseaddr 1
    run watched "$STATIC" socket udp4 reuseaddr 1 bind 127.0.0.1 "$PORT" get
    [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=1' ]
}

@test "a refused UDP bind is explained: a holder that does not share, and one of another user" {
    need_root
    hold udp4 127.0.0.1
    run --separate-stderr watched "$STATIC" socket udp4 bind 127.0.0.1 "$PORT"
    echo "$output / $stderr"
    [ "$stderr" = "libreuseport: bind 127.0.0.1:$PORT/udp: in use by pid $PID (probe), whose socket does not share it; \"reuseport adopt $PORT/udp\" lets this one in" ]
    stop_all
    spawn holder setpriv --reuid 64732 --regid 64732 --clear-groups "$PROBES/probe" socket udp6 reuseport 1 bind ::1 "$PORT" pause
    wait_until grep -q bind=ok "$(log holder)"
    run --separate-stderr watched "$STATIC" socket udp6 bind ::1 "$PORT" get
    echo "$output / $stderr"
    [ "$output" = $'bind=Address already in use\nreuseport=0\nreuseaddr=0' ]
    [[ $stderr == "libreuseport: bind [::1]:$PORT/udp: in use by pid $PID (probe) of uid 64732; only sockets of one user share a port"* ]]
}

@test "of 3 000 UDP sockets whose bind was refused, connected, no two have the same port" {
    cat >refused.py <<'END'
import collections, errno, socket, sys
ports, keep = collections.Counter(), []
for _ in range(3000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.bind(("127.0.0.1", int(sys.argv[1])))
    except OSError as error:
        assert error.errno == errno.EADDRINUSE
    s.connect(("127.0.0.1", 9))
    keep.append(s)
    ports[s.getsockname()[1]] += 1
print(len(keep), "connected,", sum(n for n in ports.values() if n > 1), "share")
END
    hold udp4 127.0.0.1
    ulimit -n "$(ulimit -Hn)"
    REUSEPORT_LOG=off run watched /usr/bin/python3 refused.py "$PORT"
    echo "$output"
    [ "$output" = "3000 connected, 0 share" ]
}

# Whether a socket has $PORT on an interface that does not exist.
trial_is_bound() {
    [[ $(ss -Huan "sport = :$PORT") == *%if2147483647* ]]
}

@test "while the watcher asks, 2 000 datagrams reach those who share the port" {
    need strace
    cat >receives.py <<'END'
import socket, sys
family, address, port = getattr(socket, sys.argv[1]), sys.argv[2], int(sys.argv[3])
receiver = socket.socket(family, socket.SOCK_DGRAM)
receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
receiver.bind((address, port))
receiver.settimeout(5)
sys.stdin.readline()
for i in range(2000):
    sender = socket.socket(family, socket.SOCK_DGRAM)
    sender.sendto(b"%d" % i, (address, port))
    assert receiver.recv(9) == b"%d" % i
    sender.close()
print("received 2000", flush=True)
END
    local row family address kind trial
    mkfifo go
    for row in "AF_INET 127.0.0.1 udp4 1" "AF_INET6 ::1 udp6 2"; do
        read -r family address kind trial <<<"$row"
        exec {GO}<>go
        INPUT=go spawn receives /usr/bin/python3 receives.py "$family" "$address" "$PORT"
        wait_until bound_udp_are "$PORT" 1
        mkfifo "start-$kind"
        spawn program env REUSEPORT_PORTS="$PORT" "$COMMAND" run -m seccomp sh -c 'read -r line <"$0"; exec "$@"' \
            "start-$kind" "$STATIC" socket "$kind" bind "$address" "$PORT" get
        guard_and_watcher
        # The trial's socket stays bound for the time being.
        trace_watcher bind "delay_exit=2500000:when=$trial"
        echo >"start-$kind"
        wait_until trial_is_bound
        echo >&"$GO"
        wait_until grep -q "received 2000" "$(log receives)"
        trial_is_bound
        [ ! -s "$(log program)" ]
        wait_until grep -q reuseport=1 "$(log program)"
        stop_all
        rm "$(log receives)" "$(log program)"
    done
}

@test "an address rewritten while the watcher asks has another port shared, but with sockets of its own user alone" {
    need_root
    need strace
    local other list
    cat >rewrites.py <<'END'
import ctypes, socket, struct, sys, threading, time
listed, other = int(sys.argv[1]), int(sys.argv[2])
server = socket.socket()
address = ctypes.create_string_buffer(struct.pack("=H", socket.AF_INET) + struct.pack(">H", listed)
                                      + socket.inet_aton("127.0.0.1") + bytes(8), 16)
def rewrite():
    time.sleep(0.3)
    ctypes.memmove(ctypes.byref(address, 2), struct.pack(">H", other), 2)
print("starts", flush=True)
sys.stdin.readline()
threading.Thread(target=rewrite).start()
ctypes.CDLL(None).bind(server.fileno(), address, 16)
server.listen()
print(server.getsockname()[1], server.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT), flush=True)
threading.Event().wait()
END
    mkfifo go
    exec {GO}<>go
    lease_port other
    for list in "$PORT" "$PORT,!$other"; do
        INPUT=go spawn rewrites "$COMMAND" run -m seccomp -p "$list" /usr/bin/python3 rewrites.py "$PORT" "$other"
        wait_until grep -q starts "$(log rewrites)"
        trace_watcher pidfd_getfd delay_enter=1000000
        echo >&"$GO"
        wait_until listens "$other"
        wait_until grep -q "^$other 1$" "$(log rewrites)"
        run setpriv --reuid 64732 --regid 64732 --clear-groups "$PROBES/probe" socket tcp4 reuseport 1 bind 127.0.0.1 "$other"
        [ "$output" = "bind=Address already in use" ]
        # As it could have had by itself.
        run "$PROBES/probe" socket tcp4 reuseport 1 bind 127.0.0.1 "$other"
        [ "$output" = bind=ok ]
        stop_all
    done
}

@test "a second bind of a socket that is bound and shared, which the kernel refuses, leaves it shared" {
    local list other
    lease_port other
    for list in "$PORT" "$PORT,!$other"; do
        run watched -p "$list" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" bind 127.0.0.1 "$other" bind 127.0.0.1 0 get
        [ "$output" = $'bind=ok\nbind=Invalid argument\nbind=Invalid argument\nreuseport=1\nreuseaddr=0' ]
    done
}

@test "the command alone, without the library, starts what needs none" {
    mkdir alone
    cp "$COMMAND" alone
    run alone/reuseport run -p "$PORT" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ]
    run alone/reuseport check -m seccomp "$STATIC"
    [ "$status" = 0 ]
    run alone/reuseport run -p "$PORT" "$PROBES/probe" mark
    [[ $status = 125 && $output == *"name it with --library"* ]]
}

@test "with few descriptors, and without /dev/null" {
    run sh -c 'ulimit -n 12; exec "$@"' sh "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ]
    need_root
    mkdir root
    cp "$STATIC" root/probe
    make -s -C "$ROOT" BUILD="$BUILD" static
    cp "$BUILD/static/reuseport" root
    run chroot root /reuseport run -m seccomp -p "$PORT" /probe socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ]
}

@test "the filter leaves speculation as it is, and works where the kernel lacks a flag" {
    local times
    need strace
    for times in 0 1 2; do
        run strace -qq -o trace -e trace=seccomp -e "inject=seccomp:error=EINVAL:when=$((times ? 1 : 9))..$((times ? times : 9))" \
            "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
        echo "$output"
        cat trace
        [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ]
        [ "$(grep -v EINVAL trace | grep -c SPEC_ALLOW)" = $((times < 2)) ]
        [ "$(grep -v EINVAL trace | grep -cE 'WAIT_KILLABLE|0x2[0-9a-f]')" = $((times < 1)) ]
    done
}

@test "a kernel that is too old, or refuses the filter, is said to be so" {
    local error reason
    setarch --uname-2.6 true || missing "setarch --uname-2.6"
    run -125 setarch --uname-2.6 "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" mark
    [ "$output" = "reuseport: $STATIC: sharing by seccomp needs Linux 5.9" ]
    need strace
    while read -r error reason; do
        run -125 strace -qq -o trace -e trace=seccomp -e inject=seccomp:error="$error" \
            "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" mark
        echo "$error: $output"
        [ "$output" = "reuseport: $STATIC: sharing by seccomp cannot be done: $reason" ]
        wait_until no_watcher
    done <<'END'
ENOSYS this kernel has no seccomp for it
EINVAL this kernel has no seccomp for it
EPERM Operation not permitted
END
}

@test "REUSEPORT_REUSEADDR and REUSEPORT_AT do what they do in the library" {
    REUSEPORT_REUSEADDR=1 run watched "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get socket udp4 bind 127.0.0.1 "$PORT" get
    [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=1\nbind=ok\nreuseport=1\nreuseaddr=0' ]
    REUSEPORT_AT=socket run watched -p "all,!$PORT" "$STATIC" socket tcp4 get socket udp4 get socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$output" = $'reuseport=1\nreuseaddr=0\nreuseport=0\nreuseaddr=0\nbind=ok\nreuseport=0\nreuseaddr=0' ]
}

@test "a program with a seccomp filter of its own, which forbids setsockopt, is served" {
    run watched "$PROBES/without" setsockopt "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ]
}

# binds_server: starts a program, in PID, that binds whenever bind_one tells it to.
binds_server() {
    mkfifo steps
    cat >steps.py <<'END'
import socket, sys
for line in sys.stdin:
    server = socket.socket()
    server.bind(("127.0.0.1", int(line)))
    print("reuseport", server.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT), flush=True)
END
    exec {STEPS}<>steps
    spawn binds sh -c 'exec "$@" <steps' sh "$COMMAND" run -m seccomp -p "$PORT" /usr/bin/python3 steps.py
    COUNT=0
    wait_until watchers_are 2
    bind_one
}

binds_are() {
    [ "$(grep -cx 'reuseport 1' "$(log binds)")" = "$1" ]
}

# bind_one: the program binds once more, and its socket is shared.
bind_one() {
    echo "$PORT" >&"$STEPS"
    COUNT=$((COUNT + 1))
    wait_until binds_are "$COUNT"
}

# guard_and_watcher: sets GUARD and WATCHER, its child, once there are both.
guard_and_watcher() {
    local pids
    wait_until watchers_are 2
    mapfile -t pids < <(watchers)
    WATCHER=${pids[1]} GUARD=${pids[0]}
    [ "$(ps -o ppid= -p "$WATCHER" | xargs)" = "$GUARD" ] || WATCHER=${pids[0]} GUARD=${pids[1]}
}

kill_watcher() {
    guard_and_watcher
    kill -KILL "$WATCHER"
    wait_until ended_or_zombie "$WATCHER"
}

# trace_watcher NAME INJECTION: strace does that to the watcher's next call of that name.
trace_watcher() {
    guard_and_watcher
    rm -f "$(log tracer)"
    spawn tracer strace -o trace -p "$WATCHER" -e trace="$1" -e inject="$1:$2"
    TRACER=$PID
    wait_until grep -q attached "$(log tracer)"
}

kill_watcher_at() {
    trace_watcher "$1" signal=KILL:when=1
    bind_one
    wait_until ended "$TRACER"
    grep -q 'killed by SIGKILL' trace
}

# The watcher takes the guard's place, and starts another.
kill_guard() {
    guard_and_watcher
    kill -KILL "$GUARD"
    wait_until ended_or_zombie "$GUARD"
}

@test "the watcher killed before and during a bind, and the guard: each bind is shared" {
    need strace
    binds_server
    kill_watcher
    bind_one
    kill_watcher_at setsockopt
    kill_guard
    bind_one
    guard_and_watcher
}

# descriptors_of PID NAME: writes there what the process has open.
descriptors_of() {
    readlink "/proc/$1/fd/"* | sed "s/\[[0-9]*]//" | LC_ALL=C sort >"$2"
}

has_descriptors() {
    descriptors_of "$1" now
    diff "$2" now
}

# are_a_guards FILE LOG: these descriptors are what a guard needs, and the program's stderr.
are_a_guards() {
    cat "$1"
    [ "$(grep -vxF "$2" "$1" | xargs)" = "/dev/null /dev/null /dev/null anon_inode:seccomp notify pipe:" ]
}

@test "neither a bind nor the end of a watcher or of a guard leaves a descriptor in those that watch" {
    binds_server
    guard_and_watcher
    descriptors_of "$WATCHER" watcher
    descriptors_of "$GUARD" guard
    are_a_guards guard "$(log binds)"
    bind_one
    wait_until has_descriptors "$WATCHER" watcher
    kill_watcher
    guard_and_watcher
    wait_until has_descriptors "$WATCHER" watcher
    has_descriptors "$GUARD" guard
    kill_guard
    guard_and_watcher
    wait_until has_descriptors "$WATCHER" watcher
    has_descriptors "$GUARD" guard
}

both_are_attached() {
    [ "$(grep -c attached "$(log tracer)")" = 2 ]
}

@test "a call that two watchers have died of goes on as it is, and says so; the next is shared" {
    local tracer
    need strace
    binds_server
    guard_and_watcher
    spawn tracer strace -f -o trace -p "$GUARD" -p "$WATCHER" -e trace=pidfd_getfd -e inject=pidfd_getfd:signal=KILL
    tracer=$PID
    wait_until both_are_attached
    echo "$PORT" >&"$STEPS"
    wait_until grep -qx 'reuseport 0' "$(log binds)"
    cat trace "$(log binds)"
    [ "$(grep -c 'killed by SIGKILL' trace)" = 2 ]
    grep -qE '^libreuseport: pid [0-9]+: its call goes on as it is: looking into the program takes too long$' "$(log binds)"
    kill -INT "$tracer"
    wait_until ended "$tracer"
    bind_one
}

# bats test_tags=long
@test "watchers and guards killed at any moment: each bind is shared" {
    local call
    need strace
    binds_server
    for _ in {1..20}; do
        kill_watcher
        bind_one
        for call in process_vm_readv pidfd_open pidfd_getfd getsockname setsockopt; do
            kill_watcher_at "$call"
        done
        kill_guard
        bind_one
    done
}

@test "a watcher that is stopped goes on, and one that is held up for too long is replaced" {
    need strace
    binds_server
    guard_and_watcher
    kill -STOP "$WATCHER" # as the user may whose rights it took for a moment
    bind_one
    trace_watcher pidfd_getfd delay_enter=3500000
    bind_one
    wait_until ended_or_zombie "$WATCHER"
    guard_and_watcher
}

@test "each look into the program is followed by the question whether its call still waits" {
    need strace
    binds_server
    guard_and_watcher
    spawn tracer strace -o trace -p "$WATCHER" \
        -e trace=process_vm_readv,pidfd_getfd,ioctl,setsockopt,openat,newfstatat,getsockname
    wait_until grep -q attached "$(log tracer)"
    bind_one
    wait_until grep -q NOTIF_SEND trace
    cat trace
    grep -q '^setsockopt' trace
    awk '/ID_VALID/ { unasked = "" }
        unasked { print "not asked after " unasked; exit 1 }
        /^(process_vm_readv|pidfd_getfd)|"\/proc\/[0-9]+\// { looks++; unasked = $0 }
        END { exit looks < 3 }' trace
}

@test "a program that is killed while it is watched, and whose PID becomes another's, leaves that alone" {
    need_root
    cat >victim.py <<'END'
import socket, sys
server = socket.socket()
print("ready", server.fileno(), flush=True)
sys.stdin.readline()
print("reuseport", server.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT), flush=True)
END
    mkfifo go
    # In a PID namespace of its own, where the next PID can be chosen.
    cat >reuse.sh <<'END'
exec 3>&- 9<>go
"$0" run -m seccomp -p "$1" sh -c 'read -r line <go; exec "$@"' sh "$2" socket tcp4 bind 127.0.0.1 "$1" pause &
program=$!
until [ "$(pgrep -c -x reuseport-watch)" = 2 ]; do sleep 0.01; done
watcher=$(pgrep -x reuseport-watch | tail -n 1)
strace -o trace -p "$watcher" -e trace=pidfd_open,ioctl -e inject=pidfd_open:delay_enter=700000 2>attached &
until grep -q attached attached; do sleep 0.01; done
echo >&9
until grep -q pidfd_open trace; do sleep 0.01; done
kill -KILL "$program"
wait "$program"
echo $((program - 1)) >/proc/sys/kernel/ns_last_pid
/usr/bin/python3 victim.py <&9 >victim.out &
echo "pid $program is now $!"
until grep -q ready victim.out; do sleep 0.01; done
until grep -q "pidfd_open.*= [0-9-]" trace; do sleep 0.01; done
until [ -z "$(pgrep -x reuseport-watch)" ]; do sleep 0.01; done
echo >&9
wait $!
END
    need strace pgrep
    need_unshare -fp --mount-proc
    run timeout 20 unshare -fp --kill-child --mount-proc bash -c "$(<reuse.sh)" "$COMMAND" "$PORT" "$STATIC"
    echo "$output"
    cat trace victim.out
    [[ $output =~ pid\ ([0-9]+)\ is\ now\ ([0-9]+) ]]
    [ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
    [ "$(<victim.out)" = $'ready 3\nreuseport 0' ]
}

@test "a server that bears the watching processes' name is told from them" {
    need python3
    local method pids
    cp "$PROBES/static-server" reuseport-watch
    cp "$BUILD/examples/server" plain
    for method in seccomp preload; do
        [ "$method" = seccomp ] || cp -f plain reuseport-watch
        spawn old "$BUILD/examples/server" "$PORT" 127.0.0.1
        wait_until listens "$PORT"
        run "$COMMAND" replace -m "$method" "$PID" sh -c './reuseport-watch "$0" 127.0.0.1 >/dev/null 2>&1 3>&- &' "$PORT"
        echo "$output"
        pids=$(ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2)
        [[ $pids =~ ^[0-9]+$ ]]
        kill -TERM "$pids"
        wait_until listeners_are "$PORT" 0
        [[ $output == *"pid $pids (reuseport-watch) has replaced pid $PID on"* ]]
    done
}

# starts_and_kills COUNT
starts_and_kills() {
    local round
    for ((round = 0; round < $1; round++)); do
        watched "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" >/dev/null
    done
    for ((round = 0; round < $1; round++)); do
        REUSEPORT_PORTS=$PORT "$COMMAND" run -m seccomp "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" pause >out 2>&1 3>&- </dev/null &
        PIDS=($!)
        # At once, when the guard is there, and after the bind.
        [ $((round % 3)) != 1 ] || wait_until has_watcher
        [ $((round % 3)) != 2 ] || wait_until grep -q bind=ok out
        kill -KILL $!
        wait $! 2>/dev/null || true
    done
    PIDS=()
    wait_until no_watcher
}

@test "20 starts, and 20 kills, leave no process behind" {
    starts_and_kills 20
}

@test "a guard keeps none of the descriptors that it inherits, also where close_range is missing" {
    local without
    for without in nothing close_range; do
        spawn program "$PROBES/without" "$without" "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" pause
        guard_and_watcher
        descriptors_of "$GUARD" guard
        are_a_guards guard "$(log program)"
        stop_all
        wait_until no_watcher
    done
}

@test "a launcher that ignores the end of its children, or has a low soft limit, is served" {
    local setting
    for setting in 'trap "" CHLD' 'ulimit -Sn 7'; do
        run bash -c "exec 3>&- 4>&-; $setting; "'exec "$@"' bash "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
        [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ]
        wait_until no_watcher
    done
}

@test "a launcher killed before there is a filter leaves no process behind" {
    need strace
    # Not with run, which waits for whoever holds its pipe.
    strace -qq -o trace -e trace=seccomp -e inject=seccomp:signal=KILL \
        "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" mark >out 2>&1 3>&- || true
    grep -q 'killed by SIGKILL' trace
    wait_until no_watcher
}

# bats test_tags=long
@test "500 starts, and 500 kills, leave no process behind" {
    starts_and_kills 500
}

@test "no descriptor is left open in the program, and nobody holds a pipe of it open" {
    [ "$(watched sh -c 'ls /proc/$$/fd')" = "$(sh -c 'ls /proc/$$/fd')" ]
    # Ends at once, though a process that has closed its output lives on.
    run timeout 20 sh -c '"$@" | cat' sh "$COMMAND" run -m seccomp -p "$PORT" sh -c 'tail -f /dev/null >/dev/null 2>&1 </dev/null 3>&- 4>&- & echo $!'
    [ "$status" = 0 ]
    PIDS+=("$output")
    kill -0 "$output"
    # Nor does a watcher keep what it has written a line to.
    run timeout 20 sh -c '"$@" 2>&1 | cat' sh env REUSEPORT_LOG=info "$COMMAND" run -m seccomp -p "$PORT" sh -c '
        "$0" socket tcp4 bind 127.0.0.1 "$1"
        tail -f /dev/null >/dev/null 2>&1 </dev/null 3>&- 4>&- & echo $!' "$STATIC" "$PORT"
    PIDS+=("${lines[-1]}")
    echo "$output"
    [[ $status = 0 && $output == *": shared"* ]]
    kill -0 "${lines[-1]}"
}

# adopting COMMAND...: a subreaper becomes that.
adopting() {
    /usr/bin/python3 -c '
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
}

@test "a program that waits for all its children has none of ours, also as a subreaper and as PID 1" {
    local loop='import os, sys
count = 0
try:
    while True:
        os.wait()
        count += 1
except ChildProcessError:
    print("waited for", count)'
    run timeout 20 "$COMMAND" run -m seccomp -p "$PORT" sh -c 'true & true & exec /usr/bin/python3 -c "$1"' sh "$loop"
    [ "$output" = "waited for 2" ]
    run timeout 20 env bash -c "$(declare -f adopting); adopting \"\$@\"" bash "$COMMAND" run -m seccomp -p "$PORT" sh -c 'true & true & exec /usr/bin/python3 -c "$1"' sh "$loop"
    [ "$output" = "waited for 2" ]
    need_root
    need_unshare -fp --mount-proc
    run timeout 20 unshare -fp --mount-proc "$COMMAND" run -m seccomp -p "$PORT" sh -c 'true & true & exec /usr/bin/python3 -c "$1"' sh "$loop"
    [ "$output" = "waited for 2" ]
}

@test "the launcher's PID is the program's: STOP and KILL reach it" {
    spawn program "$COMMAND" run -m seccomp -p "$PORT" "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    [ "$(cat "/proc/$PID/comm")" = server ]
    [ "$("$COMMAND" list --json "$PORT" | grep -o '"pid": [0-9]*')" = "\"pid\": $PID" ]
    kill -STOP "$PID"
    stopped() { grep -q '^State:.T' "/proc/$PID/status"; }
    wait_until stopped
    kill -KILL "$PID"
    wait_until ended "$PID"
    wait_until listeners_are "$PORT" 0
}

@test "the watching processes have a name, a session and a directory of their own" {
    local pid
    spawn program "$COMMAND" run -m seccomp -p "$PORT" "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    wait_until watchers_are 2
    for pid in $(watchers); do
        [ "$(tr -d '\0' <"/proc/$pid/cmdline")" = reuseport-watch ]
        [ "$(readlink "/proc/$pid/cwd")" = / ]
        [ "$(ps -o sid= -p "$pid")" -ne "$(ps -o sid= -p "$PID")" ]
        kill -TERM "$pid"
        kill -INT "$pid"
    done
    watchers_are 2
}

@test "as an ordinary user, who takes no_new_privs, and as root, who does not" {
    need_root
    need_sys_admin
    run watched grep NoNewPrivs /proc/self/status
    [[ $output == *0 ]]
    run setpriv --reuid 64732 --regid 64732 --clear-groups "$COMMAND" run -m seccomp -p "$PORT" \
        sh -c 'grep NoNewPrivs /proc/self/status; exec "$@"' sh "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *$'1\nbind=ok\nreuseport=1'* ]]
}

@test "in a user namespace without CAP_SYS_PTRACE" {
    need_root
    need_unshare -Ur
    run unshare -Ur setpriv --bounding-set -sys_ptrace "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ]
}

@test "where it may not look into the program it makes the sockets itself, for a list with all" {
    local without=("$PROBES/without" pidfd_getfd) list
    for list in all all/tcp 80,all; do
        run "${without[@]}" "$COMMAND" run -m seccomp -p "$list" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get socket nonblock4 get socket udp4 get
        echo "$list: $output"
        [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0\nreuseport=1\nreuseaddr=0\nreuseport=0\nreuseaddr=0' ]
    done
    # The program's user is the owner, so that two copies share; the descriptor's flags are those it asked for.
    run "${without[@]}" "$COMMAND" run -m seccomp -p all sh -c '"$@" & "$@"; wait' sh \
        "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" listen
    [ "$(grep -c listen=ok <<<"$output")" = 2 ]
    run "${without[@]}" "$COMMAND" run -m seccomp -p all /usr/bin/python3 -c '
import ctypes, fcntl, os, socket
for flags in 0, socket.SOCK_NONBLOCK, socket.SOCK_CLOEXEC, socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC:
    fd = ctypes.CDLL(None).socket(socket.AF_INET, socket.SOCK_STREAM | flags, 0)
    print(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK > 0, fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC > 0)'
    [ "$output" = $'False False\nTrue False\nFalse True\nTrue True' ]
    for list in "$PORT" "all,!$PORT" all/udp 127.0.0.1:all; do
        run "${without[@]}" "$COMMAND" run -m seccomp -p "$list" "$STATIC" mark
        echo "$output"
        [[ $status = 125 && $output == "reuseport: $STATIC: sharing by seccomp cannot be done: cannot hand over descriptors here"*"only a list with all or all/tcp"* ]]
    done
}

sockets_are() {
    [ "$(grep -cx "$2" "$(log makes)")" = "$1" ]
}

@test "where the kernel cannot hand over a socket and answer in one step, it is handed over in two" {
    local step count=0
    need strace
    cat >makes.py <<'END'
import socket, sys
for line in sys.stdin:
    with socket.socket() as made:
        print(made.fileno(), made.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT), flush=True)
END
    mkfifo steps
    exec {STEPS}<>steps
    INPUT=steps spawn makes "$PROBES/without" pidfd_getfd "$COMMAND" run -m seccomp -p all /usr/bin/python3 makes.py
    wait_until watchers_are 2
    for step in 99 "" 99; do # 99: as ever
        trace_watcher ioctl "error=EINVAL:when=${step:-$(grep -n ADDFD trace | cut -d: -f1)}"
        echo >&"$STEPS"
        count=$((count + 1))
        wait_until sockets_are "$count" "3 1"
        kill -INT "$TRACER"
        wait_until ended "$TRACER"
        cat trace
        [ "$(grep -c ADDFD trace)" = $((step ? 1 : 2)) ]
    done
}

@test "a program that has left the network namespace makes its sockets itself, and is told" {
    need_root
    need_unshare -n
    REUSEPORT_LOG=warn "$PROBES/without" pidfd_getfd "$COMMAND" run -m seccomp -p all unshare -n "$STATIC" \
        socket tcp4 bind 127.0.0.1 "$PORT" get >out 2>err
    cat out err
    [ "$(<out)" = $'bind=ok\nreuseport=0\nreuseaddr=0' ]
    grep -q 'its socket is not shared: it is in another network namespace' err
    # At bind, on the program's own socket, that makes no difference.
    run watched unshare -n "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *reuseport=1* ]]
}

@test "under another such run with the same list the outer one does it; with another list it is refused" {
    run watched "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$output" = $'bind=ok\nreuseport=1\nreuseaddr=0' ]
    run watched "$COMMAND" run -m seccomp -p 80 "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $status = 125 && $output == *"reuseport run -m seccomp started this with another list"* ]]
    REUSEPORT_REUSEADDR=1 run watched env -u REUSEPORT_REUSEADDR "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" mark
    [[ $status = 125 && $output == *"with another list or other settings"* ]]
    run watched env -u REUSEPORT_SECCOMP "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" mark
    [[ $status = 125 && $output == *"another program, perhaps a container's runtime, watches the system calls here already"* ]]
    # The inner one's guard is not left behind as a zombie.
    run watched "$COMMAND" run -m seccomp -p "$PORT" sh -c 'ps -o stat= --ppid $$ | grep -c Z'
    [ "$output" = 0 ]
}

@test "set-user-id programs, and for others than root file capabilities, are refused with a way out" {
    need_root
    need setcap
    chmod 755 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR"
    cp "$STATIC" "$BATS_TEST_TMPDIR/with-capability"
    setcap cap_net_bind_service+ep "$BATS_TEST_TMPDIR/with-capability"
    run setpriv --reuid 64732 --clear-groups "$COMMAND" run -m seccomp -p "$PORT" "$BATS_TEST_TMPDIR/with-capability" mark
    [[ $status = 125 && $output == *"has file capabilities"*"--ambient-caps"* ]]
    cp "$STATIC" "$BATS_TEST_TMPDIR/set-user-id"
    chown 64733 "$BATS_TEST_TMPDIR/set-user-id"
    chmod 4755 "$BATS_TEST_TMPDIR/set-user-id"
    run setpriv --reuid 64732 --clear-groups "$COMMAND" run -m seccomp -p "$PORT" "$BATS_TEST_TMPDIR/set-user-id" mark
    [[ $status = 125 && $output == *"set-user-id"* ]]
}

@test "auto takes the preload where it reaches, else seccomp; -v and check say which, and why" {
    run "$COMMAND" run -v -p "$PORT" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$output" = "reuseport: $PROBES/probe: by preload"$'\nbind=ok\nreuseport=1\nreuseaddr=0' ]
    run "$COMMAND" run -v -p "$PORT" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    # What it does already is not advised.
    [ "$output" = "reuseport: $STATIC: by seccomp; $STATIC: static: has no loader to read LD_PRELOAD"$'\nbind=ok\nreuseport=1\nreuseaddr=0' ]
    run "$COMMAND" run -m preload -p "$PORT" "$STATIC" mark
    [[ $status = 125 && $output == *"static: has no loader"*"or -m seccomp" ]]
    run "$COMMAND" run -m nonsense -p "$PORT" "$STATIC" mark
    [[ $status = 125 && $output == 'reuseport: -m: "nonsense": not auto, preload or seccomp' ]]
    run "$COMMAND" check "$STATIC"
    [[ $status = 1 && $output == *"run -m auto: uses seccomp"*"seccomp, for programs that no preload reaches: works here" ]]
    run "$COMMAND" check -m auto "$STATIC"
    [ "$status" = 0 ]
    run "$COMMAND" check -m seccomp "$PROBES/probe"
    [[ $status = 0 && $output == *"run -m auto: uses preload"* ]]
    run "$PROBES/without" pidfd_getfd "$COMMAND" check -m auto -p "$PORT" "$STATIC"
    [[ $status = 1 && $output == *"run -m auto: refuses it; seccomp cannot be done: cannot hand over descriptors here: "* ]]
}

@test "the status is the program's; 126 and 127 where it cannot be run" {
    run watched sh -c 'exit 7'
    [ "$status" = 7 ]
    run -127 watched no-such-command
    run -126 watched /dev/null
}

@test "-n copies, each of them watched" {
    spawn copies "$COMMAND" run -m seccomp -n 3 -p "$PORT" "$PROBES/static-server" "$PORT" 127.0.0.1
    wait_until listeners_are "$PORT" 3
    run "$BUILD/examples/client" "$PORT" 100
    [ "${#lines[@]}" = 3 ]
    kill -TERM "$PID"
    wait "$PID" || true
    wait_until listeners_are "$PORT" 0
    wait_until no_watcher
}

# waits_for_all: wall.py waits with __WALL, as tracers do, for its two children, and prints how many it saw.
waits_for_all() {
    cat >wall.py <<'END'
import os
for _ in range(2):
    os.fork() or os._exit(0)
count = 0
try:
    while True:
        os.waitpid(-1, 0x40000000)
        count += 1
except ChildProcessError:
    print("waited for", count)
END
}

@test "strace -f as the program ends with it, and what it traces is shared, and its status is kept" {
    need strace
    run -0 timeout -s KILL 20 "$COMMAND" run -m seccomp -p "$PORT" \
        strace -qq -f -o trace "$STATIC" fork socket tcp4 bind 127.0.0.1 "$PORT" get
    echo "$output"
    [ "$(grep -c reuseport=1 <<<"$output")" = 2 ]
    grep -q bind trace
    run -7 timeout -s KILL 20 "$COMMAND" run -m seccomp -p "$PORT" strace -qq -o trace sh -c 'exit 7'
}

@test "a program that waits with __WALL sees its own children alone" {
    waits_for_all
    run timeout -s KILL 20 "$COMMAND" run -m seccomp -p "$PORT" /usr/bin/python3 wall.py
    [ "$output" = "waited for 2" ]
    run timeout -s KILL 20 "$COMMAND" run -m seccomp -p "$PORT" \
        sh -c '/usr/bin/python3 wall.py; exec /usr/bin/python3 wall.py'
    [ "$output" = $'waited for 2\nwaited for 2' ]
    # Where an outer run watches, the inner one's guard, which is not needed, has ended.
    run timeout -s KILL 20 "$COMMAND" run -m seccomp -p "$PORT" "$COMMAND" run -m seccomp -p "$PORT" /usr/bin/python3 wall.py
    [ "$output" = "waited for 2" ]
}

@test "as PID 1, or as a subreaper, strace is refused with a way out, which works" {
    need strace
    local reason='waits for all of its children; as PID 1 or a subreaper it would have the watching process among them, and never end; start it from another process (docker: --init)'
    reason="reuseport: $(type -P strace): $reason"
    printf '#!%s -qq\n' "$(type -P strace)" >script
    chmod +x script
    local command
    for command in strace ./script; do
        run -125 adopting "$COMMAND" run -m seccomp -p "$PORT" "$command" true
        [ "$output" = "$reason" ]
    done
    need_root
    need_unshare -fp --mount-proc
    run -125 unshare -fp --mount-proc "$COMMAND" run -m seccomp -p "$PORT" strace true
    [ "$output" = "$reason" ]
    run -0 timeout -s KILL 20 unshare -fp --kill-child --mount-proc "$COMMAND" run -p "$PORT" strace -qq -o trace true
    run -0 timeout -s KILL 20 unshare -fp --kill-child --mount-proc sh -c '"$@"; exit' sh \
        "$COMMAND" run -m seccomp -p "$PORT" strace -qq -o trace true
}

# kill_guards: kills all guards of this test, GUARDS; their watchers take their places.
kill_guards() {
    local pid
    GUARDS=()
    for pid in $(watchers); do
        [[ " $(watchers | xargs) " == *" $(ps -o ppid= -p "$pid" | xargs) "* ]] || GUARDS+=("$pid")
    done
    kill -KILL "${GUARDS[@]}"
    for pid in "${GUARDS[@]}"; do wait_until ended_or_zombie "$pid"; done
}

@test "copies in the background end with their own status, though their guards are killed" {
    local want status
    cat >daemon.sh <<'END'
setsid sh -c 'until [ -e stop ]; do sleep 0.02; done; exit "$0"' "$1" </dev/null >/dev/null 2>&1 3>&- &
END
    for want in 0 3; do
        rm -f stop
        status=0
        spawn copies "$COMMAND" run -m seccomp -n 2 -p "$PORT" sh daemon.sh "$want"
        wait_until watchers_are 4
        kill_guards
        [ "${#GUARDS[@]}" = 2 ]
        wait_until watchers_are 4
        touch stop
        wait "$PID" || status=$?
        cat "$(log copies)"
        [ "$status" = "$want" ]
        ! grep killed "$(log copies)"
        wait_until no_watcher
    done
}

lines_are() {
    [ "$(wc -l <"$1")" = "$2" ]
}

@test "a signal for copies is not sent to their guards" {
    local pid count
    need pgrep
    spawn copies "$COMMAND" run -m seccomp -n 2 -p "$PORT" sh -c 'trap "echo told >>told" USR1; while :; do sleep 0.02; done'
    wait_until watchers_are 4
    : >told
    for count in 2 4; do
        wait_until pgrep -P "$(pgrep -d, -P "$PID")" -x sh
        kill -USR1 "$PID"
        wait_until lines_are told "$count"
    done
    for pid in $(watchers); do
        run grep -E '^(Sig|Shd)Pnd:' "/proc/$pid/status"
        [ "$(grep -c '0000000000000000' <<<"$output")" = 2 ]
    done
}

@test "replace -m seccomp: strace and what it runs are the new server, the guard is not, and may be killed" {
    local status=0
    need strace pgrep
    spawn old shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    spawn stay "$COMMAND" replace -m seccomp --foreground "$PID" \
        strace -qq -f -o trace "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until grep -q 'has replaced' "$(log stay)"
    cat "$(log stay)"
    kill_guards
    [ "${#GUARDS[@]}" = 1 ]
    wait_until watchers_are 2
    [ "$(listeners "$PORT")" = 1 ]
    kill -TERM "$(pgrep -P "$(pgrep -P "$PID" -x strace)")" # strace itself ignores signals
    wait "$PID" || status=$?
    [ "$status" = 143 ]
    wait_until no_watcher
}

@test "a limit of open files that is too low for the watching processes is named as the cause" {
    local limit
    for limit in 4 5 7; do
        run -125 bash -c 'exec 3>&- 4>&-; ulimit -n "$1"; shift; exec "$@"' bash "$limit" "$COMMAND" run -m seccomp -p "$PORT" "$STATIC"
        echo "$output"
        [[ $output == *"sharing by seccomp cannot be done: the limit of open files, $limit, is too low (ulimit -n)" ]]
    done
    run -0 bash -c 'exec 3>&- 4>&-; ulimit -n 8; exec "$@"' bash "$COMMAND" run -m seccomp -p "$PORT" "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *reuseport=1* ]]
}
