#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Real servers that no preload reaches, two live copies each, and some that both ways reach; more
# are in field/servers.table.
# shellcheck disable=SC2034 # variables that are set for copies.bash

load copies

# by METHOD: copies share by way of reuseport run -m METHOD.
by() {
    SHARED=("$BUILD/reuseport" run -m "$1" -p "$PORT")
}

@test "rclone serve, a Go program, behind a script" {
    by seccomp
    two_copies http/tcp sh -c 'exec rclone --config config serve http . --addr "$0"' 127.0.0.1:"$PORT"
}

@test "esbuild serve, a Go program, by auto" {
    need esbuild
    by auto
    # It ends when its standard input does.
    INPUT=$BATS_TEST_TMPDIR/input
    mkfifo "$INPUT"
    exec {input}<>"$INPUT"
    two_copies http/tcp esbuild --servedir=. --serve=127.0.0.1:"$PORT"
}

@test "busybox-static's httpd, a static program, by auto" {
    need busybox
    by auto
    two_copies http/tcp busybox httpd -f -p 127.0.0.1:"$PORT" -h .
}

@test "static C servers: glibc, musl, static-pie and 32 bits, by auto" {
    local server
    by auto
    for server in static-server musl/static-server static-pie-server i386-server; do
        [ -e "$PROBES/$server" ] || missing "$server"
        echo "$server"
        two_copies example/tcp "$PROBES/$server" "$PORT" 127.0.0.1
        stop_all
        wait_until bound 0
    done
}

@test "nginx, redis-server and Python, as by the preload" {
    by seccomp
    two_copies_of_nginx
    stop_all
    wait_until bound 0
    two_copies redis/tcp redis-server --bind 127.0.0.1 --port "$PORT" --pidfile pid --dir . --save ""
    stop_all
    wait_until bound 0
    two_copies http/tcp python3 -u -m http.server --bind 127.0.0.1 "$PORT"
}
