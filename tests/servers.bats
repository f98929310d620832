#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for copies.bash
# Real servers, unmodified: without the library the second copy fails, with it both answer.

load copies

@test "two copies of nginx share a port" {
    two_copies_of_nginx
}

@test "two copies of redis-server share a port" {
    two_copies redis/tcp redis-server --bind 127.0.0.1 --port "$PORT" --pidfile pid --dir . --save ""
}

@test "two copies of memcached share a TCP port" {
    two_copies memcached/tcp memcached -u root -t 1 -P pid -l 127.0.0.1 -p "$PORT" -U 0
}

# It sets SO_REUSEADDR there, which lets any second copy in.
@test "two copies of memcached share a UDP port, where else the second takes every datagram" {
    local answers
    need memcached
    PROTOCOL=memcached/udp
    SERVER=(memcached -u root -t 1 -P pid -l 127.0.0.1 -p 0 -U "$PORT")
    start_first
    start 2
    wait_until bound 2
    answers=$(ask 60)
    echo "the second is $PID; answers: $answers"
    [ "$answers" = "$PID 60" ]
    stop_all
    both_answer
}

# Of its own accord it sets SO_REUSEPORT.
@test "two copies of haproxy share a port even with noreuseport" {
    CONFIG="
        global
            noreuseport
        defaults
            mode http
            timeout client 10s
        frontend who
            bind 127.0.0.1:$PORT
            http-request return status 200 content-type text/plain lf-string %pid"
    two_copies http/tcp haproxy -db -f config
}

@test "two copies of lighttpd share a port" {
    CONFIG="
        server.bind = \"127.0.0.1\"
        server.port = $PORT
        server.pid-file = var.CWD + \"/pid\"
        server.document-root = var.CWD"
    two_copies http/tcp lighttpd -D -f config
}

@test "two copies of Python's http.server share a port" {
    two_copies http/tcp python3 -u -m http.server --bind 127.0.0.1 "$PORT"
}

@test "two copies of a Node http server share a port" {
    two_copies http/tcp node -e "
        require('http').createServer((request, response) => response.end(String(process.pid)))
            .listen($PORT, '127.0.0.1')"
}

@test "two copies of a Java HttpServer share a port" {
    need javac
    javac -J-XX:-UsePerfData -d "$BATS_TEST_TMPDIR" "$BATS_TEST_DIRNAME/fixtures/Who.java"
    two_copies http/tcp java -XX:-UsePerfData -cp "$BATS_TEST_TMPDIR" Who "$PORT"
}

@test "two copies of dnsmasq share a port, UDP and TCP" {
    two_copies dns/udp dnsmasq --keep-in-foreground --log-facility=- --conf-file=/dev/null --user=root \
        --pid-file="$BATS_TEST_TMPDIR/COPY/pid" --no-resolv --no-hosts --bind-interfaces \
        --listen-address=127.0.0.1 --port="$PORT" --txt-record=who.test,copy-COPY
    listeners_are "$PORT" 2
}
