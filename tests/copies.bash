# SPDX-License-Identifier: MIT
# Two copies of a real server: without help the second fails, with it both answer.
# shellcheck disable=SC2034 # for the tests that load this

load helpers

setup() {
    need python3
    lease_port PORT
    CONFIG=
    SHARED=(shared) # the words that have a server share its port
}

# bats shows the logs when the test has failed.
teardown() {
    tail -v -n +1 "$BATS_TEST_TMPDIR"/*.log || true
    stop_all
}

# start COPY [WORD...]: starts that copy of SERVER, COPY in its arguments replaced, by these words, in a directory
# of its own, which holds its CONFIG in a file "config" and its name in a file "who".
start() {
    local own=$BATS_TEST_TMPDIR/$1
    mkdir -p "$own"
    echo "copy-$1" >"$own/who"
    echo "${CONFIG//COPY/$1}" >"$own/config"
    if [ "${2:-}" = shared ]; then
        spawn "$@" env -C "$own" "${SERVER[@]//COPY/$1}"
    else
        spawn "$1" env -C "$own" "${@:2}" "${SERVER[@]//COPY/$1}"
    fi
}

# ask COUNT: who answers on PORT, and how often: up to COUNT requests, until two have answered.
ask() {
    python3 "$BATS_TEST_DIRNAME/ask.py" "$PROTOCOL" "$PORT" "$1"
}

# bound COUNT: so many sockets listen on PORT.
bound() {
    listeners_are "$PORT" "$1"
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
    grep -iE 'address (already )?in use' "$(log 2)"
    bound 1
}

both_answer() {
    local answers
    start 1 "${SHARED[@]}"
    start 2 "${SHARED[@]}"
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

two_copies_of_nginx() {
    CONFIG="
        daemon off; user root; pid pid; worker_processes 1; error_log stderr; events {}
        http {
            access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
            uwsgi_temp_path t4; scgi_temp_path t5;
            server { listen 127.0.0.1:$PORT; root .; }
        }"
    two_copies http/tcp nginx -p . -c config
}
