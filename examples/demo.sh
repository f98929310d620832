#!/bin/sh
# SPDX-License-Identifier: MIT
# Shows in four steps what the library does; needs nothing but what it was built with.
set -eu

BUILD=${BUILD:-build}
server=$BUILD/examples/server
client=$BUILD/examples/client
reuseport=$BUILD/reuseport
work=$(mktemp -d)
started=0
pids=

stop_all() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    pids=
}
trap 'stop_all; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

title() {
    printf '\n%s\n' "$*"
}

# Starts a server and waits until it listens or has ended; its output is in $log, its PID in $!.
start() {
    started=$((started + 1))
    log=$work/$started
    : >"$log"
    "$@" >"$log" 2>&1 &
    pids="$pids $!"
    while ! grep -q . "$log"; do
        kill -0 $! 2>/dev/null || break
    done
    sed 's/^/    /' "$log"
}

# Starts COMMAND by reuseport run with these options and waits until that many copies listen.
start_copies() {
    copies=$1
    shift
    start "$reuseport" run -p "$port" "$@" >/dev/null
    while [ "$(grep -c listening "$log")" -lt "$copies" ]; do
        kill -0 $! 2>/dev/null || break
    done
    sed 's/^/    /' "$log"
}

# A port that nobody listens on: the first one from there that a server can bind.
port=$(($$ % 10000 + 20000))
start "$server" "$port" >/dev/null
while ! grep -q listening "$log"; do
    if [ "$started" = 100 ]; then
        cat "$log"
        exit 1
    fi
    port=$((port + 1))
    start "$server" "$port" >/dev/null
done

title "1. Without the library, a second copy of the server is refused port $port:"
sed 's/^/    /' "$log"
start "$server" "$port"
stop_all

title "2. reuseport run -n 3 -p $port starts three copies, and 60 connections are spread over them:"
start_copies 3 -n 3 "$server" "$port"
"$client" "$port" 60 | sed 's/^/    /'
stop_all

title "3. A copy on 127.0.0.2 and one on 0.0.0.0: the exact address wins, always:"
start_copies 1 "$server" "$port" 127.0.0.2
start_copies 1 "$server" "$port" 0.0.0.0
for address in 127.0.0.2 127.0.0.3; do
    echo "    20 connections to $address:"
    "$client" "$port" 20 "$address" | sed 's/^/      /'
done
stop_all

title "4. The kernel lets only sockets of one user share a port:"
if [ "$(id -u)" = 0 ]; then
    start_copies 1 "$server" "$port"
    start_copies 1 "$server" "$port" 0.0.0.0 65534
else
    echo "    This step needs root, to start a copy as another user."
fi
