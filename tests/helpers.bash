# SPDX-License-Identifier: MIT
# What every bats file loads: where things are built, leased ports, waiting for conditions, and servers that end with
# their test.

bats_require_minimum_version 1.5.0

ROOT=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
BUILD=${BUILD:-$ROOT/build}
BUILT_IN=${BUILT_IN:-$BUILD} # where make built it, BUILD being perhaps a copy (setup_suite.bash)
LIBRARY=${LIBRARY:-$BUILD/libreuseport.so}
PROBES=${PROBES:-$BUILD/probes}
unset LD_PRELOAD "${!REUSEPORT_@}"
# A make in a test is no part of the one that started the tests.
unset MAKEFLAGS MFLAGS MAKELEVEL CC CFLAGS CPPFLAGS LDFLAGS DESTDIR PREFIX BINDIR LIBDIR MANDIR STRIP JOBS
PATH=$PATH:/usr/sbin:/sbin # where servers are, which an ordinary user's lacks

# A test that hangs fails instead.
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-300}

PIDS=()

teardown() {
    stop_all
}

# missing WHAT: skips the test; in CI, fails it.
missing() {
    if [ "${CI:-}" = true ]; then
        echo "missing: $1; CI must have it"
        return 1
    fi
    skip "missing: $1"
}

need() {
    local command
    for command; do
        [ -n "$(type -P "$command")" ] || missing "$command"
    done
}

need_root() {
    [ "$(id -u)" = 0 ] || missing "root"
}

# need_unshare OPTION...: a container may not make namespaces.
need_unshare() {
    need unshare
    unshare "$@" true 2>/dev/null || missing "the right to unshare $*"
}

# need_network: for list-rows.bash, which makes a network namespace of its own.
need_network() {
    unshare -n true 2>/dev/null || unshare -rn true 2>/dev/null || missing "the right to make a network namespace"
}

# need_linux VERSION: for what older kernels do not do.
need_linux() {
    [ "$(printf '%s\n' "$1" "$(uname -r)" | sort -V | head -n 1)" = "$1" ] || missing "Linux $1"
}

need_sys_admin() {
    local effective
    effective=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
    (((0x$effective >> 21) & 1)) || missing "CAP_SYS_ADMIN"
}

# lease_port NAME...: sets each variable to a port that nothing uses and that no other test, of any user, gets while
# this one runs: below the ephemeral ports, locked in /tmp.
lease_port() {
    local name port lock leases=/tmp/reuseport-leases
    [ -d $leases ] || mkdir -m 1777 $leases 2>/dev/null || true
    for name; do
        while :; do
            port=$((RANDOM % 10000 + 20000))
            # Nobody may open another's file there for writing (fs.protected_regular); a lock needs no more than reading.
            [ -e "$leases/$port" ] || (umask 022 && set -C && : >"$leases/$port") 2>/dev/null || true
            { exec {lock}<"$leases/$port"; } 2>/dev/null || continue
            if flock -n "$lock" && [ -z "$(ss -Htuan "sport = :$port")" ]; then
                break
            fi
            exec {lock}<&-
        done
        printf -v "$name" %s "$port"
    done
}

# wait_until COMMAND...: returns when the command succeeds; fails after 30 seconds.
wait_until() {
    local deadline=$((SECONDS + 30))
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "gave up waiting for: $*"
            return 1
        fi
        sleep 0.02
    done
}

# spawn NAME COMMAND...: starts it in the background; its output goes to $(log NAME), its PID to PID. INPUT, if set, is
# its standard input.
spawn() {
    local name=$1
    shift
    if [ "$1" = shared ]; then # so that PID is the server's, not a subshell's
        shift
        set -- env REUSEPORT_PORTS="${REUSEPORT_PORTS-$PORT}" LD_PRELOAD="$LIBRARY" "$@"
    fi
    "$@" >"$BATS_TEST_TMPDIR/$name.log" 2>&1 3>&- <"${INPUT:-/dev/null}" &
    PID=$!
    PIDS+=("$PID")
}

log() {
    echo "$BATS_TEST_TMPDIR/$1.log"
}

# shared COMMAND...: under the library, with $PORT shared unless REUSEPORT_PORTS says otherwise.
shared() {
    env REUSEPORT_PORTS="${REUSEPORT_PORTS-$PORT}" LD_PRELOAD="$LIBRARY" "$@"
}

# refused LINE COMMAND...: the command cannot bind, and its stderr is the library's line alone, here without its start.
# Tries again where the machine is so busy that the library ran out of time.
refused() {
    local try
    for try in 1 2 3 4 5; do
        run --separate-stderr "${@:2}"
        echo "$try: $output / $stderr"
        [[ $stderr == *" within 5 ms" && $1 != *" within 5 ms" ]] || break
    done
    [[ $output == *"bind=Address already in use"* ]]
    [ "$stderr" = "libreuseport: bind $1" ]
}

listens() {
    [ -n "$(ss -Htln "sport = :$1")" ]
}

# listeners PORT: how many TCP sockets listen on it.
listeners() {
    ss -Htln "sport = :$1" | wc -l
}

listeners_are() {
    [ "$(listeners "$1")" = "$2" ]
}

bound_udp_are() {
    [ "$(ss -Huan "sport = :$1" | wc -l)" = "$2" ]
}

ended() {
    ! kill -0 "$1" 2>/dev/null
}

# descendants PID...: those processes and all below them.
descendants() {
    local pid child
    for pid; do
        echo "$pid"
        for child in $(cat "/proc/$pid/task/"*/children 2>/dev/null); do
            descendants "$child"
        done
    done
}

# make_network: makes a network namespace, NETWORK, which the test deletes; "${NET[@]}" enters it.
make_network() {
    need_root
    need ip nsenter
    NETWORK=reuseport$BASHPID
    ip netns add "$NETWORK" || missing "the right to make a network namespace"
    NET=(nsenter --net="/run/netns/$NETWORK")
    "${NET[@]}" ip link set lo up
}

stop_all() {
    local all pid
    [ "${#PIDS[@]}" -gt 0 ] || return 0
    mapfile -t all < <(descendants "${PIDS[@]}")
    kill -TERM "${all[@]}" 2>/dev/null || true
    kill -CONT "${all[@]}" 2>/dev/null || true # those that the test has stopped
    for pid in "${all[@]}"; do
        wait_until_ended "$pid" || kill -KILL "$pid" 2>/dev/null || true
    done
    wait "${PIDS[@]}" 2>/dev/null || true
    PIDS=()
}

# A zombie has ended, too.
wait_until_ended() {
    local deadline=$((SECONDS + 5))
    while [ "$SECONDS" -lt "$deadline" ]; do
        grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" || return 0
        sleep 0.02
    done
    return 1
}
