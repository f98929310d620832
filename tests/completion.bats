#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bash, zsh and fish offer what --help says, and what else belongs at a place of the line.

load helpers
load help

SHELLS="bash zsh fish"

# offered_by_bash LINE: what the completion offers at the end of "reuseport LINE", parted into words as bash does.
offered_by_bash() {
    bash --norc --noprofile -c '
        source "$1"
        COMP_LINE="reuseport $2" COMP_POINT=${#COMP_LINE}
        mapfile -t COMP_WORDS < <(tr " " "\n" <<<"$COMP_LINE" | sed "s/[=:]\+/\n&\n/g; s/\n\n*/\n/g; s/\n\$//")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _reuseport
        [ "${#COMPREPLY[@]}" = 0 ] || printf "%s\n" "${COMPREPLY[@]}"' bash "$ROOT/shim/doc/reuseport.bash" "$1"
}

offered_by_zsh() {
    local dir=$BATS_TEST_TMPDIR/zsh
    mkdir -p "$dir"
    ln -sf "$ROOT/shim/doc/reuseport.zsh" "$dir/_reuseport"
    zsh -f "$BATS_TEST_DIRNAME/offers.zsh" "$dir" "$1" "$dir"
}

offered_by_fish() {
    HOME=$BATS_TEST_TMPDIR fish --no-config -c 'source $argv[1]; complete -C "reuseport $argv[2]"' \
        "$ROOT/shim/doc/reuseport.fish" "$1"
}

# offered SHELL LINE: in one form: no path or option in front of a value, no "=" or name after a word.
offered() {
    "offered_by_$1" "$2" | cut -f 1 | sed -E 's/^--[a-z-]+=(.+)/\1/; s/=$//; s/ \(.*\)$//; s,/$,,; s,.*/([^/]+)$,\1,' | sort -u
}

# offers LINE WORD...: each of SHELLS offers just these at the end of the line.
offers() {
    local shell expected got
    expected=$([ $# = 1 ] || printf '%s\n' "${@:2}" | sort)
    for shell in $SHELLS; do
        got=$(offered "$shell" "$1")
        echo "$shell: reuseport $1: offers ${got//$'\n'/ }, where it should be ${expected//$'\n'/ }"
        [ "$got" = "$expected" ] || return 1
    done
}

setup() {
    # shellcheck disable=SC2086 # words
    need $SHELLS
    # So that _arguments is not asked about a command that is not there.
    export PATH=$BUILD:$PATH
}

@test "the subcommands are offered, and after help" {
    local words
    mapfile -t words < <({ subcommands; echo help; } | sort -u)
    [ "${#words[@]}" -ge 3 ]
    offers '' "${words[@]}"
    offers 'help ' "${words[@]}"
    offers i install-lib
    offers 'nonsense '
    mapfile -t words < <(help_options)
    offers - "${words[@]}"
}

@test "the options that each subcommand's --help lists are offered" {
    local subcommand shell
    for shell in $SHELLS; do
        for subcommand in $(subcommands | grep -vx help); do
            same "$shell: $subcommand -" "$(help_options "$subcommand")" "$(offered "$shell" "$subcommand -")"
        done
    done
    offers 'run -p 127.0.0.1:80 -vn 2 --ports=[::1]:80 --o' --on-exit
    offers 'nonsense --'
}

@test "the values of options are offered, after a blank or =" {
    offers 'run --on-exit=' keep stop restart
    offers 'run --on-exit s' stop
    offers 'run --rolling=' HUP USR1 USR2 WINCH
    offers 'run --max 3 --hung 2 --rolling U' USR1 USR2
    offers 'run --ready=' listen notify
    offers 'run --max '
    offers 'run --hung '
    offers 'run -n ' auto
    offers 'run -vn a' auto
    offers 'run --copies=' auto
    offers 'run -m p' preload
    offers 'replace --signal=U' USR1 USR2
    offers 'replace --ready ' listen notify
    offers 'replace --ready=n' notify
    offers 'run -p '
    offers 'run -I '
    : >"$BATS_TEST_TMPDIR/one.so"
    offers "run --library=$BATS_TEST_TMPDIR/o" one.so
    offers "check --library $BATS_TEST_TMPDIR/o" one.so
}

@test "commands are offered, then their files, and directories to install-lib" {
    local dir=$BATS_TEST_TMPDIR line
    mkdir "$dir/one" "$dir/path"
    : >"$dir/one.so"
    printf '#!/bin/sh\n' >"$dir/path/reuseport-test-server"
    chmod +x "$dir/path/reuseport-test-server"
    export PATH=$dir/path:$PATH
    for line in 'run ' 'run -- ' 'run -n 2 -p 127.0.0.1:80 -I {} ' 'run --ports=[::1]:80 --on-exit stop -v ' 'check ' \
        'run --in-place --max 3 --rolling HUP --hung 2 --balance ' \
        'check -p 80 -- ' 'replace 1 ' 'replace -n 2 --drain 3 --kill 1 '; do
        offers "${line}reuseport-test-s" reuseport-test-server
    done
    for line in 'run -p 80' 'replace 1' 'check -p 80'; do
        offers "$line reuseport-test-server $dir/o" one one.so
    done
    offers "install-lib $dir/o" one
    offers "install-lib $dir $dir/o"
}

@test "ports in use are offered to list and adopt, and the processes that hold them to adopt, replace and check" {
    lease_port PORT OTHER
    spawn server "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn other "$BUILD/examples/server" "$OTHER" 127.0.0.1
    wait_until listens "$PORT"
    wait_until listens "$OTHER"
    offers "list $PORT" "$PORT"
    offers "list 1 $PORT" "$PORT"
    offers "adopt $PORT" "$PORT"
    offers "adopt $PORT " "${PIDS[0]}"
    offers "adopt $OTHER/tcp " "${PIDS[1]}"
    offers "adopt $PORT $PID "
    offers "replace ${PIDS[0]}" "${PIDS[0]}"
    offers "replace -s QUIT ${PIDS[1]}" "${PIDS[1]}"
    offers "check ${PIDS[0]}" "${PIDS[0]}"
    offers "check -m auto ${PIDS[1]}" "${PIDS[1]}"
    local shell
    for shell in $SHELLS; do
        offered "$shell" 'replace ' >"$BATS_TEST_TMPDIR/all"
        grep -qx "${PIDS[0]}" "$BATS_TEST_TMPDIR/all"
        grep -qx "${PIDS[1]}" "$BATS_TEST_TMPDIR/all"
        ! grep -vxE '[0-9]+' "$BATS_TEST_TMPDIR/all"
    done
    # The protocol is completed: in bash and fish as a part of the word.
    [ "$(offered bash "list $PORT/t")" = tcp ]
    [ "$(offered fish "list $PORT/u")" = udp ]
    [ "$(offered zsh "list $PORT/")" = $'tcp\nudp' ]
}

@test "a process whose name is meant to mislead is offered by its PID, its name made harmless" {
    local name=$'a",pid=1,\e[2J' shell
    lease_port PORT
    spawn server /usr/bin/python3 -c 'import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, sys.argv[2].encode())
held = socket.create_server(("127.0.0.1", int(sys.argv[1])))
sys.stdin.read() or __import__("signal").pause()' "$PORT" "$name"
    wait_until listens "$PORT"
    for shell in $SHELLS; do
        "offered_by_$shell" "adopt $PORT " >"$BATS_TEST_TMPDIR/said"
        cat -v "$BATS_TEST_TMPDIR/said"
        ! grep -q $'[\e"]' "$BATS_TEST_TMPDIR/said"
        grep -qP "^$PID([ \t]|\$)" "$BATS_TEST_TMPDIR/said"
    done
}

@test "bash: the rest of the line is left to bash-completion where that is loaded" {
    local function
    for function in _command_offset _comp_command_offset; do
        run bash --norc --noprofile -c '
            eval "$2() { echo \"$2 \$1\"; }"
            source "$1"
            COMP_LINE="reuseport run -p 127.0.0.1:80 -- server --opt"
            COMP_WORDS=(reuseport run -p 127.0.0.1 : 80 -- server --opt) COMP_CWORD=8
            _reuseport' bash "$ROOT/shim/doc/reuseport.bash" "$function"
        echo "$output"
        [ "$output" = "$function 7" ]
    done
}
