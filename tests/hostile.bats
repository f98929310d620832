#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a program of another user does must not hurt those who trust us: a watcher with root's rights acts beside it.

load helpers

setup() {
    lease_port PORT
    cd "$BATS_TEST_TMPDIR" || exit
    COMMAND=$BUILD/reuseport
    STATIC=$PROBES/static-probe
}

# Binds under -m seccomp, and what the watcher does for them.

AS_NOBODY=(setpriv --reuid 65534 --regid 65534 --clear-groups)

# In a network namespace: a program binds PORT in a loop and is denied; meanwhile root binds it 5 000 times.
write_rivals() {
    cat >denied.py <<'END'
import socket, sys
print("loops", flush=True)
while True:
    with socket.socket() as server:
        try:
            server.bind(("127.0.0.1", int(sys.argv[1])))
            print("bound")
        except PermissionError:
            pass
END
    cat >binds.py <<'END'
import socket, sys, time
failed = 0
for _ in range(5000):
    with socket.socket() as server:
        try:
            server.bind(("127.0.0.1", int(sys.argv[1])))
        except OSError:
            failed += 1
    time.sleep(0.0002)
print(failed, "failed")
END
    cat >rivals.sh <<'END'
port=$1 start=$2
shift 2
ip link set lo up
echo "$start" >/proc/sys/net/ipv4/ip_unprivileged_port_start
"$COMMAND" run -m seccomp -p "$port" "$@" /usr/bin/python3 denied.py "$port" >denied 2>&1 &
denied=$!
until grep -qs loops denied; do sleep 0.01; done
/usr/bin/python3 binds.py "$port"
kill "$denied"
wait "$denied"
cat denied
END
    export COMMAND
}

@test "a program that may not bind a privileged port does not keep root from it: by its user, by a raised limit, in a user namespace" {
    need_root
    need_unshare -n
    need ip setpriv
    local row
    write_rivals
    for row in "80 1024 ${AS_NOBODY[*]}" "$PORT $((PORT + 1)) ${AS_NOBODY[*]}" "80 1024 ${AS_NOBODY[*]} unshare -Ur" \
        "80 1024 setpriv --bounding-set -net_bind_service --inh-caps -net_bind_service"; do
        # shellcheck disable=SC2086 # words
        run unshare -n sh rivals.sh $row
        echo "$row: $output"
        [[ $output == "0 failed"*loops* && $output != *bound* ]]
    done
}

@test "a program that may bind a privileged port is asked for: by its capability, by a lowered limit" {
    need_root
    need_unshare -n
    need ip setpriv
    local start
    cat >privileged.sh <<'END'
start=$1
shift
ip link set lo up
echo "$start" >/proc/sys/net/ipv4/ip_unprivileged_port_start
"$PROBES/probe" socket tcp4 bind 127.0.0.1 80 listen pause >holder &
until grep -qs bind=ok holder; do sleep 0.01; done
"$COMMAND" run -m seccomp -p 80 "$@" "$STATIC" socket tcp4 bind 127.0.0.1 80 get 2>&1
kill $!
END
    export COMMAND PROBES STATIC
    for start in 1024 80; do
        local can=()
        [ "$start" = 80 ] || can=(--inh-caps +net_bind_service --ambient-caps +net_bind_service)
        run unshare -n sh privileged.sh "$start" "${AS_NOBODY[@]}" "${can[@]}"
        echo "$start: $output"
        [[ $output == *"in use by "*$'\nbind=Address already in use\nreuseport=0\nreuseaddr=0' ]]
    done
}

# makes_sockets: under the second way, where the watcher makes the sockets.
MAKES_SOCKETS=(env REUSEPORT_LOG=warn "$PROBES/without" pidfd_getfd "$BUILD/reuseport" run -m seccomp -p all)

