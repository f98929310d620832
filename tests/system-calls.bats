#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What the library costs: system calls, counted with strace(1), and instructions at load, with valgrind(1).

load helpers

setup() {
    need strace
    lease_port PORT
}

# calls LIST STEP...: sets CALLS to the number of system calls that the probe makes between two marks;
# without the library where LIST is -. SETTING, if set, goes into the environment.
calls() {
    local trace=$BATS_TEST_TMPDIR/trace with=()
    [ "$1" = - ] || with=(-E "LD_PRELOAD=$LIBRARY" -E "REUSEPORT_PORTS=$1" -E REUSEPORT_LOG=off -E "${SETTING:-NONE=}")
    strace -f -o "$trace" "${with[@]}" "$PROBES/probe" "${@:2}" >/dev/null
    CALLS=$(awk '/getppid/ { inside = !inside; marks++; next } inside { n++ } END { if (marks != 2) exit 1; print n + 0 }' "$trace")
}

# added LIST STEP...: how many more they are with the library.
added() {
    calls - "${@:2}"
    local plain=$CALLS
    calls "$@"
    ADDED=$((CALLS - plain))
    echo "REUSEPORT_PORTS=$1 ${*:2}: $plain without, $CALLS with the library"
}

# names_of LIST STEP...: the system calls, sorted, that the probe makes between two marks.
names_of() {
    calls "$@" 2>/dev/null
    awk '/getppid/ { inside = !inside; next } inside { sub(/^[0-9]+ +/, ""); sub(/\(.*/, ""); print }' \
        "$BATS_TEST_TMPDIR/trace" | sort
}

# documented CASE: the names in libreuseport(7), sorted.
documented() {
    awk -v row=".It $1" '$0 == row { found = 1; next } /^\./ { found = 0 } found' "$ROOT/shim/doc/libreuseport.7" |
        tr -s ', \n' '\n' | grep -vx none | sort
}

# adds CASE LIST STEP...: the calls that the library adds there are those that the manual lists, no less, no more.
adds() {
    local plain with added
    grep -qFx ".It $1" "$ROOT/shim/doc/libreuseport.7"
    plain=$(names_of - "${@:3}")
    with=$(names_of "${@:2}")
    added=$(comm -13 <(echo "$plain") <(echo "$with") | sort -u)
    echo "$1, REUSEPORT_PORTS=$2: $added"
    diff <(documented "$1") <(printf '%s' "${added:+$added$'\n'}")
}

@test "the system calls that libreuseport(7) lists are those that the library adds, in each case" {
    local new=(socket tcp4 mark bind 127.0.0.1 "$PORT" mark) ten=() i
    adds 'socket()' all mark socket tcp4 socket udp6 mark
    SETTING=REUSEPORT_AT=socket adds 'socket() of a TCP socket with REUSEPORT_AT=socket' all mark socket tcp4 mark
    adds 'bind() to a port that no entry names, or of AF_UNIX' 1 "${new[@]}"
    adds 'bind() to a port that no entry names, or of AF_UNIX' all socket unix mark bind path "$PORT" mark
    adds 'bind() to a shared port' "$PORT" "${new[@]}"
    adds 'bind() to a shared port' "$PORT/udp" socket udp6 mark bind ::1 "$PORT" mark
    adds 'bind() to a shared port' "!$PORT" socket tcp4 reuseport 1 mark bind 127.0.0.1 "$PORT" mark
    SETTING=REUSEPORT_LOG=info adds 'bind() to a shared port with REUSEPORT_LOG=info' "$PORT" "${new[@]}"
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    SETTING=REUSEPORT_LOG=warn adds 'a bind() that is refused, the first in a process' "$PORT" "${new[@]}"
    for ((i = 0; i < 10; i++)); do
        [ $i = 0 ] || SETTING=REUSEPORT_LOG=warn adds 'a bind() that is refused, the second to tenth' \
            "$PORT" socket tcp4 "${ten[@]}" mark "${ten[@]:0:3}" mark
        ten+=(bind 127.0.0.1 "$PORT")
    done
    local later='a bind() that is refused, any later, or the first with REUSEPORT_LOG=off'
    SETTING=REUSEPORT_LOG=warn adds "$later" "$PORT" socket tcp4 "${ten[@]}" mark "${ten[@]:0:3}" mark
    adds "$later" "$PORT" "${new[@]}"
}

@test "the inert library adds no system call" {
    added '' mark socket tcp4 bind 127.0.0.1 "$PORT" mark
    [ "$ADDED" = 0 ]
    added x mark socket tcp4 bind 127.0.0.1 "$PORT" mark
    [ "$ADDED" = 0 ]
}

@test "the inert library makes no system call when it is loaded" {
    # The loader itself opens, reads and maps it; then come the program's own.
    strace -o "$BATS_TEST_TMPDIR/inert" -E "LD_PRELOAD=$LIBRARY" "$PROBES/probe" mark
    strace -o "$BATS_TEST_TMPDIR/empty" -E "LD_PRELOAD=$PROBES/empty" "$PROBES/probe" mark
    [ "$(wc -l <"$BATS_TEST_TMPDIR/inert")" -le "$(wc -l <"$BATS_TEST_TMPDIR/empty")" ]
}

@test "socket() adds none, and one with REUSEPORT_AT=socket" {
    added all mark socket tcp4 socket udp4 mark
    [ "$ADDED" = 0 ]
    SETTING=REUSEPORT_AT=socket added all mark socket tcp4 socket udp4 mark
    [ "$ADDED" = 1 ]
}

