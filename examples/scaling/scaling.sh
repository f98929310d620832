#!/bin/sh
# SPDX-License-Identifier: MIT
# How far a server scales: runs 1, 2, 4 ... copies of it on one port, each time under the same load, and
# shows the requests per second and each copy's share of the CPU time.
set -eu

usage="usage: scaling.sh -p PORT [-m COPIES] [-l LOAD] [--] SERVER [ARG]...
  -p PORT    where SERVER listens, in the foreground
  -m COPIES  up to so many copies; else as many as there are usable CPUs, at least 2
  -l LOAD    a shell command line that puts load on \$PORT; it prints its requests per second as
             wrk, hey, oha, ab and redis-benchmark do, or how many requests it made on its last line.
             'client' is build/examples/client, for build/examples/server. Else wrk, where installed
In the ARGs, {} stands for the copy's number, 0, 1 ..."

PATH=$PATH:/usr/sbin:/sbin
build=${BUILD:-$(dirname "$0")/../../build}
port=
most=$(nproc)
[ "$most" -ge 2 ] || most=2
load=
work=
server=
loading=

die() {
    echo "scaling.sh: $*" >&2
    exit 1
}

misused() {
    echo "$usage" >&2
    exit 2
}

find_reuseport() {
    if [ -n "${REUSEPORT:-}" ]; then
        echo "$REUSEPORT"
    elif [ -x "$build/reuseport" ]; then
        echo "$build/reuseport"
    else
        command -v reuseport
    fi
}

choose_load() {
    if [ -z "$load" ] && command -v wrk >/dev/null; then
        load="wrk -t1 -c32 -d2s http://127.0.0.1:\$PORT/"
    elif [ "${load:-client}" = client ]; then
        [ -x "$build/examples/client" ] || die "no wrk and no $build/examples/client; run make demo, or give -l"
        export CLIENT="$build/examples/client"
        load='{ for _ in 1 2 3 4; do "$CLIENT" "$PORT" 5000 & done; wait; } | awk "{ n += \$3 } END { print n }"'
    fi
}

# tree PID...: those processes and all below them.
tree() {
    for process; do
        echo "$process"
        # shellcheck disable=SC2046 # PIDs
        tree $(cat "/proc/$process/task/"*/children 2>/dev/null)
    done
}

stop() {
    # shellcheck disable=SC2046 # PIDs
    [ -z "$loading" ] || kill $(tree "$loading") 2>/dev/null || true
    [ -z "$server" ] || kill -TERM "$server" 2>/dev/null || true
    wait
    loading=
    server=
}