@test "a firewall sees a socket that the watcher made as the program's, by user and by group" {
    need_root
    need_unshare -n
    need nft ip setpriv
    local row
    cat >firewall.sh <<'END'
ip link set lo up
nft "add table inet t; add chain inet t out { type filter hook output priority 0; }; add rule inet t out $1 65534 reject" ||
    exit
"$PROBES/probe" socket tcp4 bind 127.0.0.1 80 listen pause >holder &
until grep -qs bind=ok holder; do sleep 0.01; done
shift
"$@" socket tcp4 connect 127.0.0.1 80 get
kill $!
END
    export PROBES
    run unshare -n sh -c 'nft "add table inet t; add chain inet t o { type filter hook output priority 0; }
add rule inet t o meta skgid 1 reject"'
    [ "$status" = 0 ] || missing "the kernel's nf_tables: $output"
    for row in "skgid setpriv --reuid 65534 --regid 65534 --clear-groups" "skgid setpriv --regid 65534 --clear-groups" \
        "skgid setpriv --reuid 64732 --regid 65534 --groups 0" "skuid setpriv --reuid 65534 --clear-groups"; do
        # shellcheck disable=SC2086 # words
        run unshare -n sh firewall.sh "meta ${row%% *}" "${MAKES_SOCKETS[@]}" ${row#* } "$STATIC"
        echo "$row: $output"
        [ "$output" = $'connect=Connection refused\nreuseport=1\nreuseaddr=0' ]
    done
    # Others get through.
    run unshare -n sh firewall.sh "meta skgid" "${MAKES_SOCKETS[@]}" "$STATIC"
    [ "$output" = $'connect=ok\nreuseport=1\nreuseaddr=0' ]
}

@test "a program in another cgroup or user namespace makes its sockets itself, and is told" {
    need_root
    need_unshare -m
    need_unshare -U
    cat >cgroup.sh <<'END'
mount -t cgroup2 none "$1" && mkdir -p "$1/reuseport-$PPID" || exit
sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$1/reuseport-$PPID" "$STATIC" socket tcp4 get
rmdir "$1/reuseport-$PPID"
END
    export STATIC
    mkdir cgroup
    run --separate-stderr "${MAKES_SOCKETS[@]}" unshare -m sh cgroup.sh "$PWD/cgroup"
    echo "$output / $stderr"
    [ "$output" = $'reuseport=0\nreuseaddr=0' ]
    [[ $stderr == "libreuseport: pid "*": its socket is not shared: it is in another cgroup" ]]
    run --separate-stderr "${MAKES_SOCKETS[@]}" unshare -U "$STATIC" socket tcp4 get
    echo "$output / $stderr"
    [ "$output" = $'reuseport=0\nreuseaddr=0' ]
    [[ $stderr == "libreuseport: pid "*": its socket is not shared: it is in another user namespace" ]]
    run --separate-stderr "${MAKES_SOCKETS[@]}" unshare -m "$STATIC" socket tcp4 get
    [ "$output/$stderr" = $'reuseport=1\nreuseaddr=0/' ]
}

# told_of NAME: what of a line on stderr names the holder.
told_of() {
    case $stderr in
    *"in use by pid $PID (probe)"*) echo process ;;
    *"in use by "*"; its process is not visible to this one") [[ $stderr == *"$PID"* ]] || echo user ;;
    *) echo "$stderr" ;;
    esac
}

@test "the watcher tells a program of a process only what it may see itself" {
    need_root
    need_unshare -U
    need_unshare -p -f
    local expected holder program
    while IFS=: read -r expected holder program; do
        # shellcheck disable=SC2086 # words
        spawn holder $holder "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen pause
        wait_until listens "$PORT"
        # shellcheck disable=SC2086 # words
        run --separate-stderr "$COMMAND" run -m seccomp -p "$PORT" $program "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT"
        echo "$expected for $program, of $holder: $output / $stderr"
        [[ $output == *"bind=Address already in use" ]]
        [ "$(told_of)" = "$expected" ]
        stop_all
    done <<END
user::${AS_NOBODY[*]}
user:setpriv --reuid 64732 --regid 64732 --clear-groups:${AS_NOBODY[*]}
user:setpriv --reuid 65534 --regid 64732 --clear-groups:${AS_NOBODY[*]}
user:setpriv --reuid 64732 --regid 64732 --clear-groups:${AS_NOBODY[*]} unshare -Ur
user:setpriv --reuid 64732 --regid 64732 --clear-groups:unshare -Ur
user:setpriv --reuid 64732 --regid 64732 --clear-groups:setpriv --bounding-set -sys_ptrace
user::unshare -p -f
process:${AS_NOBODY[*]}:${AS_NOBODY[*]}
process:setpriv --reuid 64732 --regid 64732 --clear-groups:env
process::env
END
}

# Watchers that are frozen, by -m seccomp.

