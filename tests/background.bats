#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Real servers that put themselves into the background, as they do by default: reuseport run -n supervises
# them all the same.

load helpers

setup() {
    lease_port PORT
    cd "$BATS_TEST_TMPDIR" || exit
    mkdir r0 r1
}

# supervised COUNT COMMAND...: COUNT sockets are on the port although every starter has ended, the
# supervisor stays, and TERM to it ends the daemons.
supervised() {
    local daemons count=$1
    shift
    spawn copies "$BUILD/reuseport" run -v -n 2 -I {} -p "$PORT" "$@"
    wait_until listeners_are "$PORT" "$count"
    mapfile -t daemons < <(ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u)
    starters_ended() {
        local pid
        for pid in $(grep -o 'pid [0-9]*' "$(log copies)" | cut -d' ' -f2); do ended "$pid" || return 1; done
    }
    wait_until starters_ended
    [[ $(<"$(log copies)") != *"ended with"* ]]
    kill -TERM "$PID"
    wait "$PID"
    wait_until listeners_are "$PORT" 0
    local pid
    for pid in "${daemons[@]}"; do ended "$pid"; done
    grep -q 'copy 0: ended with status 0' "$(log copies)"
    grep -q 'copy 1: ended with status 0' "$(log copies)"
}

@test "nginx" {
    need nginx
    local copy
    for copy in 0 1; do
        cat >"r$copy/nginx.conf" <<END
pid $PWD/r$copy/nginx.pid;
error_log $PWD/r$copy/error.log;
worker_processes 1;
events {}
http {
    access_log off;
    client_body_temp_path $PWD/r$copy/body;
    server { listen 127.0.0.1:$PORT; }
}
END
    done
    supervised 2 nginx -p "$PWD/r{}" -e "$PWD/r{}/error.log" -c "$PWD/r{}/nginx.conf"
}

@test "redis-server with daemonize yes" {
    need redis-server
    supervised 2 redis-server --port "$PORT" --bind 127.0.0.1 --save '' --dir "$PWD/r{}" --daemonize yes \
        --pidfile "$PWD/r{}/pid"
}

@test "dnsmasq" {
    need dnsmasq
    supervised 2 dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --listen-address=127.0.0.1 --bind-interfaces \
        --port="$PORT" --pid-file="$PWD/r{}/pid" --user="$(id -un)"
}
