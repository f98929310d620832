#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# reuseport run: how it starts a command, how it refuses to, and how it sees several copies through.

load helpers

setup() {
    lease_port PORT
    COMMAND=$BUILD/reuseport
    SEEN=$BATS_TEST_TMPDIR/seen
    : >"$SEEN"
    chmod 666 "$SEEN"
    chmod 755 "$BATS_TEST_TMPDIR"
}

# seen LINE: how often that line stands in what the copies noted.
seen() {
    grep -cxF "$1" "$SEEN" || true
}

seen_is() {
    [ "$(grep -cE "$1" "$SEEN")" = "$2" ]
}

# fails STATUS LINE COMMAND...: the command ends with that status, and stderr holds just that line.
fails() {
    run --separate-stderr "-$1" "${@:3}"
    echo "status $status: $output / $stderr"
    [ "$status" = "$1" ] && [ "$stderr" = "reuseport: $2" ] && [ -z "$output" ]
}

# marked: the processes that carry this test's mark in their environment.
marked() {
    grep -lszxF "MARK=$BATS_TEST_TMPDIR" /proc/[0-9]*/environ || true
}

none_left() {
    [ -z "$(marked)" ]
}

# keepers PID: the processes between that supervisor and its copies.
keepers() {
    cat "/proc/$1/task/$1/children" 2>/dev/null
}

@test "one copy takes the place of reuseport: same PID, even where no process can be forked" {
    need_root
    spawn one "$COMMAND" run -p "$PORT" "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    [ "$(readlink "/proc/$PID/exe")" = "$(realpath "$BUILD/examples/server")" ]
    # A user with no other process, who may have one.
    run prlimit --nproc=1:1 setpriv --reuid 64731 --clear-groups \
        "$COMMAND" run -p "$PORT" "$PROBES/probe" socket tcp4 bind 127.0.0.2 "$PORT" get
    echo "$output"
    [[ $status = 0 && $output = *reuseport=1* ]]
    fails 125 "cannot start copy 0: Resource temporarily unavailable" prlimit --nproc=1:1 setpriv --reuid 64731 --clear-groups \
        "$COMMAND" run -n 2 -p "$PORT" true
}

@test "three copies share the port, each with its number, and -I puts that into the arguments" {
    spawn three "$COMMAND" run -n 3 -I {} -p "$PORT" sh -c 'echo "$0 $1 $REUSEPORT_INSTANCE" >>"$2"; exec "$3" "$4"' \
        a{}b "{}{}" "$SEEN" "$BUILD/examples/server" "$PORT"
    wait_until listeners_are "$PORT" 3
    [ "$(sort "$SEEN" | xargs)" = "a0b 00 0 a1b 11 1 a2b 22 2" ]
    run "$BUILD/examples/client" "$PORT" 200
    [ "${#lines[@]}" = 3 ]
    run ! grep -q map_id "/proc/$PID/fdinfo/"* # --balance was not asked for
}

@test "the library comes first in LD_PRELOAD, once, absolute, whatever was there" {
    local long="" lib
    lib=$(realpath "$LIBRARY")
    show() { env "$@" "$COMMAND" run -p "$PORT" sh -c 'echo "$LD_PRELOAD"' 2>/dev/null; }
    [ "$(show A=1)" = "$lib" ]
    [ "$(show LD_PRELOAD="$lib")" = "$lib" ]
    [ "$(show LD_PRELOAD="$PROBES/neighbour:$lib $PROBES/neighbour")" = "$lib:$PROBES/neighbour:$PROBES/neighbour" ]
    printf -v long '/nonexistent/%0200d:' $(seq 1 50)
    [ "$(show LD_PRELOAD="$long")" = "$lib:${long%:}" ]
    cd "$BUILD" && [ "$("$COMMAND" run --library ./libreuseport.so -p "$PORT" sh -c 'echo "$LD_PRELOAD"')" = "$lib" ]
}

@test "the library is looked for beside the command and in ../lib, never in the working directory" {
    local root=$BATS_TEST_TMPDIR/root lib
    mkdir -p "$root/bin" "$root/lib" "$root/work"
    cp "$COMMAND" "$root/bin"
    cp "$LIBRARY" "$root/work"
    cd "$root/work"
    run "$root/bin/reuseport" run -p "$PORT" sh -c 'echo "$LD_PRELOAD"'
    [[ $status = 125 && $output = "reuseport: libreuseport.so is neither beside this command"* ]] ||
        [[ $output != *"$root/work"* ]] # where one is installed on this machine
    cp "$LIBRARY" "$root/lib"
    for lib in lib bin; do
        cp "$LIBRARY" "$root/$lib"
        run "$root/bin/reuseport" run -p "$PORT" sh -c 'echo "$LD_PRELOAD"'
        [ "$output" = "$root/$lib/libreuseport.so" ]
    done
}