# need_fuse: a device of this test's own, which an ordinary user may open.
need_fuse() {
    need_root
    need_unshare -Um
    mknod fuse c 10 229 2>/dev/null || missing "the right to make /dev/fuse"
    chmod 666 fuse
    { : <>fuse; } 2>/dev/null || missing "/dev/fuse"
}

# freeze HOW COUNT [AS...]: under these words (FROZEN: by this probe), in HELD, milliseconds that another program's bind took under a guard whose watcher is frozen by
# COUNT binds; it was shared. Then the FUSE daemon ends, and no watching process is left.
freeze() {
    rm -f bound frozen end
    mkfifo -m 666 end
    cat >both.sh <<'END'
drop=
[ "$(id -u)" != 0 ] || drop='setpriv --reuid 65534 --regid 65534 --clear-groups'
$drop "$1" /proc/self/fd/5 "$2" "$3" "$4" 5<fuse 3>&- <>end >frozen 2>/dev/null &
until [ "$(grep -c binding frozen)" = "$4" ]; do sleep 0.02; done
sleep 0.5
start=$(date +%s%N)
"$5" socket tcp4 bind 127.0.0.1 "$2" get >bound 2>&1
echo "held=$((($(date +%s%N) - start) / 1000000))" >>bound
read -r _ <end
END
    # Not a regular file, which the guard would keep as everybody's standard error.
    spawn both "${@:3}" env REUSEPORT_PORTS="${LIST:-$PORT}" REUSEPORT_LOG=info sh -c 'exec "$@" 2>/dev/null' sh \
        "$BUILD/reuseport" run -m seccomp sh both.sh \
        "${FROZEN:-$PROBES/frozen}" "$PORT" "$1" "$2" "$PROBES/static-probe"
    wait_until grep -q held= bound
    HELD=$(sed -n 's/^held=//p' bound)
    WATCHERS=$(our_watchers)
    kill -KILL "$(sed -n 's/^daemon=//p' frozen)"
    stop_all
    echo "$1: held $HELD ms, watchers: $WATCHERS"
    cat bound
    grep -q '^reuseport=1' bound
    wait_until no_watcher
}

export BATS_TEST_TMPDIR

our_watchers() {
    local pid
    for pid in $(grep -lsx reuseport-watch /proc/[0-9]*/comm | grep -o "[0-9]*"); do
        ! grep -qszxF "BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR" "/proc/$pid/environ" || echo "$pid"
    done | wc -l
}

no_watcher() {
    [ "$(our_watchers)" = 0 ]
}

@test "a bind that freezes the watcher keeps another program's waiting for less than 4 seconds" {
    local how
    need_fuse
    for how in socket file; do
        freeze "$how" 1
        ((HELD < 4500))
        ((WATCHERS > 2)) # it was frozen
    done
}

@test "who freezes watchers repeatedly ties up four, and keeps others waiting for less than 4 seconds" {
    need_fuse
    freeze file 8
    ((HELD < 4800))
    ((WATCHERS == 6)) # with the guard and the watcher at work
}

@test "a bind with its address in memory that freezes the watcher of the same user does so for no longer, either" {
    need_fuse
    chmod 777 .
    chmod 755 "$BATS_RUN_TMPDIR"
    freeze memory 1 setpriv --reuid 65534 --regid 65534 --clear-groups
    ((HELD < 4500))
    ((WATCHERS > 2)) # it was frozen
}

@test "a standard error that freezes whoever closes it does so for less than 4 seconds, at bind() and at socket()" {
    need_fuse
    freeze error 1
    ((HELD < 4500))
    ((WATCHERS > 2)) # it was frozen
    LIST=all REUSEPORT_AT=socket freeze error 1
    ((HELD < 4500))
    ((WATCHERS > 2))
}

# frozen_daemon: beside a COMMAND of "frozen DEVICE run".
frozen_daemon() {
    sed -n 's/^daemon=//p' "$(log mute)"
}

