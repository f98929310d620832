#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# reuseport check: what it says of every kind of program, file, user and machine; what all subcommands
# answer to words that they do not know; and the CPUs that run -n auto counts.

load helpers

FILTERED="blocked by a seccomp filter: add CAP_SYS_PTRACE (docker: --cap-add SYS_PTRACE; Kubernetes: \
securityContext.capabilities.add)"

setup() {
    COMMAND=$BUILD/reuseport
    OPEN=$(mktemp -d) # for other users: bats' own directories are closed to them
    chmod 755 "$OPEN"
    GROUP=
    ENABLED=
}

teardown() {
    stop_all
    rm -rf "$OPEN"
    [ -z "$GROUP" ] || rmdir "$GROUP"
    [ -z "$ENABLED" ] || echo -cpu >"$ENABLED"
}

# answers STATUS TEXT COMMAND...: it ends by itself with that status, and its output holds the text.
answers() {
    run timeout 10 "${@:3}" </dev/null
    if [ "$status" != "$1" ] || [[ $output != *"$2"* ]]; then
        printf '%q ' "${@:3}"
        printf 'is to give %s and "%s", and gave %s:\n%s\n' "$1" "$2" "$status" "$output"
        return 1
    fi
}

says() {
    answers "$1" "$2" "$COMMAND" check "${@:3}"
}

# silent_on TEXT COMMAND...: it succeeds, and its output does not hold the text.
silent_on() {
    answers 0 "" "${@:2}"
    [[ $output != *"$1"* ]] || {
        printf '%q ' "${@:2}"
        printf 'is not to say "%s":\n%s\n' "$1" "$output"
        return 1
    }
}

# fails LINE COMMAND...: with 125, and that line on stderr alone.
fails() {
    run --separate-stderr timeout 10 "${@:2}"
    if [ "$status" != 125 ] || [ "$stderr" != "reuseport: $1" ] || [ -n "$output" ]; then
        printf '%q ' "${@:2}"
        printf 'is to fail with "%s", and gave %s: %s / %s\n' "$1" "$status" "$output" "$stderr"
        return 1
    fi
}

# Those who ask, in the tables below.
root() {
    timeout 10 "$@"
}