@test "bind() to a port that no entry names adds one at the most" {
    added 1,127.0.0.9:2-5/tcp socket tcp4 mark bind 127.0.0.1 "$PORT" mark
    [ "$ADDED" -le 1 ]
    added "127.0.0.9:$PORT" socket tcp6 mark bind ::1 "$PORT" mark
    [ "$ADDED" -le 1 ]
    added all socket tcp4 mark bind 127.0.0.1 0 mark
    [ "$ADDED" -le 1 ]
}

@test "bind() to a shared port adds three at the most, four where the entry names a protocol" {
    added "$PORT" socket tcp4 mark bind 127.0.0.1 "$PORT" mark
    [ "$ADDED" -le 3 ]
    added "all" socket udp6 mark bind ::1 "$PORT" mark
    [ "$ADDED" -le 3 ]
    added "!$PORT" socket tcp4 reuseport 1 mark bind 127.0.0.1 "$PORT" mark
    [ "$ADDED" -le 3 ]
    added "$PORT/tcp" socket tcp4 mark bind 127.0.0.1 "$PORT" mark
    [ "$ADDED" -le 4 ]
}

@test "a bind() that fails adds one more" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    added "$PORT" socket tcp4 mark bind 127.0.0.1 "$PORT" mark
    [ "$ADDED" -le 4 ]
    added "$PORT/tcp" socket tcp4 mark bind 127.0.0.1 "$PORT" mark
    [ "$ADDED" -le 5 ]
}

@test "from the eleventh refused bind on, a refusal adds no call to what it adds with REUSEPORT_LOG=off" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    local once=(bind 127.0.0.1 "$PORT") ten=() i
    for ((i = 0; i < 10; i++)); do ten+=("${once[@]}"); done
    calls "$PORT" socket tcp4 "${ten[@]}" mark "${once[@]}" mark
    local off=$CALLS
    SETTING=REUSEPORT_LOG=warn calls "$PORT" socket tcp4 "${ten[@]}" mark "${once[@]}" mark
    echo "$off with REUSEPORT_LOG=off, $CALLS with warn"
    [ "$CALLS" = "$off" ]
    # The script can tell: one less, and it is the tenth, which is reported.
    SETTING=REUSEPORT_LOG=warn calls "$PORT" socket tcp4 "${ten[@]:3}" mark "${once[@]}" mark
    [ "$CALLS" -gt "$off" ]
}

# instructions FILE LIST: sets COUNT to those of a program that FILE is preloaded into, the loader's included.
instructions() {
    local name=$BATS_TEST_TMPDIR/preload.so # as long for each
    cp "$1" "$name"
    COUNT=$(env LD_PRELOAD="$name" REUSEPORT_PORTS="$2" valgrind --tool=callgrind --callgrind-out-file=/dev/null /bin/true 2>&1 |
        sed -n 's/.*Collected : //p')
    [ -n "$COUNT" ]
}

@test "loading it takes at most 9 000 instructions more than an empty preload, 13 000 with one port, 18 500 with ten" {
    need valgrind
    local list most
    while read -r most list; do
        instructions "$PROBES/empty" "$list"
        local empty=$COUNT
        instructions "$LIBRARY" "$list"
        echo "REUSEPORT_PORTS=$list: $((COUNT - empty))"
        [ $((COUNT - empty)) -le "$most" ]
    done <<END
9000
13000 20100
18500 20100,20101,20102,20103,20104,20105,20106,20107,20108,20109
END
}

@test "at load the real functions are looked up where a list is set, not where it is not, and never again" {
    local call=(socket tcp4 bind 127.0.0.1 "$PORT")
    looked_up() {
        LD_DEBUG=symbols LD_PRELOAD=$LIBRARY "$@" 2>&1 | grep -cE 'symbol=(bind|socket);' || true
    }
    LD_DEBUG=symbols /bin/true 2>&1 | grep -q symbol= || missing "a loader that shows what it looks up"
    [ "$(looked_up /bin/true)" = 0 ]
    [ "$(looked_up env REUSEPORT_PORTS="$PORT" /bin/true)" -gt 0 ]
    local once
    once=$(looked_up env REUSEPORT_PORTS="$PORT" "$PROBES/probe" "${call[@]}")
    [ "$(looked_up env REUSEPORT_PORTS="$PORT" "$PROBES/probe" "${call[@]}" "${call[@]}")" = "$once" ]
}

@test "serving connections adds none: no other call is intercepted" {
    run readelf --dyn-syms -W "$LIBRARY"
    [ "$(awk '$1 ~ /^[0-9]+:$/ && $7 != "UND" { print $8 }' <<<"$output" | sort | xargs)" = "bind socket" ]
    local trace=$BATS_TEST_TMPDIR/trace served=()
    local with list=
    for list in '' all; do
        with=()
        [ -z "$list" ] || with=(-E "LD_PRELOAD=$LIBRARY" -E "REUSEPORT_PORTS=$list")
        lease_port PORT # another: the first one's connections are in TIME_WAIT
        spawn server strace -o "$trace" "${with[@]}" "$BUILD/examples/server" "$PORT" 127.0.0.1
        wait_until listens "$PORT"
        "$BUILD/examples/client" "$PORT" 50
        stop_all
        served+=("$(awk '/listen\(/ { on = 1 } on' "$trace" | grep -cE '^(accept|write|close|[a-z0-9_]+)\(')")
    done
    echo "${served[@]}"
    [ "${served[0]}" = "${served[1]}" ]
}
