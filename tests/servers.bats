#!/usr/bin/env bats
# Real servers, unmodified: without the library the second copy fails, with it both answer.

load helpers

setup() {
    need python3
    lease_port PORT
    CONFIG=
}

# bats shows the logs when the test has failed.
teardown() {
    tail -v -n +1 "$BATS_TEST_TMPDIR"/*.log || true
    stop_all
}

# start COPY [shared]: starts that copy of SERVER, COPY in its arguments replaced, in a directory of its
# own, which holds its CONFIG in a file "config" and its name in a file "who".
start() {
    local own=$BATS_TEST_TMPDIR/$1
    mkdir -p "$own"
    echo "copy-$1" >"$own/who"
    echo "$CONFIG" >"$own/config"
    spawn "$@" env -C "$own" "${SERVER[@]//COPY/$1}"
}

# ask COUNT: who answers on PORT, and how often: up to COUNT requests, until two have answered.
ask() {
    python3 "$BATS_TEST_DIRNAME/ask.py" "$PROTOCOL" "$PORT" "$1"
}

# bound COUNT: so many sockets are ready to be asked on PORT.
bound() {
    case $PROTOCOL in
    */tcp) listeners_are "$PORT" "$1" ;;
    */udp) bound_udp_are "$PORT" "$1" ;;
    esac
}

start_first() {
    start 1
    wait_until ask 1
}

second_fails() {
    start 2
    wait_until ended "$PID"
    if wait "$PID"; then
        echo "the second copy ended with status 0"
        return 1
    fi
    grep -i 'address already in use' "$(log 2)"
    bound 1
}

both_answer() {
    local answers
    start 1 shared
    start 2 shared
    wait_until bound 2
    answers=$(ask 200)
    echo "$answers"
    [ "$(wc -l <<<"$answers")" = 2 ]
}

# two_copies PROTOCOL SERVER...
two_copies() {
    PROTOCOL=$1
    SERVER=("${@:2}")
    need "${SERVER[0]}"
    start_first
    second_fails
    stop_all
    both_answer
}

@test "two copies of nginx share a port" {
    CONFIG="
        daemon off; user root; pid pid; worker_processes 1; error_log stderr; events {}
        http {
            access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
            uwsgi_temp_path t4; scgi_temp_path t5;
            server { listen 127.0.0.1:$PORT; root .; }
        }"
    two_copies http/tcp nginx -p . -c config
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