@test "a standard error that freezes whoever writes there holds up one bind, and every bind is shared: a file, a locked pipe" {
    local kind
    need_fuse
    cat >lock.py <<'END'
import mmap, os, sys
memory = mmap.mmap(9, 4096, prot=mmap.PROT_READ)
print("locks", flush=True)
os.write(2, memoryview(memory))  # holds the pipe's lock until the bytes are there
END
    cat >mute.sh <<'END'
if [ "$1" = pipe ]; then
    mkfifo pipe
    exec 8<>pipe 2>pipe
    /usr/bin/python3 lock.py >locks &
    until grep -qs locks locks; do sleep 0.01; done
    sleep 0.2
else
    exec 2>&9
fi
exec "$COMMAND" run -m seccomp -p "$PORT" sh -c 'for try in 1 2 3 4 5; do
    start=$(date +%s%N)
    "$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get >>bound
    echo "held=$((($(date +%s%N) - start) / 1000000))" >>bound
done; echo end >>bound'
END
    export COMMAND PORT STATIC REUSEPORT_LOG=info
    for kind in file pipe; do
        rm -f bound pipe
        spawn mute "$PROBES/frozen" fuse run /bin/sh mute.sh "$kind"
        wait_until grep -q end bound
        kill -KILL "$(frozen_daemon)"
        stop_all
        echo "$kind:"
        cat bound
        [ "$(grep -c '^reuseport=1' bound)" = 5 ]
        [ "$(sed -n 's/^held=//p' bound | awk '$1 > 1000' | wc -l)" = 1 ]
        wait_until no_watcher
    done
}

# watcher_states: of the watchers of this test, "D" for one that is frozen.
watcher_states() {
    local pid
    for pid in $(grep -lsx reuseport-watch /proc/[0-9]*/comm | grep -o "[0-9]*"); do
        ! grep -qszxF "BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR" "/proc/$pid/environ" ||
            sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$pid/status"
    done
}

only_frozen_are() {
    [ "$(watcher_states | tr -d '\n')" = "$1" ]
}

@test "a program whose watchers are frozen ends as it does otherwise, and nothing but those outlives it: run, run -n" {
    local copies
    need_fuse
    cat >ends.sh <<'END'
binds=binds${REUSEPORT_INSTANCE-}
exec 8<>hold
"$PROBES/frozen" 9 "$PORT" file 4 <&8 >"$binds" 2>/dev/null &
until [ "$(grep -cs bind= "$binds")" = 4 ]; do sleep 0.02; done
kill $!
"$STATIC" socket tcp4 bind 127.0.0.1 "$PORT" get >bound
exit 7
END
    mkfifo hold
    export COMMAND PORT PROBES STATIC
    for copies in 1 2; do
        rm -f binds*
        spawn daemon "$PROBES/frozen" fuse run /bin/sh -c '"$COMMAND" run -q -m seccomp -n "$0" -p "$PORT" sh ends.sh
            echo "status=$?"; sleep 1000' "$copies"
        wait_until grep -q 'bind=' "binds$((copies - 1))"
        wait_until grep -qx status=7 "$(log daemon)"
        wait_until only_frozen_are "$(printf "%$((copies * 4))s" | tr ' ' D)"
        kill -KILL "$(sed -n 's/^daemon=//p' "$(log daemon)")"
        stop_all
        wait_until no_watcher
    done
}

@test "arguments of socketcall(2) in memory that freezes the watcher do so for less than 4 seconds" {
    need_fuse
    [ -x "$PROBES/i386-frozen" ] || missing "a compiler for 32 bits"
    chmod 777 .
    chmod 755 "$BATS_RUN_TMPDIR"
    FROZEN=$PROBES/i386-frozen freeze call 1 setpriv --reuid 65534 --regid 65534 --clear-groups
    ((HELD < 4500))
    ((WATCHERS > 2))
}

@test "a holder whose name imitates /proc's format is named in one line, as what it is, by either method" {
    need_root
    need setpriv python3
    local method try
    cat >impostor.py <<'END'
import ctypes, socket, sys, time
assert ctypes.CDLL(None).prctl(15, b"x) S 1\nPid:\t1", 0, 0, 0) == 0  # PR_SET_NAME
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(600)
END
    chmod 755 . "$BATS_RUN_TMPDIR"
    spawn impostor setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 impostor.py "$PORT"
    wait_until listens "$PORT"
    for method in preload seccomp; do
        for try in 1 2 3 4 5; do # the machine may be too busy to find the holder within 5 ms
            run --separate-stderr "$BUILD/reuseport" run -m "$method" -p "$PORT" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
            [[ $stderr == *"within 5 ms"* ]] || break
        done
        echo "$method, try $try: $stderr"
        [ "$(wc -l <<<"$stderr")" = 1 ]
        [[ $stderr == "libreuseport: bind 127.0.0.1:$PORT/tcp: in use by pid $PID (x) S 1"*") of user nobody; only sockets of one user share"* ]]
    done
}