# failed WHAT: ends with what the server and the load had to say.
failed() {
    cat "$work"/*.log >&2
    die "$@"
}

# Hundredths of a second since the system was started.
now() {
    read -r uptime _ </proc/uptime
    echo "${uptime%.*}${uptime#*.}"
}

# The process above all others of each copy, in order: of one copy the process that we started, of
# several its children.
copies() {
    if [ "$count" = 1 ]; then
        echo "$server"
    else
        cat "/proc/$server/task/$server/children" 2>/dev/null
    fi
}

all_listen() {
    holders=$(ss -Htulnp "sport = :$port" | grep -o 'pid=[0-9]*' | cut -d= -f2)
    # shellcheck disable=SC2046 # PIDs
    set -- $(copies)
    [ $# = "$count" ] || return 1
    for copy; do
        tree "$copy" | grep -qxF "$holders" || return 1
    done
}

await_listeners() {
    deadline=$(($(now) + 3000))
    until all_listen; do
        kill -0 "$server" 2>/dev/null || failed "the server ended instead of listening on port $port"
        [ "$(now)" -lt "$deadline" ] || failed "after 30 seconds, not all $count copies listen on port $port"
        sleep 0.05
    done
}

# The CPU time in clock ticks of each copy and everything below it, what has ended included (proc(5),
# /proc/PID/stat: utime, stime, cutime and cstime), a line each.
cpu_times() {
    for copy in $(copies); do
        for process in $(tree "$copy"); do
            cat "/proc/$process/stat" 2>/dev/null || true
        done | awk '{ sub(/^.*\) /, ""); sum += $12 + $13 + $14 + $15 } END { print sum + 0 }'
    done
}

run_load() {
    began=$(now)
    PORT=$port sh -c "$load" >"$work/load.log" 2>"$work/load-errors.log" </dev/null &
    loading=$!
    wait "$loading" || failed "the load failed: $load"
    loading=
    took=$(($(now) - began))
}

# The requests per second: what the load says, or the number on its last line by the time it took.
rate() {
    awk -v hundredths="$took" '
        /Requests\/sec:|Requests per second:/ { said = $0; sub(/^.*:/, "", said) }
        match($0, /[0-9.]+ requests per second/) { said = substr($0, RSTART) }
        NF { last = $0 }
        END {
            if (said == "" && last ~ /^[ \t]*[0-9]+[ \t]*$/ && hundredths)
                said = last * 100 / hundredths
            print said + 0
        }' "$work/load.log"
}

show_row() {
    awk -v count="$count" -v rate="$rate" -v one="$one" -v most="$most" 'BEGIN {
        printf "%6d %12.0f %6.2f  ", count, rate, rate / one
        for (i = 0; i < int(rate / one * 60 / most + 0.5); i++) printf "="
        print ""
    }'
    # Of what wrk has to say: answers that are none.
    grep -E '^ *(Socket errors|Non-2xx)' "$work/load.log" || true
}

show_shares() {
    paste "$work/before" "$work/after" | awk '
        { sum += used[NR] = $2 - $1 }
        END {
            for (i = 1; i <= NR && sum; i++) {
                printf "      copy %-4d %4.0f%%         ", i - 1, used[i] * 100 / sum
                for (bar = 0; bar < int(used[i] * 40 / sum + 0.5); bar++) printf "#"
                print ""
            }
            if (!sum) print "      the copies took no CPU time to speak of"
        }'
}

# step COUNT SERVER...
step() {
    count=$1
    shift
    # In a session of its own: Ctrl-C reaches this script alone, and the copies get one signal, not two.
    setsid "$reuseport" run -n "$count" -I '{}' -p "$port" --on-exit stop -- "$@" \
        >"$work/server.log" 2>&1 </dev/null &
    server=$!
    await_listeners
    cpu_times >"$work/before"
    run_load
    cpu_times >"$work/after"
    kill -0 "$server" 2>/dev/null || failed "a copy ended under the load"
    stop
    rate=$(rate)
    [ "$rate" != 0 ] || failed "no requests, or the load does not say how many: $load"
    [ "$count" != 1 ] || one=$rate
    show_row
    show_shares
    echo "$count $rate" >>"$work/rates"
}

while getopts p:m:l:h option; do
    case $option in
    p) port=$OPTARG ;;
    m) most=$OPTARG ;;
    l) load=$OPTARG ;;
    h) echo "$usage" && exit 0 ;;
    *) misused ;;
    esac
done
shift $((OPTIND - 1))
case "$#:$port:$most" in
0:* | *::* | *: | *:0* | *[!0-9:]*) misused ;;
esac
command -v ss >/dev/null || die "ss is not installed; it is in the package iproute2"
reuseport=$(find_reuseport) || die "there is no reuseport; run make first"
choose_load
[ -z "$(ss -Htuln "sport = :$port")" ] || die "port $port is in use"

trap 'stop; [ -z "$work" ] || rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
work=$(mktemp -d "${TMPDIR:-/tmp}/scaling.XXXXXX")

echo "load: $load"
echo "$(nproc) usable CPUs, for the copies and the load"
echo
echo "copies   requests/s factor"
next=1
while [ "$next" -lt "$most" ]; do
    step "$next" "$@"
    next=$((next * 2))
done
step "$most" "$@"
awk '
    NR == 1 { one = $2 }
    $2 > best { best = $2; count = $1 }
    END {
        if (count == 1)
            print "\nNo number of copies did more than one."
        else
            printf "\nThe most with %d copies: %.2f times the requests of one.\n", count, best / one
    }' "$work/rates"