nobody() {
    timeout 10 setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

nobody_without_new_rights() {
    timeout 10 setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs "$@"
}

# open_to_all: a command and a library that every user can reach.
open_to_all() {
    cp "$BUILD/reuseport" "$BUILD/libreuseport.so" "$OPEN"
    COMMAND=$OPEN/reuseport
}

# compile NAME [FLAG...]: the C program on stdin, in OPEN.
compile() {
    need gcc
    gcc -x c -o "$OPEN/$1" "${@:2}" -
}

@test "check PID says whether the library is loaded in a running process, and with which list" {
    local plain loaded listless other
    lease_port PORT
    spawn plain "$PROBES/probe" pause
    plain=$PID
    spawn loaded env LD_PRELOAD="$LIBRARY" REUSEPORT_PORTS="$PORT" "$PROBES/probe" pause
    loaded=$PID
    spawn listless env LD_PRELOAD="$LIBRARY" "$PROBES/probe" pause
    listless=$PID
    mkdir "$OPEN/other"
    cp "$LIBRARY" "$OPEN/other/libreuseport.so"
    spawn other env LD_PRELOAD="$OPEN/other/libreuseport.so" REUSEPORT_PORTS="$PORT" "$PROBES/probe" pause
    other=$PID
    for PID in "$plain" "$loaded" "$listless" "$other"; do
        wait_until grep -qx probe "/proc/$PID/comm"
    done
    wait_until grep -q libreuseport "/proc/$other/maps"
    says 1 "pid $plain (probe): the library is not loaded" "$plain"
    says 0 "pid $loaded (probe): started with REUSEPORT_PORTS=$PORT" "$loaded"
    says 0 "pid $loaded (probe): the library is loaded" "$loaded"
    says 1 "pid $listless (probe): no REUSEPORT_PORTS in its environment, unless that was overwritten" "$listless"
    says 1 "pid $other (probe): a file named libreuseport.so is loaded, but not " "$other"
    says 0 "the library is loaded" --library "$OPEN/other/libreuseport.so" "$other"
    says 1 "" -m seccomp "$loaded"
    fails "check: 4194304: there is no such process" "$COMMAND" check 4194304
    fails 'check: "99999999999": not a number from 1 to 2147483647' "$COMMAND" check 99999999999
}

# Says that its environment is 4 TiB of memory that it never touched (PR_SET_MM_MAP of prctl(2)), as anybody may.
@test "check PID reads no more of an environment than execve allows, however large it says that is" {
    need python3
    cat >"$OPEN/boaster.py" <<'END'
import ctypes, mmap, os, signal, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.sbrk.restype = ctypes.c_void_p
size, no_reserve = 4 << 40, 0x4000
start = libc.mmap(None, ctypes.c_size_t(size), 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_reserve, -1, ctypes.c_long(0))
stat = open("/proc/self/stat").read().rpartition(")")[2].split()
field = lambda number: int(stat[number - 3])
fields = [field(26), field(27), field(45), field(46), field(47), libc.sbrk(0), field(28), field(48), field(49)]
layout = struct.pack("12QIi", *fields, start, start + size, 0, 0, 0xffffffff - (1 << 32))
if libc.prctl(35, 14, layout, ctypes.c_ulong(len(layout)), 0):
    raise SystemExit(os.strerror(ctypes.get_errno()))
open("up", "w").close()
signal.pause()
END
    cd "$BATS_TEST_TMPDIR"
    spawn boaster python3 "$OPEN/boaster.py"
    wait_until test -e up -o ! -e "/proc/$PID"
    [ -e up ] || missing "CONFIG_CHECKPOINT_RESTORE: $(<boaster)"
    run timeout 10 "$COMMAND" check "$PID"
    [ "$status" = 1 ]
    [[ $output == *"pid $PID (python3): no REUSEPORT_PORTS in its environment, unless that was overwritten"* ]]
}

@test "check PID and list tell of a process that has a seccomp filter, and of the remedy" {
    local remedy='"reuseport run -m seccomp" goes round that' kind
    for kind in setsockopt tor; do
        lease_port PORT
        spawn server env LD_PRELOAD="$LIBRARY" REUSEPORT_PORTS="$PORT" REUSEPORT_LOG=off \
            "$PROBES/without" $kind "$BUILD/examples/server" "$PORT" 127.0.0.1
        wait_until listens "$PORT"
        says 1 "pid $PID (server): has a seccomp filter, which may keep the library from sharing; $remedy" "$PID"
        answers 0 "pid $PID (server) has a seccomp filter, which may be why it does not share: $remedy" \
            "$COMMAND" list "$PORT"
    done
    # Not of one that has none.
    lease_port PORT
    spawn server "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    silent_on "has a seccomp filter" "$COMMAND" list "$PORT"
    run "$COMMAND" check "$PID"
    [[ $output != *"has a seccomp filter"* ]]
    spawn watched "$COMMAND" run -m seccomp -p "$PORT" "$PROBES/probe" pause
    wait_until grep -qx probe "/proc/$PID/comm"
    says 0 'was started by "reuseport run -m seccomp"' -m seccomp "$PID"
    says 0 "" -m auto "$PID"
    says 1 "the library is not loaded" "$PID"
}

# redis overwrites its environment with its title.
@test "check PID goes by what the kernel says where the environment or the process itself does not tell: 0 if all is shared" {
    local method
    need redis-server
    for method in preload seccomp; do
        lease_port PORT
        spawn redis "$COMMAND" run -m "$method" -p "$PORT" redis-server --port "$PORT" --bind 127.0.0.1 --save ""
        wait_until listens "$PORT"
        says 0 "pid $PID (redis-server): it, or what it has started, shares 127.0.0.1:$PORT/tcp" "$PID"
        [[ $output != *"run -m seccomp\" goes"* && $output != *"start it by"* ]]
    done
    lease_port PORT
    spawn service "$COMMAND" run -n 2 -p "$PORT" "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listeners_are "$PORT" 2
    says 0 "pid $PID (reuseport): it, or what it has started, shares 127.0.0.1:$PORT/tcp" "$PID"
    [ "$(grep -c "127.0.0.1:$PORT" <<<"$output")" = 1 ]
    # One of two listeners is not enough.
    spawn half "$COMMAND" run -p "$PORT" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" listen \
        socket tcp4 bind 127.0.0.2 0 listen socket udp4 bind 127.0.0.1 "$PORT" pause
    wait_until listeners_are "$PORT" 3
    says 0 "shares 127.0.0.1:$PORT/udp" "$PID"
    says 0 "the library is loaded" "$PID"
    spawn half env REUSEPORT_PORTS= "$PROBES/probe" socket tcp4 reuseport 1 bind 127.0.0.3 "$PORT" listen \
        socket tcp4 bind 127.0.0.2 0 listen pause
    wait_until listeners_are "$PORT" 4
    says 1 "shares 127.0.0.3:$PORT/tcp" "$PID"
}

# What is said of the files of broken-files.py: status, text, names.
broken_files() {
    cat <<'END'
1 | an empty file                         | empty
1 | neither an ELF file nor a script with #! | one-byte cut-to-1 cut-to-3 text png zeroes
1 | an ELF file of no known class         | cut-to-4 class-0 class-3 class-255 elf-of-zeroes elf-of-ones elf-in-elf
1 | a truncated ELF file                  | cut-to-5 cut-to-15 cut-to-16 cut-to-20 cut-to-51 cut-to-52 cut-to-63 cut-to-64
1 | a truncated ELF file                  | cut-in-first-program-header 32-bit-cut load-huge
1 | whose interpreter has no proper name  | cut-in-last-program-header cut-before-interpreter
1 | an ELF file of no known byte order    | byte-order-0 byte-order-3
1 | build the library for                 | byte-order-big machine-8 machine-other
1 | build the library for machine 0 and   | machine-0
1 | build the library for machine 65535   | machine-65535
1 | build the library for i386            | 32-bit
1 | without usable program headers        | class-32-of-64 headers-0 headers-1171 headers-65535 headers-1171-of-zeroes
1 | without usable program headers        | header-size-0 header-size-1 header-size-32 header-size-57 header-size-65535
1 | a truncated ELF file                  | headers-1170 table-at-end table-past-end table-at-2-63 table-at-max table-at-max-55
1 | static                                | headers-1 headers-1170-loads headers-1170-notes table-at-0 table-at-odd sparse
0 | the library reaches it                | headers-2
1 | an object or a core                   | type-0 type-1 type-4 type-5 type-65535
1 | a shared library, not a program          | shared-object-without-entry
1 | static                                | load-2-62 load-at-2-63 load-far-out
1 | whose interpreter has no proper name  | interpreter-size-0 interpreter-size-1 interpreter-size-4097 interpreter-size-5000
1 | whose interpreter has no proper name  | interpreter-size-2-63 interpreter-size-max interpreter-without-nul
1 | whose interpreter has no proper name  | interpreter-past-end interpreter-at-max 32-bit-interpreter-huge
1 | install its libc                      | interpreter-missing interpreter-missing-musl interpreter-empty interpreter-4096
1 | loader /tmp: Permission denied        | interpreter-directory
1 | loader /dev/zero: Permission denied   | interpreter-device
1 | loader /x?reached?[2J: No such file   | interpreter-with-newline
1 | loader /gone: No such file            | interpreter-twice
1 | static                                | note-name-huge note-text-huge note-both-huge note-empty-ones
1 | static                                | note-past-end note-cut note-size-max
1 | a Go program                          | go-note go-note-after-large-data go-data-after-large-data go-data-in-odd-segment
1 | static                                | go-data-not-aligned
1 | a script that names no interpreter    | script-bare script-blanks script-blank-line script-newline script-300-blanks script-of-nul
1 | a longer name than the kernel reads   | script-line-10000 script-name-254
1 | /bin/shx: No such file                | script-name-253
0 | the library reaches it                | script-name-252 script-argument-10000 script-without-newline script-nul-after-name
1 | its interpreter /bin/: Permission denied | script-nul-in-name
1 | than the kernel follows               | script-of-itself script-of-one script-of-other
0 | the library reaches it                | chain-1 chain-2 chain-3 chain-4 chain-5
1 | than the kernel follows               | chain-6 chain-7 chain-8 chain-9 chain-10
1 | its interpreter /tmp: Permission denied | script-of-directory
1 | /fifo: Permission denied              | script-of-fifo fifo
1 | /empty: an empty file                 | script-of-empty
1 | its interpreter /dev/zero: Permission denied | script-of-device
1 | interpreter: No such file             | script-of-nothing
1 | its interpreter sh: No such file        | script-of-no-path
1 | its interpreter /bin/sh?: No such file  | script-carriage-return
1 | its interpreter /bin/?[2J?: No such file | script-escape
1 | env: no command given                 | env-alone env-split-nothing env-empties
1 | its interpreter no-such-command: No such file | env-nothing
1 | its interpreter python3 -u: No such file | env-argument
0 | the library reaches it                | env-python env-split env-split-long env-split-joined env-split-verbose-only
1 | empties the environment               | env-split-empties env-split-dash env-split-many env-split-verbose env-verbose-split
1 | env changes LD_PRELOAD                | env-split-unsets env-split-sets
1 | /nonexistent/env: No such file        | env-missing
END
}

@test "each of 140 broken, hostile and odd files gets its answer, and neither crash nor hang" {
    need python3
    local wanted text names name
    /usr/bin/python3 "$BATS_TEST_DIRNAME/broken-files.py" "$OPEN"
    while IFS='|' read -r wanted text names; do
        text=${text# }
        for name in $names; do
            says "${wanted% }" "${text%"${text##*[! ]}"}" "$OPEN/$name"
            [[ $'\n'$output = *$'\n'"$OPEN/$name: "* ]]
            [[ ${output//$'\n'/} != *[![:print:]]* ]]
        done
    done < <(broken_files)
    names=$(broken_files | cut -d'|' -f3 | xargs -n 1 | LC_ALL=C sort)
    diff <(cd "$OPEN" && printf '%s\n' * | LC_ALL=C sort) <(echo "$names")
    [ "$(wc -l <<<"$names")" -ge 140 ]
}

@test "what is no file with a program in it is not opened, let alone run" {
    need python3
    mkdir "$OPEN/directory"
    mkfifo "$OPEN/fifo"
    /usr/bin/python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$OPEN/socket"
    ln -s nowhere "$OPEN/dangling"
    ln -s loop "$OPEN/loop"
    ln -s fifo "$OPEN/link-to-fifo"
    : >"$OPEN/not-executable"
    chmod 755 "$OPEN/fifo" "$OPEN/socket"
    while IFS='|' read -r name text; do
        says 1 "$name: $text" "$name"
    done <<END
$OPEN/directory|Permission denied
$OPEN/fifo|Permission denied
$OPEN/link-to-fifo|Permission denied
$OPEN/socket|Permission denied
$OPEN/not-executable|Permission denied
/dev/zero|Permission denied
/dev/tty|Permission denied
/dev/stdin|Permission denied
/proc/self/mem|Permission denied
/proc/kmsg|Permission denied
/|Permission denied
$OPEN/dangling|No such file or directory
$OPEN/absent|No such file or directory
$OPEN/loop|Too many levels of symbolic links
$OPEN/not-executable/x|Not a directory
END
    says 1 ": File name too long" "$OPEN/$(printf '%0300d' 0)"
    says 1 ": No such file or directory" "/$(printf '%05000d' 0)"
    says 1 ": No such file or directory" ""
}

@test "odd names stay within their line, and long ones do not cost the reason" {
    local long
    cp /bin/true "$OPEN/"$'a\nb\e[2J'
    says 0 'a?b?[2J: dynamic' "$OPEN/"$'a\nb\e[2J'
    says 1 'c?d: No such file or directory' "$OPEN/"$'c\nd'
    says 1 'c?d: No such file or directory' $'c\nd'
    cp /bin/true "$OPEN/-x"
    cd "$OPEN"
    PATH=$OPEN:$PATH says 0 "$OPEN/-x: dynamic" -- -x
    printf -v long '/%0250d' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
    mkdir -p "$OPEN$long"
    cp "$PROBES/static-probe" "$OPEN$long/server"
    says 1 "$long/server: static: has no loader to read LD_PRELOAD; use a" "$OPEN$long/server"
    rm -r "${OPEN:?}/$(printf '%0250d' 1)"
}

@test "dynamic programs are reached, of glibc and of musl, through links, too" {
    says 0 ": dynamic, glibc, " /bin/true
    says 0 ": dynamic, glibc, " "$PROBES/probe"
    ln -s "$PROBES/probe" "$OPEN/link"
    says 0 "$OPEN/link: dynamic, glibc, " "$OPEN/link"
    [ -x "$PROBES/musl/probe" ] || missing "musl-gcc"
    says 0 ": dynamic, musl, " "$PROBES/musl/probe"
}

@test "static programs are not, position-independent or not, and neither are libraries" {
    says 1 ": static: has no loader to read LD_PRELOAD; use a dynamically linked build" "$PROBES/static-probe"
    compile static-pie -static-pie <<<'int main(void) { return 0; }'
    says 1 ": static: " "$OPEN/static-pie"
    says 1 "" "$BUILD/libreuseport.so"
    printf '#!%s\n' "$PROBES/static-probe" >"$OPEN/script"
    chmod 755 "$OPEN/script"
    says 1 "$OPEN/script: a script, run by $PROBES/static-probe" "$OPEN/script"
    says 1 "$PROBES/static-probe: static: " "$OPEN/script"
}

@test "Go programs are not, also when linked dynamically, stripped, or without their note" {
    local command plain='int main(void) { return 0; }'
    local note='__asm__(".section .note.go.buildid,\"a\",%note\n.balign 4\n.long 4,8,4\n.asciz \"Go\"\n.byte 0\n.ascii \"01234567\"\n.text");'
    local info='__attribute__((used, aligned(16))) char info[32] = "\xff Go buildinf:";'
    local large='__attribute__((used)) char large[900000] = {1};'
    compile noted -s <<<"$note$plain"
    compile informed -s <<<"$info$plain"
    compile informed-late -s -fno-toplevel-reorder <<<"$large$info$plain"
    compile static-go -s -static <<<"$info$plain"
    compile no-go -s <<<"const ${info/aligned(16)/aligned(16), section(\".rodata\")}$plain"
    for command in noted informed informed-late static-go; do
        says 1 ": a Go program: makes its own system calls, which no preload sees; set SO_REUSEPORT in its code" \
            "$OPEN/$command"
    done
    says 0 ": dynamic, " "$OPEN/no-go"
    for command in go gofmt docker dockerd containerd runc podman kubectl gh caddy esbuild; do
        command=$(type -P "$command") || continue
        ! grep -qa $'\x7fELF' <(head -c 4 "$command") || ! grep -qaF ' Go buildinf:' "$command" ||
            says 1 ": a Go program: " "$command"
    done
}

# loads: whether the library is loaded into what that user starts.
loads() {
    run "$1" env LD_PRELOAD="$OPEN/libreuseport.so" REUSEPORT_PORTS=all REUSEPORT_LOG=info "$2"
    [[ $output = *"libreuseport: loaded"* ]]
}

@test "set-user-id, set-group-id and file capabilities: by who asks, and as the loader does it" {
    need_root
    need setpriv setcap
    [[ $(findmnt -no OPTIONS -T "$OPEN") != *nosuid* ]] || missing "a /tmp that is not mounted nosuid"
    open_to_all
    cp /bin/true "$OPEN/server"
    setcap cap_net_bind_service=ep "$OPEN/server" || missing "file capabilities in /tmp"
    local who owner mode capable wanted text rows=0
    while read -r who owner mode capable wanted text; do
        chown "$owner" "$OPEN/server"
        chmod "$mode" "$OPEN/server"
        case $capable in
        -) setcap -r "$OPEN/server" 2>/dev/null || true ;;
        *) setcap "$capable" "$OPEN/server" ;;
        esac
        answers "$wanted" "$OPEN/server: $text" "$BASH" -c "$(declare -f "$who"); $who \"\$@\"" \
            sh "$COMMAND" check "$OPEN/server"
        if loads "$who" "$OPEN/server"; then [ "$wanted" = 0 ]; else [ "$wanted" = 1 ]; fi || {
            echo "$who $owner $mode $capable: $wanted is not what the loader does: $output"
            return 1
        }
        rows=$((rows + 1))
    done <<'END'
root                      0:0         0755 -  0 dynamic
root                      0:0         4755 -  0 dynamic
nobody                    0:0         4755 -  1 set-user-id: the loader ignores LD_PRELOAD; start it as its owner, uid 0,
nobody_without_new_rights 0:0         4755 -  0 dynamic
nobody                    65534:0     4755 -  0 dynamic
root                      65534:0     4755 -  1 set-user-id: the loader ignores LD_PRELOAD; start it as its owner, uid 65534,
nobody                    0:0         2755 -  1 set-group-id: the loader ignores LD_PRELOAD; start it in its group, gid 0,
nobody_without_new_rights 0:0         2755 -  0 dynamic
nobody                    0:65534     2755 -  0 dynamic
root                      0:0         2755 -  0 dynamic
root                      0:65534     2755 -  1 set-group-id
nobody                    0:0         2705 -  0 dynamic
nobody                    0:0         6755 -  1 set-user-id
nobody                    0:0         0711 -  0 not readable, so whether the library reaches it is unknown
nobody                    0:0         0111 -  0 not readable
nobody                    0:0         4711 -  1 set-user-id
root                      0:0         0111 -  0 dynamic
root                      0:0         0755 cap_net_bind_service=ep 0 dynamic
nobody                    0:0         0755 cap_net_bind_service=ep 1 has file capabilities: the loader ignores LD_PRELOAD; remove them (setcap -r)
nobody                    0:0         0755 cap_net_bind_service=p  1 has file capabilities
nobody                    0:0         0711 cap_net_bind_service=ep 1 has file capabilities
nobody_without_new_rights 0:0         0755 cap_net_bind_service=ep 1 has file capabilities
nobody_without_new_rights 0:0         0755 cap_net_bind_service=p  0 dynamic
nobody                    0:0         0755 cap_net_bind_service=i  0 dynamic
nobody                    65534:65534 0755 cap_net_bind_service=ep 1 has file capabilities
END
    [ "$rows" = 25 ]
    chmod 744 "$OPEN/server"
    answers 1 "$OPEN/server: Permission denied" setpriv --reuid 1234 --clear-groups "$COMMAND" check "$OPEN/server"
    chmod 755 "$OPEN/server"
    answers 1 "--ambient-caps +net_bind_service" setpriv --reuid 1234 --clear-groups "$COMMAND" check "$OPEN/server"
    [[ $output = *"net.ipv4.ip_unprivileged_port_start"* ]]
}

@test "on a file system that is mounted nosuid, none of these bits counts" {
    need_root
    need setpriv
    need_unshare -m
    open_to_all
    mkdir "$OPEN/mount"
    run unshare -m sh -c 'mount -t tmpfs -o nosuid,mode=755 none "$1/mount" && cp /bin/true "$1/mount/server" &&
        chmod 6755 "$1/mount/server" &&
        setpriv --reuid 65534 --regid 65534 --clear-groups "$1/reuseport" check "$1/mount/server"' sh "$OPEN"
    echo "$output"
    [ "$status" = 0 ]
    [[ $output = *"$OPEN/mount/server: dynamic"* ]]
}

@test "a command is searched in PATH as exec does it" {
    local path command found
    mkdir "$OPEN/first" "$OPEN/second" "$OPEN/first/directory" "$OPEN/here"
    cp /bin/true "$OPEN/second/server"
    cp /bin/true "$OPEN/second/directory"
    cp /bin/true "$OPEN/here/server"
    : >"$OPEN/first/server"
    cd "$OPEN/here"
    while IFS='|' read -r path command found; do
        answers 0 "${found/OPEN/$OPEN}: dynamic" env PATH="${path//OPEN/$OPEN}" "$COMMAND" check "$command"
    done <<'END'
OPEN/second|server|OPEN/second/server
OPEN/first:OPEN/second|server|OPEN/second/server
OPEN/first:OPEN/second|directory|OPEN/second/directory
OPEN/nowhere:OPEN/second:OPEN/here|server|OPEN/second/server
OPEN/first::OPEN/second|server|./server
:OPEN/second|server|./server
OPEN/first:|server|./server
|server|./server
OPEN/second|./server|./server
OPEN/second|../here/server|../here/server
END
    answers 0 "bin/true: dynamic" env -u PATH "$COMMAND" check true
    answers 1 "server: No such file or directory" env -u PATH "$COMMAND" check server
    answers 1 "server: Permission denied" env PATH="$OPEN/first" "$COMMAND" check server
    answers 1 "server: Permission denied" env PATH="$OPEN/first:$OPEN/nowhere" "$COMMAND" check server
    answers 1 "directory: Permission denied" env PATH="$OPEN/first" "$COMMAND" check directory
    answers 1 "no-such-server: No such file or directory" "$COMMAND" check no-such-server
}

@test "the kernel is told by what it lacks" {
    says 0 "kernel $(uname -r): has all that run, list, adopt and replace need"
    [ "$(grep -c '^kernel ' <<<"$output")" = 1 ]
    setarch --uname-2.6 true || missing "setarch --uname-2.6"
    answers 0 "kernel 2.6." setarch --uname-2.6 "$COMMAND" check
    [ "$(grep -c '^kernel ' <<<"$output")" = 3 ]
    [[ $output = *"has no SO_REUSEPORT (3.9)"* ]]
    # From the very version on that is named.
    compile called -shared -fPIC <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
int uname(struct utsname *name) {
    return -(snprintf(name->release, sizeof(name->release), "%s", getenv("CALLED")) < 0);
}
END
    local version
    for version in "3.8.9: has no" "3.9.0: cannot" "4.4.9: cannot" "4.5.0: resets" "5.13.9: resets" "5.14.0: has all" "6.0.0: has all"; do
        answers 0 "kernel $version" env CALLED="${version%%:*}" LD_PRELOAD="$OPEN/called" "$COMMAND" check
        [[ $(grep -m 1 '^kernel ' <<<"$output") = "kernel $version"* ]]
    done
}

@test "handing over sockets is tried, whatever the kernel calls itself" {
    local in_vain="list may not tell who shares, adopt cannot work, and replace only if the server shares already"
    answers 0 "kernel $(uname -r): pidfd_getfd (5.6) is missing, or a seccomp filter hides it: $in_vain" \
        "$PROBES/without" pidfd_getfd "$COMMAND" check
    [[ $output != *"look into"* ]]
    answers 0 "pidfd_getfd: $FILTERED; without that, $in_vain" "$PROBES/without" pidfd_getfd:EPERM "$COMMAND" check
    [[ $output != *"look into"* && $output != *"has all that"* ]]
    if setarch --uname-2.6 true; then
        run setarch --uname-2.6 "$COMMAND" check
        [[ $output != *pidfd_getfd* ]]
    fi
    run "$COMMAND" check
    [[ $output != *pidfd_getfd* ]]
}

@test "where a filter blocks pidfd_getfd, adopt, list, replace and -m seccomp say so, too" {
    local denied=("$PROBES/without" pidfd_getfd:EPERM "$COMMAND")
    lease_port PORT
    spawn alone "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    run --separate-stderr "${denied[@]}" adopt "$PORT"
    echo "$stderr"
    [[ $status = 125 && $stderr == "reuseport: adopt: 127.0.0.1:$PORT/tcp: pid $PID: $FILTERED" ]]
    run "${denied[@]}" list "$PORT"
    [[ $output == *" unknown "*"unknown: $FILTERED" ]]
    run --separate-stderr "${denied[@]}" replace "$PID" true
    [[ $status = 125 && $stderr == *"$FILTERED"* ]]
    run --separate-stderr "${denied[@]}" run -m seccomp -p "$PORT" true
    [[ $status = 125 && $stderr == *"$FILTERED"* ]]
}

@test "net.ipv4.tcp_migrate_req is told as it is in this network" {
    need_root
    need_unshare -n
    [ -e /proc/sys/net/ipv4/tcp_migrate_req ] || missing "Linux 5.14"
    unshare -n sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_migrate_req' || missing "a /proc/sys that can be written"
    answers 0 "net.ipv4.tcp_migrate_req is 0: connections in the queue of a copy that ends are reset; with 1 the other copies get them, which is recommended where nginx -t or the like visits the port" \
        unshare -n "$COMMAND" check
    answers 0 "net.ipv4.tcp_migrate_req is 1: connections in the queue of a copy that ends go to the others" \
        unshare -n sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_migrate_req && "$0" check' "$COMMAND"
}

@test "whether it may look into other processes is told by the capability and by Yama" {
    need_root
    local scope others="others of its user only"
    scope=$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)
    [ "$scope" = 0 ] || others="not look into others (kernel.yama.ptrace_scope is $scope)"
    open_to_all
    answers 0 "$others" setpriv --reuid 65534 --clear-groups "$COMMAND" check
    answers 0 "$others" setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace "$COMMAND" check
    setpriv --dump | grep -q '^Capability bounding set:.*sys_ptrace' || missing "CAP_SYS_PTRACE"
    says 0 "this process may look into all others"
}

@test "-p takes a list in the library's words, and names ports that may not be bound" {
    need_root
    need_unshare -n
    local list
    open_to_all
    fails '-p: "x": not a port' "$COMMAND" check -p x
    fails '-p: "0": not a port from 1 to 65535' "$COMMAND" check --ports=80,0 true
    fails 'REUSEPORT_PORTS: "x": not a port' env REUSEPORT_PORTS=x "$COMMAND" check
    fails 'REUSEPORT_LOG: "x": not off, warn or info' env REUSEPORT_LOG=x "$COMMAND" check -p 80
    says 0 "" -p 8080 true
    # A network of its own, as ip_unprivileged_port_start may be 0 in a container's.
    for list in 80 443,80 80-8080 127.0.0.1:80/tcp; do
        answers 0 "below 1024, and this process has no CAP_NET_BIND_SERVICE: bind will be refused" \
            unshare -n setpriv --reuid 65534 --clear-groups "$COMMAND" check -p "$list" true
    done
    for list in 1024 8080-8090 '8080,!80' all; do
        silent_on CAP_NET_BIND unshare -n setpriv --reuid 65534 --clear-groups "$COMMAND" check -p "$list" true
    done
    silent_on CAP_NET_BIND unshare -n setpriv --reuid 65534 --clear-groups "$COMMAND" check true
    silent_on CAP_NET_BIND unshare -n setpriv --reuid 65534 --clear-groups \
        --inh-caps +net_bind_service --ambient-caps +net_bind_service "$COMMAND" check -p 80 true
    silent_on CAP_NET_BIND unshare -n "$COMMAND" check -p 80 true
}

@test "help and version go to stdout, within 80 columns, with status 0" {
    local words known
    known=$("$COMMAND" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')
    [[ $known = *run*check*install-lib* ]]
    for words in '' $known; do
        # shellcheck disable=SC2086 # no word is one of the cases
        run --separate-stderr "$COMMAND" $words --help
        echo "$output"
        [[ $status = 0 && $output = "Usage: reuseport ${words:-SUBCOMMAND}"* && -z $stderr ]] ||
            [[ $words = help && $output = "$("$COMMAND" --help)" ]]
        [[ $output = *"Exit status: "*125* ]]
        run ! grep -E '.{81}' <<<"$output"
        # shellcheck disable=SC2086
        [ "$("$COMMAND" $words -h)" = "$("$COMMAND" $words --help)" ]
        # shellcheck disable=SC2086
        run --separate-stderr "$COMMAND" $words --version
        [[ $status = 0 && $output =~ ^reuseport\ [0-9]+\.[0-9]+ && ${#lines[@]} = 1 && -z $stderr ]]
        # shellcheck disable=SC2086
        [ "$("$COMMAND" $words -V)" = "$output" ]
    done
    [ -e /dev/full ] || missing /dev/full
    for words in --help --version 'check --help' 'check --version' check; do
        run --separate-stderr sh -c "\"\$0\" $words >/dev/full" "$COMMAND"
        [ "$status" = 125 ]
    done
}

@test "reuseport help [SUBCOMMAND] prints what --help prints" {
    local word
    [ "$("$COMMAND" help)" = "$("$COMMAND" --help)" ]
    for word in $("$COMMAND" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'); do
        run --separate-stderr "$COMMAND" help "$word"
        [ "$status" = 0 ]
        [ "$output" = "$("$COMMAND" "$word" --help)" ]
        [ -z "$stderr" ]
    done
    fails "help: no such subcommand: nosuch; see reuseport --help" "$COMMAND" help nosuch
    fails "help: expected one SUBCOMMAND; see reuseport --help" "$COMMAND" help run check
}

@test "check takes a whole command line, and ignores the arguments" {
    local expected
    expected=$("$COMMAND" check "$PROBES/probe")
    [ "$("$COMMAND" check "$PROBES/probe" socket -p 80a --nosuch "two words")" = "$expected" ]
    [ "$("$COMMAND" check -- "$PROBES/probe" --help)" = "$expected" ]
    [ "$("$COMMAND" check "$PROBES/probe" 1)" = "$expected" ]
    run -1 "$COMMAND" check nosuch --help
    [ "${lines[0]}" = "nosuch: No such file or directory" ]
}

@test "words that no subcommand knows give one line and 125" {
    local words text
    while IFS='|' read -r words text; do
        # shellcheck disable=SC2086 # several words
        fails "$text" "$COMMAND" $words
    done <<'END'
|no subcommand given; see reuseport --help
nosuch|no such subcommand: nosuch; see reuseport --help
--nosuch|no such subcommand: --nosuch; see reuseport --help
run|run: no command given; see reuseport run --help
run --nosuch|run: no such option: --nosuch; see reuseport run --help
run -z true|run: no such option: -z; see reuseport run --help
check --nosuch|check: no such option: --nosuch; see reuseport check --help
check --nosuch=1 true|check: no such option: --nosuch=1; see reuseport check --help
check -z|check: no such option: -z; see reuseport check --help
check -p 80 -z true|check: no such option: -z; see reuseport check --help
check -p|check: -p needs a value; see reuseport check --help
check --library|check: --library needs a value; see reuseport check --help
check 1 2|check: expected COMMAND or a single PID; see reuseport check --help
check --library=/nonexistent true|the library /nonexistent: No such file or directory
check --library=/dev/null true|the library /dev/null: not a regular file
check --library=/etc/passwd true|the library /etc/passwd: neither an ELF file nor a script with #!
install-lib|install-lib: expected one DIR; see reuseport install-lib --help
install-lib --nosuch|install-lib: no such option: --nosuch; see reuseport install-lib --help
END
    fails "the library $PROBES/probe: not a shared library" "$COMMAND" check --library="$PROBES/probe" true
}

# copies COMMAND...: how many of them run -n auto starts, in COPIES.
copies() {
    run timeout 10 "$@" "$COMMAND" run -n auto -p 80 -- sh -c 'echo "copy $REUSEPORT_INSTANCE"'
    COPIES=$(grep -c '^copy [0-9]*$' <<<"$output" || true)
    [ "$status" = 0 ] && [ "$COPIES" = "${#lines[@]}" ]
}

# need_two_cpus: sets CPUS to how many this process may use.
need_two_cpus() {
    need python3
    CPUS=$(python3 -c 'import os; print(len(os.sched_getaffinity(0)))')
    [ "$CPUS" -ge 2 ] || missing "two CPUs"
}

@test "-n auto under an affinity to one CPU is one copy" {
    need taskset
    local cpu
    cpu=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
    copies taskset -c "$cpu"
    [ "$COPIES" = 1 ]
}

# make_group: sets GROUP to a new cgroup with the cpu controller.
make_group() {
    local top=/sys/fs/cgroup/cpu
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        top=/sys/fs/cgroup
        if ! grep -qw cpu $top/cgroup.subtree_control && echo +cpu >$top/cgroup.subtree_control; then
            ENABLED=$top/cgroup.subtree_control
        fi 2>/dev/null
    fi
    mkdir "$top/reuseport-$BATS_TEST_NUMBER-$$" 2>/dev/null || missing "a cgroup hierarchy that can be written"
    GROUP=$top/reuseport-$BATS_TEST_NUMBER-$$
    [ -e "$GROUP/cpu.max" ] || [ -e "$GROUP/cpu.cfs_quota_us" ] || missing "the cpu controller in $top"
}

# limit_group QUOTA: to so many microseconds of each 100000.
limit_group() {
    if [ -e "$GROUP/cpu.max" ]; then
        echo "$1 100000" >"$GROUP/cpu.max"
    else
        echo "$1" >"$GROUP/cpu.cfs_quota_us"
    fi
}

@test "-n auto counts what the cgroup's quota allows, rounded up" {
    need_root
    need_two_cpus
    make_group
    local quota wanted
    for quota in 50000=1 100000=1 110000=2 200000=2; do
        wanted=${quota#*=}
        limit_group "${quota%=*}"
        copies sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$GROUP"
        echo "$quota: $COPIES"
        [ "$COPIES" = "$wanted" ]
    done
}

@test "-n auto reads cgroups of both versions, and takes the least of all above" {
    need_root
    need_unshare -m
    need_two_cpus
    local wanted groups files
    while IFS='|' read -r wanted groups files; do
        copies unshare -m sh -c '
            mount -t tmpfs none /sys/fs/cgroup && cd /sys/fs/cgroup && printf "$1" >list &&
                mount --bind list /proc/$$/cgroup || exit
            IFS=";"
            for file in $2; do
                mkdir -p "$(dirname "${file%%=*}")" && echo "${file#*=}" >"${file%%=*}"
            done
            cd / && shift 2 && exec "$@"' sh "$groups" "$files"
        echo "$groups $files: $COPIES, not $wanted"
        [ "$COPIES" = "${wanted/all/$CPUS}" ]
    done <<'END'
all||
all|nonsense\n|
all|0::/\n|
1|0::/\n|cpu.max=100000 100000
1|0::/\n|cpu.max=1 100000
2|0::/\n|cpu.max=100001 100000
2|0::/\n|cpu.max=200000 100000
all|0::/\n|cpu.max=max 100000
all|0::/\n|cpu.max=
all|0::/\n|cpu.max=0 0
all|0::/\n|cpu.max=9223372036854775807 1
1|0::/a/b\n|cpu.max=max 100000;a/cpu.max=70000 100000;a/b/cpu.max=max 100000
1|0::/a/b\n|a/cpu.max=200000 100000;a/b/cpu.max=70000 100000
1|0::/not/visible/here\n|cpu.max=70000 100000
1|0::/a b/c\n|a b/cpu.max=70000 100000
all|0::/a\n|b/cpu.max=70000 100000
1|1:cpu:/\n|cpu/cpu.cfs_quota_us=100000;cpu/cpu.cfs_period_us=100000
2|1:cpu:/\n|cpu/cpu.cfs_quota_us=100001;cpu/cpu.cfs_period_us=100000
all|1:cpu:/\n|cpu/cpu.cfs_quota_us=-1;cpu/cpu.cfs_period_us=100000
1|5:memory:/a\n4:cpuacct,cpu:/a\n0::/\n|cpu/a/cpu.cfs_quota_us=1000;cpu/a/cpu.cfs_period_us=100000
1|4:cpu,cpuacct:/not/here\n|cpu/cpu.cfs_quota_us=1000;cpu/cpu.cfs_period_us=100000
all|4:cpuacct:/a\n1:name=cpu:/a\n|cpu/a/cpu.cfs_quota_us=1000;cpu/a/cpu.cfs_period_us=100000
all|4:cpu:/a\n|cpu/a/cpu.cfs_quota_us=1000
END
}