@test "a library that would not load is refused before anything is started" {
    need gcc readelf
    local dir=$BATS_TEST_TMPDIR path
    mkdir -p "$dir/a b" "$dir/a:b"
    for path in "$dir/a b" "$dir/a:b"; do
        cp "$LIBRARY" "$path"
        fails 125 "the library $path/libreuseport.so: a path with a blank or a colon cannot be preloaded (ld.so(8)); copy it elsewhere with reuseport install-lib DIR" \
            "$COMMAND" run --library "$path/libreuseport.so" -p "$PORT" touch "$dir/started"
    done
    sed 's/libreuseport version 0/libreuseport version 9/' "$LIBRARY" >"$dir/other.so"
    fails 125 "the library $dir/other.so: not of this command's version, $("$COMMAND" --version | cut -d' ' -f2)" \
        "$COMMAND" run --library "$dir/other.so" -p "$PORT" touch "$dir/started"
    head -c 3000 "$LIBRARY" >"$dir/short.so"
    run "$COMMAND" run --library "$dir/short.so" -p "$PORT" touch "$dir/started"
    [[ $status = 125 && ${#lines[@]} = 1 ]]
    # With its version still in it, but not all that is to be loaded.
    head -c $(($(stat -c %s "$LIBRARY") / 2)) "$LIBRARY" >"$dir/cut.so"
    printf 'libreuseport version %s\0' "$("$COMMAND" --version | cut -d' ' -f2)" >>"$dir/cut.so"
    run "$COMMAND" run --library "$dir/cut.so" -p "$PORT" touch "$dir/started"
    echo "$output"
    [[ $status = 125 && ${#lines[@]} = 1 ]]
    # Whole, but with nothing where the loader looks for its symbols.
    cp "$LIBRARY" "$dir/zeroed.so"
    dd if=/dev/zero of="$dir/zeroed.so" conv=notrunc bs=1 status=none \
        seek=$(($(readelf -lW "$LIBRARY" | awk '$1 == "DYNAMIC" { print $2 }'))) count=16
    fails 125 "the library $dir/zeroed.so: damaged, or not a shared library" \
        "$COMMAND" run --library "$dir/zeroed.so" -p "$PORT" touch "$dir/started"
    gcc -shared -fPIC -D_GNU_SOURCE -I"$ROOT/shim" -o "$dir/tied.so" "$ROOT"/shim/{core,preload}/*.c
    fails 125 "the library $dir/tied.so: depends on other libraries, which a program may lack; build it with make" \
        "$COMMAND" run --library "$dir/tied.so" -p "$PORT" touch "$dir/started"
    fails 125 "the library /nonexistent.so: No such file or directory" \
        "$COMMAND" run --library /nonexistent.so -p "$PORT" touch "$dir/started"
    run "$COMMAND" run --library "$(type -P true)" -p "$PORT" touch "$dir/started"
    [[ $status = 125 && $output = *"not a shared library" ]]
    [ ! -e "$dir/started" ]
}

@test "a library on a file system mounted noexec, which no loader can map, is refused" {
    need_root
    need_unshare -m
    mkdir "$BATS_TEST_TMPDIR/mount"
    fails 125 "the library $BATS_TEST_TMPDIR/mount/libreuseport.so: must not be executed there (mounted noexec?)" \
        unshare -m sh -c 'mount -t tmpfs -o noexec none "$1" && cp "$2" "$1" && exec "$3" run --library "$1/libreuseport.so" -p 80 touch "$1.started"' \
        sh "$BATS_TEST_TMPDIR/mount" "$LIBRARY" "$COMMAND"
    [ ! -e "$BATS_TEST_TMPDIR/mount.started" ]
}

# calls COMMAND...: how many system calls it makes.
calls() {
    strace -f -c -o "$BATS_TEST_TMPDIR/calls" "$@"
    awk '$NF == "total" { print $4 }' "$BATS_TEST_TMPDIR/calls"
}

@test "starting a command takes at most as many system calls as env does" {
    need strace
    # As issue 12 counted it: env also reads its locale, and both search PATH.
    local env ours
    env=$(LC_ALL=C.UTF-8 calls env true)
    ours=$(LC_ALL=C.UTF-8 calls "$COMMAND" run -p 80 true)
    echo "env true: $env, reuseport run -p 80 true: $ours"
    [ "$ours" -le "$env" ]
    # COMMAND itself is opened once, and read in one call for its headers.
    strace -y -e trace=openat,pread64 -o "$BATS_TEST_TMPDIR/reads" "$COMMAND" run -p 80 "$PROBES/probe" mark
    cat "$BATS_TEST_TMPDIR/reads"
    [ "$(grep -c "openat(.*\"$PROBES/probe\"" "$BATS_TEST_TMPDIR/reads")" = 1 ]
    [ "$(grep -c "pread64(.*<$PROBES/probe>" "$BATS_TEST_TMPDIR/reads")" -le 3 ]
}

@test "a bad or missing list is refused in the library's words before anything is started" {
    local started=$BATS_TEST_TMPDIR/started
    fails 125 'run: no ports given; use -p LIST or set REUSEPORT_PORTS' "$COMMAND" run touch "$started"
    fails 125 '-p: "80a": not a port' "$COMMAND" run -p 80,80a touch "$started"
    fails 125 'REUSEPORT_PORTS: "80/sctp": the protocol is neither tcp nor udp' \
        env REUSEPORT_PORTS=80/sctp "$COMMAND" run touch "$started"
    fails 125 'REUSEPORT_LOG: "loud": not off, warn or info' env REUSEPORT_LOG=loud "$COMMAND" run -p 80 touch "$started"
    fails 125 'REUSEPORT_AT: "socket": needs all or all/tcp in REUSEPORT_PORTS' \
        env REUSEPORT_AT=socket "$COMMAND" run -p 80 touch "$started"
    [ ! -e "$started" ]
    # A flag beats an inherited variable, also a wrong one.
    run env REUSEPORT_PORTS=x "$COMMAND" run -p "$PORT" sh -c 'echo "$REUSEPORT_PORTS"'
    [ "$output" = "$PORT" ]
}

@test "wrong options and commands end with 125, 126 and 127, and one line" {
    fails 125 'no subcommand given; see reuseport --help' "$COMMAND"
    fails 125 'no such subcommand: start; see reuseport --help' "$COMMAND" start
    fails 125 'run: no command given; see reuseport run --help' "$COMMAND" run -p 80
    fails 125 'run: no such option: -x; see reuseport run --help' "$COMMAND" run -x -p 80 true
    fails 125 'run: no such option: --frobnicate; see reuseport run --help' "$COMMAND" run --frobnicate true
    fails 125 'run: -n needs a value; see reuseport run --help' "$COMMAND" run -n
    fails 125 '-n: "0": not a number from 1 to 4096' "$COMMAND" run -n 0 -p 80 true
    fails 125 '-n: "2x": not a number from 1 to 4096' "$COMMAND" run -n 2x -p 80 true
    fails 125 '-n: "-1": not a number from 1 to 4096' "$COMMAND" run -n -1 -p 80 true
    fails 125 '--on-exit: "never": not keep, stop or restart' "$COMMAND" run --on-exit never -p 80 true
    fails 127 'no-such-command: No such file or directory' "$COMMAND" run -p 80 no-such-command
    fails 127 'no-such-command: No such file or directory' "$COMMAND" run -n 2 -p 80 no-such-command
    fails 127 'no?such?[2Jcommand: No such file or directory' "$COMMAND" run -p 80 $'no\nsuch\e[2Jcommand'
    fails 125 '-I: STRING must not be empty' "$COMMAND" run -I '' -p 80 true
    fails 126 '/: Permission denied' "$COMMAND" run -p 80 /
    fails 126 '/etc/passwd: Permission denied' "$COMMAND" run -p 80 /etc/passwd
    printf 'echo no line of #!\n' >"$BATS_TEST_TMPDIR/plain"
    chmod +x "$BATS_TEST_TMPDIR/plain"
    fails 126 "$BATS_TEST_TMPDIR/plain: neither an ELF file nor a script with #!" "$COMMAND" run -p 80 "$BATS_TEST_TMPDIR/plain"
    fails 125 "$PROBES/static-probe: static: has no loader to read LD_PRELOAD; use a dynamically linked build, or -m seccomp" "$COMMAND" run -m preload -p 80 "$PROBES/static-probe"
}

@test "a command that is an exported shell function is refused with a hint at bash -c" {
    fails 127 'serve: No such file or directory; it is a shell function: use bash -c' \
        bash -c 'serve() { true; }; export -f serve; "$@"' bash "$COMMAND" run -p 80 serve
    fails 127 'other: No such file or directory' \
        bash -c 'serve() { true; }; export -f serve; "$@"' bash "$COMMAND" run -n 2 -p 80 other
    # A program comes first, as it does without reuseport.
    run bash -c 'true() { exit 3; }; export -f true; "$@"' bash "$COMMAND" run -p 80 true
    [ "$status" = 0 ]
}

@test "options of the command are its own, with and without --" {
    run "$COMMAND" run -p "$PORT" -- printf '%s.' -n 2 -- --help
    [ "$output" = "-n.2.--.--help." ]
    run "$COMMAND" run -p "$PORT" printf '%s.' -n 2 -- --help
    [ "$output" = "-n.2.--.--help." ]
}

@test "the status is 0 if all copies ended with 0, else that of the first that did not" {
    run "$COMMAND" run -n 3 -p "$PORT" true
    [ "$status" = 0 ]
    run "$COMMAND" run -n 3 -p "$PORT" sh -c '[ "$REUSEPORT_INSTANCE" != 1 ] || exit 7'
    [ "$status" = 7 ]
    run "$COMMAND" run -n 2 -p "$PORT" sh -c 'kill -KILL $$'
    [ "$status" = 137 ]
    run "$COMMAND" run -p "$PORT" sh -c 'exit 9'
    [ "$status" = 9 ]
}

@test "of two failures the first counts" {
    local first
    for first in 0 1; do
        spawn copies "$COMMAND" run -v -n 2 -p "$PORT" sh -c '
            until [ "$REUSEPORT_INSTANCE" = "$0" ] || [ -e "$1" ]; do sleep 0.02; done
            exit $((REUSEPORT_INSTANCE + 3))' "$first" "$BATS_TEST_TMPDIR/go$first"
        wait_until grep -q "copy $first: ended with status $((first + 3))" "$(log copies)"
        touch "$BATS_TEST_TMPDIR/go$first"
        local status=0
        wait "$PID" || status=$?
        [ "$status" = $((first + 3)) ]
    done
}

# told: the lines on stderr of the last run, sorted, PIDs replaced.
told() {
    sort <<<"$stderr" | sed 's/pid [0-9]*/pid N/'
}

@test "it is silent, but for -v: one line on the method, and one for each copy started and ended" {
    run "$COMMAND" run -n 2 -p "$PORT" true
    [ -z "$output" ]
    run --separate-stderr "$COMMAND" run -v -n 2 -p "$PORT" sh -c '[ $REUSEPORT_INSTANCE = 0 ] || kill -KILL $$'
    [ "$(told)" = "reuseport: copy 0: ended with status 0
reuseport: copy 0: started, pid N
reuseport: copy 1: killed by KILL
reuseport: copy 1: started, pid N
reuseport: sh: by preload" ]
}

@test "a copy that fails gives one line, with its status or the signal's name; -q silences it" {
    local script='ulimit -c 0; case $REUSEPORT_INSTANCE in 0) exit 3 ;; 1) kill -SEGV $$ ;; 2) kill -40 $$ ;; esac'
    run --separate-stderr "$COMMAND" run -n 4 -p "$PORT" sh -c "$script"
    [ "$(told)" = "reuseport: copy 0: ended with status 3
reuseport: copy 1: killed by SEGV
reuseport: copy 2: killed by signal 40" ]
    run --separate-stderr "$COMMAND" run -q -n 4 -p "$PORT" sh -c "$script"
    [ -z "$stderr" ]
    # A daemon, whose starter ended with 0, and a keeper.
    spawn copies "$COMMAND" run -n 2 -p "$PORT" "$PROBES/signals" "$SEEN" 5 daemon
    wait_until seen_is started 2
    local all
    read -ra all <<<"$(keepers "$PID")"
    kill -KILL "${all[1]}"
    wait_until grep -qx 'reuseport: copy 1: its keeper was killed by KILL; killing what is left of it' "$(log copies)"
    kill -TERM "$PID"
    wait "$PID" || true
    grep -qx 'reuseport: copy 0: ended with status 5' "$(log copies)"
    [ "$(wc -l <"$(log copies)")" = 2 ]
}

@test "a copy that ends as it was told to is no failure: by TERM, QUIT or INT, or as shells report that" {
    local name
    for name in TERM QUIT INT; do
        : >"$SEEN"
        spawn copies "$COMMAND" run -n 2 -p "$PORT" sh -c 'ulimit -c 0
            [ "$REUSEPORT_INSTANCE" = 0 ] || trap "kill \$!; exit $2" "$1"
            sleep 1000 & echo started >>"$0"; wait' "$SEEN" "$name" $((128 + $(kill -l "$name")))
        wait_until seen_is started 2
        kill -"$name" "$PID"
        [ "$name" = TERM ] || kill -TERM "$PID" # what the shell left ignores the others
        wait "$PID" || true
        [ ! -s "$(log copies)" ]
    done
    # A failure meanwhile is told of.
    spawn copies "$COMMAND" run -n 2 -p "$PORT" "$PROBES/signals" "$SEEN" 4
    wait_until seen_is started 4
    kill -TERM "$PID"
    wait "$PID" || true
    [ "$(grep -c 'ended with status 4' "$(log copies)")" = 2 ]
}

@test "after 10 s it says that a listed port was bound, but not shared, as by a static program behind a script; -q silences it" {
    local QUIET SHARED TWO INHERITED log
    lease_port QUIET SHARED TWO INHERITED
    spawn quiet "$COMMAND" run -q -n 2 -p "$QUIET" sh -c '"$0" "$1" 127.0.0.1 || exec sleep 1000; true' \
        "$PROBES/static-server" "$QUIET"
    spawn shared "$COMMAND" run -n 2 -p "$SHARED" sh -c '"$0" "$1" 127.0.0.1; true' "$BUILD/examples/server" "$SHARED"
    # Ports that the kernel chooses are never shared, and an inherited socket is its maker's.
    spawn chance "$COMMAND" run -n 2 -p all "$PROBES/probe" socket tcp4 bind 127.0.0.1 0 listen \
        socket udp4 connect 127.0.0.1 9 pause
    spawn inherited /usr/bin/python3 -c 'import os, socket, sys
held = socket.create_server(("127.0.0.1", int(sys.argv[2])))
os.set_inheritable(held.fileno(), True)
os.execv(sys.argv[1], [sys.argv[1], "run", "-n", "2", "-p", sys.argv[2], "sleep", "1000"])' "$COMMAND" "$INHERITED"
    # One of two ports is shared: the other is told of.
    spawn two "$COMMAND" run -n 2 -p "$TWO,$PORT" sh -c '"$0" "$3" 127.0.0.1 & "$1" "$2" 127.0.0.1 || exec sleep 1000; wait' \
        "$BUILD/examples/server" "$PROBES/static-server" "$PORT" "$TWO"
    wait_until grep -qx "reuseport: 127.0.0.1:$PORT/tcp is bound, but not shared; static and Go programs behind a script need -m seccomp" \
        "$(log two)"
    [ "$(grep -c 'not shared' "$(log two)")" = 1 ]
    listens "$INHERITED"
    [ "$(listeners "$SHARED")" = 2 ]
    for log in quiet shared chance inherited; do
        cat "$(log "$log")"
        run ! grep 'not shared' "$(log "$log")"
    done
}

@test "a second copy that fails since the list names another port: a line says at once which port was bound instead" {
    local UNUSED
    lease_port UNUSED
    spawn keep "$COMMAND" run -n 2 -p "$UNUSED" "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until grep -qx "reuseport: nothing bound $UNUSED; $BUILD/examples/server bound 127.0.0.1:$PORT/tcp" "$(log keep)"
    kill -TERM "$PID"
    wait_until_ended "$PID"
    spawn restart "$COMMAND" run -n 2 --on-exit=restart -p "$UNUSED" "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until_ended "$PID"
    [ "$(grep -c "nothing bound $UNUSED; $BUILD/examples/server bound 127.0.0.1:$PORT/tcp" "$(log restart)")" = 1 ]
    # Not where it fails for another reason, or -q is given.
    spawn other "$COMMAND" run -n 2 -p "$UNUSED" false
    spawn silent "$COMMAND" run -q -n 2 -p "$UNUSED" "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    wait_until grep -q "in use" "$(log silent)"
    run ! grep "nothing bound" "$(log other)" "$(log silent)"
}

@test "with -v it says after 10 s that no port of the list was bound, and what was bound instead" {
    local OTHER UNUSED
    lease_port OTHER UNUSED
    spawn one "$COMMAND" run -v -n 2 -p "$UNUSED" "$PROBES/probe" socket udp4 bind 127.0.0.1 "$UNUSED" pause
    spawn two "$COMMAND" run -v -n 2 -p "$UNUSED/tcp" sh -c '
        [ "$REUSEPORT_INSTANCE" = 0 ] || exec sleep 1000
        "$0" "$1" 127.0.0.1; true' "$BUILD/examples/server" "$PORT"
    spawn three "$COMMAND" run -n 2 -p "$UNUSED/tcp" sleep 1000
    spawn four "$COMMAND" run -v -n 2 -p "$UNUSED/tcp,!$OTHER" sh -c '
        [ "$REUSEPORT_INSTANCE" = 0 ] || exec sleep 1000
        exec "$0" socket udp4 bind 127.0.0.1 "$1" pause' "$PROBES/probe" "$OTHER"
    wait_until grep -qx "reuseport: nothing bound $UNUSED/tcp in 10 s; sh bound 127.0.0.1:$PORT/tcp" "$(log two)"
    wait_until grep -qx "reuseport: nothing bound $UNUSED/tcp,!$OTHER in 10 s; sh bound 127.0.0.1:$OTHER/udp" "$(log four)"
    # The first has bound its port.
    run grep 'nothing bound' "$(log one)" "$(log three)"
    [ "$status" = 1 ]
    [ "$(ss -Huan "sport = :$UNUSED" | wc -l)" -ge 2 ]
    stop_all
}

@test "each of the signals reaches every copy exactly once" {
    local name names=(HUP INT QUIT USR1 USR2 WINCH CONT TERM) n=0
    spawn copies "$COMMAND" run -n 3 -p "$PORT" "$PROBES/signals" "$SEEN"
    wait_until seen_is started 3
    for name in "${names[@]}"; do
        kill -"$name" "$PID"
        wait_until seen_is " $name\$" 3
    done
    wait "$PID"
    for n in 0 1 2; do
        for name in "${names[@]}"; do
            [ "$(seen "$n $name")" = 1 ]
        done
    done
}

# in_terminal LINES MORE COMMAND...: as terminal.py has it; a command that the key does not end is killed.
in_terminal() {
    run timeout --foreground -s KILL 20 python3 "$BATS_TEST_DIRNAME/terminal.py" "$SEEN" "$1" "$2" "${@:3}"
    echo "$output"
    cat "$SEEN"
}

@test "what a terminal sends to the whole group reaches every copy once, too" {
    in_terminal 3 6 "$COMMAND" run -n 3 -p "$PORT" "$PROBES/signals" "$SEEN"
    [ "$status" = 0 ]
    [ "$(seen "0 INT") $(seen "1 INT") $(seen "2 INT")" = "1 1 1" ]
}

@test "^C ends a copy that is a script without exec, of bash and dash, and what it runs, ^\\ one of dash" {
    local row shell status_ key
    need dash
    for row in $'bash 130 \003' $'dash 130 \003' $'dash 131 \034'; do # bash ignores QUIT
        read -r shell status_ key <<<"$row"
        : >"$SEEN"
        KEY=$key MARK=$BATS_TEST_TMPDIR in_terminal 2 0 "$COMMAND" run -n 2 -p "$PORT" \
            "$shell" -c 'ulimit -c 0; echo "$REUSEPORT_INSTANCE started" >>"$0"; sleep 1000; true' "$SEEN"
        [ "$status" = "$status_" ]
        none_left
    done
}

@test "what a terminal sends reaches each process of a copy once: script, child, grandchild and daemon" {
    local shell key script='"$0" "$1" & sh -c "\"\$0\" \"\$1\"; true" "$0" "$1" & "$0" "$1" 0 daemon; "$0" "$1"; true'
    need dash
    for shell in bash dash; do
        for key in $'INT \003' $'QUIT \034'; do
            : >"$SEEN"
            KEY=${key#* } MARK=$BATS_TEST_TMPDIR in_terminal 8 16 "$COMMAND" run -n 2 -p "$PORT" "$shell" -c "$script" "$PROBES/signals" "$SEEN"
            [ "$(seen "0 ${key% *}") $(seen "1 ${key% *}")" = "4 4" ]
            wait_until none_left
            [ "$(seen "0 TERM") $(seen "1 TERM")" = "4 4" ]
        done
    done
}

@test "INT and QUIT that somebody sends reach a copy's first process alone, not those that it leads" {
    local shell name
    need dash
    for shell in bash dash; do
        : >"$SEEN"
        spawn copies "$COMMAND" run -n 2 -p "$PORT" "$shell" -c '"$0" "$1" & exec "$0" "$1"' "$PROBES/signals" "$SEEN"
        wait_until seen_is started 4
        for name in QUIT INT HUP; do
            kill -"$name" "$PID"
            wait_until seen_is " $name\$" 2
        done
        [ "$(seen "0 QUIT") $(seen "1 QUIT") $(seen "0 INT") $(seen "1 INT")" = "1 1 1 1" ]
        stop_all
    done
}

@test "servers in the background are supervised: signals reach the daemon, whose end is the copy's" {
    local method status
    for method in preload seccomp; do
        : >"$SEEN"
        spawn copies env MARK="$BATS_TEST_TMPDIR" "$COMMAND" run -m $method -v -n 2 -p "$PORT" \
            "$PROBES/signals" "$SEEN" 5 daemon
        wait_until seen_is started 2
        kill -HUP "$PID"
        wait_until seen_is HUP 2
        [[ $(<"$(log copies)") != *ended* ]]
        kill -TERM "$PID"
        wait_until_ended "$PID"
        status=0
        wait "$PID" || status=$?
        cat "$(log copies)" "$SEEN"
        [ "$status" = 5 ]
        [ "$(seen "0 HUP") $(seen "1 HUP") $(seen "0 TERM") $(seen "1 TERM")" = "1 1 1 1" ]
        wait_until none_left
    done
}

@test "a server behind a shell that dies of the signal gets it, too" {
    spawn copies env MARK="$BATS_TEST_TMPDIR" "$COMMAND" run -n 2 -p "$PORT" sh -c '"$0" "$1"; true' "$PROBES/signals" "$SEEN"
    wait_until seen_is started 2
    kill -TERM "$PID"
    wait_until seen_is TERM 2
    wait "$PID" || true
    wait_until none_left
}

@test "--on-exit stop: when one copy ends, the others are sent TERM; otherwise they go on" {
    local script='[ "$REUSEPORT_INSTANCE" != 1 ] || { until [ -e "$2" ]; do sleep 0.02; done; exit 3; }; exec "$0" "$1"'
    spawn keep "$COMMAND" run -n 3 -p "$PORT" sh -c "$script" "$PROBES/signals" "$SEEN" "$BATS_TEST_TMPDIR/go1"
    wait_until seen_is started 2
    touch "$BATS_TEST_TMPDIR/go1"
    kill -HUP "$PID"
    wait_until seen_is HUP 2
    [ "$(seen "0 TERM") $(seen "2 TERM")" = "0 0" ]
    stop_all
    : >"$SEEN"
    spawn stop "$COMMAND" run --on-exit stop -n 3 -p "$PORT" sh -c "$script" "$PROBES/signals" "$SEEN" "$BATS_TEST_TMPDIR/go2"
    wait_until seen_is started 2
    touch "$BATS_TEST_TMPDIR/go2"
    local status=0
    wait "$PID" || status=$?
    [ "$status" = 3 ]
    [ "$(seen "0 TERM") $(seen "2 TERM")" = "1 1" ]
}

# told_once COUNT STATUS: so many copies were told TERM, each once, and reuseport ended with that status.
told_once() {
    local number status=0
    wait "$PID" || status=$?
    cat "$SEEN"
    echo "status $status"
    [ "$status" = "$2" ]
    for ((number = 0; number < $1; number++)); do
        [ "$(seen "$number TERM")" = 1 ]
    done
}

@test "--on-exit stop tells each copy once, so that one that ends gracefully may do so" {
    local script='until [ "$REUSEPORT_INSTANCE" != 4 ] || [ -e "$2" ]; do sleep 0.02; done
        [ "$REUSEPORT_INSTANCE" != 4 ] || exit 0; exec "$0" "$1" 0 graceful'
    spawn copies "$COMMAND" run --on-exit stop -n 5 -p "$PORT" sh -c "$script" "$PROBES/signals" "$SEEN" "$BATS_TEST_TMPDIR/go"
    wait_until seen_is started 4
    touch "$BATS_TEST_TMPDIR/go"
    told_once 4 0
    # Neither does it add a TERM to the one that somebody sent.
    : >"$SEEN"
    spawn copies "$COMMAND" run --on-exit stop -n 4 -p "$PORT" "$PROBES/signals" "$SEEN" 0 graceful
    wait_until seen_is started 4
    kill -TERM "$PID"
    told_once 4 0
}

@test "a server behind a script that passes TERM on with trap gets it once" {
    spawn copies env MARK="$BATS_TEST_TMPDIR" "$COMMAND" run -n 2 -p "$PORT" sh -c '
        trap "kill -TERM \$server; until grep -q \"^$REUSEPORT_INSTANCE TERM\" \"$1\"; do sleep 0.01; done" TERM
        "$0" "$1" 0 graceful &
        server=$!
        wait' "$PROBES/signals" "$SEEN"
    wait_until seen_is started 2
    kill -TERM "$PID"
    told_once 2 143
    wait_until none_left
}

@test "a second TERM is passed on, too" {
    local all
    spawn copies "$COMMAND" run -n 2 -p "$PORT" "$PROBES/signals" "$SEEN" 0 shy
    wait_until seen_is started 2
    kill -TERM "$PID"
    wait_until seen_is TERM 2
    kill -TERM "$PID"
    wait_until seen_is TERM 4
    mapfile -t all < <(descendants "$PID")
    kill -KILL "${all[@]}"
    wait "$PID" 2>/dev/null || true
}

@test "if the supervisor is killed while its copies end gracefully, they are not told again" {
    spawn copies env MARK="$BATS_TEST_TMPDIR" "$COMMAND" run -n 2 -p "$PORT" "$PROBES/signals" "$SEEN" 0 graceful
    wait_until seen_is started 2
    kill -TERM "$PID"
    wait_until seen_is TERM 2
    kill -KILL "$PID"
    wait "$PID" 2>/dev/null || true
    wait_until none_left
    [ "$(seen "0 TERM") $(seen "1 TERM")" = "1 1" ]
}

@test "if a keeper is killed, what it kept is killed, and the other copies go on" {
    local keeper kept pid all
    spawn copies "$COMMAND" run -n 2 -p "$PORT" "$PROBES/signals" "$SEEN" 0 daemon
    wait_until seen_is started 2
    read -ra all <<<"$(keepers "$PID")"
    keeper=${all[0]}
    mapfile -t kept < <(descendants "$keeper" | tail -n +2)
    [ "${#kept[@]}" -gt 0 ]
    kill -KILL "$keeper"
    for pid in "${kept[@]}"; do wait_until_ended "$pid"; done
    kill -HUP "$PID"
    wait_until seen_is HUP 1
    kill -TERM "$PID"
    local status=0
    wait "$PID" || status=$?
    [ "$status" = 137 ]
    [ "$(seen "0 HUP") $(seen "1 HUP")" = "0 1" ]
}

# kill_keeper SUPERVISOR: kills the first copy's keeper, and waits until all that it kept has ended, too.
kill_keeper() {
    local all kept pid
    mapfile -t all < <(reuseports "$1")
    mapfile -t kept < <(descendants "${all[0]}" | tail -n +2)
    [ "${#kept[@]}" -gt 0 ]
    kill -KILL "${all[0]}"
    for pid in "${kept[@]}"; do wait_until_ended "$pid"; done
}

# reuseports PID: its children that are reuseport, keepers included.
reuseports() {
    local pid
    for pid in $(keepers "$1"); do [[ $(cat "/proc/$pid/comm" 2>/dev/null) != reuseport* ]] || echo "$pid"; done
}

# supervisor_of PID: its child apart from strangers, if it has one; else itself.
supervisor_of() {
    local inner
    inner=$(reuseports "$1" | head -n 1)
    [ -n "$inner" ] && [ -n "$(reuseports "$inner")" ] && echo "$inner" || echo "$1"
}

@test "children that a start script left are no copy's: they outlive a killed keeper, and nobody waits for them" {
    # The second leaves orphans of its own, now and then.
    spawn copies env MARK="$BATS_TEST_TMPDIR" sh -c '
        sleep 1000 & echo $! >"$0.helper"
        sh -c "while :; do (sleep 1000 & echo \$! >>$0.orphans); sleep 0.1; done" & echo $! >>"$0.helper"
        exec "$@"' "$SEEN" "$COMMAND" run -n 2 -p "$PORT" "$PROBES/signals" "$SEEN" 0 daemon
    wait_until seen_is started 2
    local inner helper orphans count status=0 pid
    mapfile -t helper <"$SEEN.helper"
    PIDS+=("${helper[@]}")
    inner=$(supervisor_of "$PID")
    kill_keeper "$inner"
    count=$(wc -l <"$SEEN.orphans")
    more_orphans() { [ "$(wc -l <"$SEEN.orphans")" -gt $((count + 1)) ]; }
    wait_until more_orphans
    kill -TERM "$PID"
    wait "$PID" || status=$?
    mapfile -t orphans <"$SEEN.orphans"
    [ "$status" = 137 ]
    for pid in "${helper[@]}" "${orphans[@]}"; do kill -0 "$pid"; done
    end_marked() { # the second may have left one more meanwhile
        marked | cut -d/ -f3 | xargs -r kill
        none_left
    }
    wait_until end_marked
}

@test "as PID 1 it kills nothing that others have put into its container when a keeper is killed" {
    need_root
    need_unshare --pid --fork --mount-proc
    need nsenter
    spawn one unshare --pid --fork --mount-proc "$COMMAND" run -n 2 -p "$PORT" "$PROBES/signals" "$SEEN" 0 daemon
    wait_until seen_is started 2
    local init inner before after status=0
    init=$(keepers "$PID")
    stranger() { # as docker exec does: its orphan becomes PID 1's child
        nsenter -t "${init% }" -p -- sh -c 'sleep 1000 & exec true' >/dev/null 2>&1 3>&-
        pgrep -n -x sleep --ns "${init% }" --nslist pid
    }
    before=$(stranger)
    inner=$(supervisor_of "${init% }")
    kill_keeper "$inner"
    after=$(stranger)
    kill -HUP "${init% }"
    wait_until seen_is HUP 1
    kill -0 "$before"
    kill -0 "$after"
    kill -TERM "${init% }"
    wait "$PID" || status=$?
    [ "$status" = 137 ]
    [ "$before" != "$after" ]
}

@test "nobody waits for what a killed keeper leaves and may not be killed" {
    need_root
    need setpriv
    cp "$(type -P setpriv)" "$BATS_TEST_TMPDIR/become"
    chmod u+s "$BATS_TEST_TMPDIR/become"
    spawn copies setpriv --reuid 64731 --clear-groups "$COMMAND" run -n 2 -p "$PORT" sh -c '
        [ "$REUSEPORT_INSTANCE" = 0 ] || exec "$0" "$1"
        "$2" --reuid 0 sleep 1000 & echo started >>"$1"; wait' "$PROBES/signals" "$SEEN" "$BATS_TEST_TMPDIR/become"
    wait_until seen_is started 2
    local first root status=0
    read -ra first <<<"$(keepers "$PID")"
    is_root() {
        root=$(descendants "${first[0]}" | tail -n 1)
        [[ $(ps -o ruid=,comm= "$root") == *" 0 sleep" ]]
    }
    wait_until is_root
    PIDS+=("$root")
    kill -KILL "${first[0]}"
    kill -TERM "$PID"
    wait "$PID" || status=$?
    [ "$status" = 137 ]
    kill -0 "$root"
}

@test "if the process apart from strangers is killed, the copies end, too, before reuseport does" {
    spawn copies env MARK="$BATS_TEST_TMPDIR" sh -c 'env -u MARK sleep 1000 & exec "$@"' sh \
        "$COMMAND" run -n 2 -p "$PORT" "$PROBES/signals" "$SEEN" 0 graceful
    wait_until seen_is started 2
    local child status=0
    for child in $(keepers "$PID"); do
        [[ $(ps -o comm= "$child") != sleep ]] || PIDS+=("$child")
        [[ $(ps -o comm= "$child") != reuseport ]] || kill -KILL "$child"
    done
    wait "$PID" || status=$?
    [ "$status" = 137 ]
    [ "$(seen "0 TERM") $(seen "1 TERM")" = "1 1" ]
    none_left
}

@test "if the supervisor is killed, its copies end, daemons and those that ignore TERM included" {
    local kind
    for kind in plain daemon shy; do
        : >"$SEEN"
        spawn copies env MARK="$BATS_TEST_TMPDIR" "$COMMAND" run -n 2 -p "$PORT" "$PROBES/signals" "$SEEN" 0 "$kind"
        wait_until seen_is started 2
        kill -KILL "$PID"
        wait_until none_left
        [ "$(seen "0 TERM") $(seen "1 TERM")" = "1 1" ]
    done
}

@test "as PID 1 it passes on TERM and reaps what others leave behind" {
    need_root
    need_unshare --pid --fork --mount-proc
    # The shell in the second namespace leaves an orphan, which PID 1 inherits and must reap.
    spawn one unshare --pid --fork --mount-proc "$COMMAND" run -n 2 -p "$PORT" \
        sh -c '(sh -c "sleep 0.1 & exec true" &); exec "$0" "$1" 4' "$PROBES/signals" "$SEEN"
    wait_until seen_is started 2
    local init
    init=$(cat "/proc/$PID/task/$PID/children")
    no_zombies() {
        local files
        mapfile -t files < <(descendants "${init% }" | sed 's|.*|/proc/&/status|')
        ! grep -sqE '^State:\s+Z' "${files[@]}"
    }
    wait_until no_zombies
    kill -TERM "${init% }"
    local status=0
    wait "$PID" || status=$?
    [ "$status" = 4 ]
    [ "$(seen "0 TERM") $(seen "1 TERM")" = "1 1" ]
}

@test "in a PID namespace with the /proc of another it passes on TERM, too" {
    need_root
    need_unshare --pid --fork
    spawn one unshare --pid --fork "$COMMAND" run -n 2 -p "$PORT" "$PROBES/signals" "$SEEN" 4
    wait_until seen_is started 2
    local init status=0
    init=$(cat "/proc/$PID/task/$PID/children")
    kill -TERM "${init% }"
    wait_until_ended "$PID"
    wait "$PID" || status=$?
    [ "$status" = 4 ]
    [ "$(seen "0 TERM") $(seen "1 TERM")" = "1 1" ]
}

# random_starts COUNT: starts, signals and kills of supervisors, keepers and copies leave nothing behind.
random_starts() {
    # Supervisor and keeper killed together leave nobody to end a daemon; each alone, and any copy, may go.
    local round victims victim kinds=(plain daemon) signals=(TERM KILL INT HUP QUIT USR1) sent signal spared
    RANDOM=${SEED:-$$}
    echo "SEED=${SEED:-$$}"
    for ((round = 0; round < $1; round++)); do
        spawn copies env MARK="$BATS_TEST_TMPDIR" "$COMMAND" run -n $((RANDOM % 3 + 2)) -p "$PORT" \
            "$PROBES/signals" "$SEEN" 0 "${kinds[RANDOM % 2]}"
        local supervisor=$PID
        # At any moment of its start.
        ((RANDOM % 4 == 0)) || sleep "0.00$((RANDOM % 10))"
        spared=$([ $((RANDOM % 2)) = 0 ] && echo supervisor || echo keepers)
        for ((sent = RANDOM % 3; sent >= 0; sent--)); do
            mapfile -t victims < <(descendants "$supervisor")
            victim=${victims[RANDOM % ${#victims[@]}]:-$supervisor}
            signal=${signals[RANDOM % ${#signals[@]}]}
            if [ "$signal" = KILL ]; then
                [[ $spared != supervisor || $victim != "$supervisor" ]] || continue
                [[ $spared != keepers || " $(keepers "$supervisor") " != *" $victim "* ]] || continue
            fi
            kill -"$signal" "$victim" 2>/dev/null || true
        done
        kill -TERM "$supervisor" 2>/dev/null || true
        if [ "$spared" = keepers ] && ((RANDOM % 2)); then kill -KILL "$supervisor" 2>/dev/null || true; fi
        wait_until_ended "$supervisor" || {
            echo "round $round: the supervisor goes on:"
            ps -o pid,ppid,stat,args --forest
            return 1
        }
        wait "$supervisor" 2>/dev/null || true
    done
    wait_until none_left || {
        marked | sed 's|/environ||' | while read -r process; do cat "$process/cmdline" "$process/status" | tr '\0' ' ' | head -n 8; done
        return 1
    }
    [[ $(ps -o stat= --ppid $$) != *Z* ]]
}

@test "20 random starts, kills and signals leave neither a process nor a zombie behind" {
    random_starts 20
}

# bats test_tags=long
@test "500 random starts, kills and signals leave neither a process nor a zombie behind" {
    random_starts 500
}
