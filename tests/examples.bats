#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The examples that people come for do what their READMEs say, and leave nothing behind.

load helpers

setup() {
    need python3
    lease_port PORT
    TMP=$BATS_TEST_TMPDIR/tmp # where the scripts make their directories, and the mark of their processes
    mkdir "$TMP"
    EXAMPLE=(env TMPDIR="$TMP" BUILD="$BUILD" REUSEPORT="$BUILD/reuseport")
    RETROFIT=$ROOT/examples/retrofit
    SCALING=("${EXAMPLE[@]}" "$ROOT/examples/scaling/scaling.sh" -p "$PORT")
}

# bats shows the logs when the test has failed.
teardown() {
    tail -v -n +1 "$BATS_TEST_TMPDIR"/*.log || true
    stop_all
}

nothing_is_left() {
    ls -A "$TMP"
    [ -z "$(ls -A "$TMP")" ]
    [ -z "$(ss -Htuln "sport = :$PORT")" ]
    # Those that were started with it, those that overwrote their environment being among the descendants.
    run grep -lzsxF "TMPDIR=$TMP" /proc/[0-9]*/environ
    echo "$output"
    [ -z "$output" ]
}

# ends_all SIGNAL TARGET STATUS: the signal ends the script, whose PID is PID, and all below it.
ends_all() {
    local all pid status=0
    mapfile -t all < <(descendants "$PID")
    [ "${#all[@]}" -gt 2 ]
    kill -"$1" -- "$2"
    wait "$PID" || status=$?
    echo "status $status"
    [ "$status" = "$3" ]
    for pid in "${all[@]}"; do
        wait_until_ended "$pid"
    done
    nothing_is_left
}

# copies_answer SERVER PROTOCOL
copies_answer() {
    local answers
    need "$1"
    spawn retrofit "${EXAMPLE[@]}" "$RETROFIT/retrofit.sh" "$1" "$PORT"
    wait_until listeners_are "$PORT" 2
    answers=$(python3 "$BATS_TEST_DIRNAME/ask.py" "$2" "$PORT" 200)
    echo "$answers"
    [ "$(wc -l <<<"$answers")" = 2 ]
    grep -F "+ $BUILD/reuseport run -n 2 -I {} -p $PORT $1 " "$(log retrofit)"
    ends_all TERM "$PID" 143
}

@test "retrofit.sh runs two copies of nginx, shows the command, and TERM ends them" {
    copies_answer nginx http/tcp
}

@test "retrofit.sh runs two copies of redis-server, shows the command, and TERM ends them" {
    copies_answer redis-server redis/tcp
}

@test "retrofit.sh runs two copies of memcached, shows the command, and TERM ends them" {
    copies_answer memcached memcached/tcp
}

@test "retrofit.sh runs two copies of dnsmasq, shows the command, and TERM ends them" {
    copies_answer dnsmasq dns/udp
}

@test "retrofit.sh runs two copies of a Java server, shows the command, and TERM ends them" {
    need javac
    copies_answer java http/tcp
}

# What a terminal does: INT to the group of processes in its foreground.
@test "Ctrl-C ends retrofit.sh, and the copies of redis-server save what they hold" {
    need redis-server
    spawn retrofit setsid env --default-signal=INT "${EXAMPLE[@]}" "$RETROFIT/retrofit.sh" redis-server "$PORT"
    wait_until listeners_are "$PORT" 2
    ends_all INT "-$PID" 130
    [ "$(grep -c 'DB saved on disk' "$(log retrofit)")" = 2 ]
}

@test "retrofit.sh ends as the copies do where another server has the port, and removes its directory" {
    need memcached
    spawn other "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    run "${EXAMPLE[@]}" "$RETROFIT/retrofit.sh" memcached "$PORT" 2
    echo "$output"
    [[ $output == *"libreuseport: bind 127.0.0.1:$PORT/tcp: "* ]]
    [ "$status" = 71 ] # EX_OSERR of memcached
    stop_all
    nothing_is_left
}

@test "retrofit.sh shows its usage for what it does not know" {
    local arguments
    for arguments in "" "apache2" "nginx http" "nginx 8080 two" "nginx 8080 2 3"; do
        # shellcheck disable=SC2086 # words
        run "$RETROFIT/retrofit.sh" $arguments
        echo "$arguments: $output"
        [ "$status" = 2 ]
        [[ $output == usage:* ]]
    done
}

@test "the recipes in retrofit's README are those that make field-servers tries" {
    diff "$RETROFIT/README.md" <(python3 -B "$BATS_TEST_DIRNAME/field/recipes.py" "$RETROFIT/README.md")
    [ "$(grep -c '^### ' "$RETROFIT/README.md")" -ge 50 ]
}

# rows: the numbers of copies in the table, in a line. shares COPIES: those in that row.
rows() {
    awk '/^ *[0-9]+ +[0-9]+ +[0-9.]+ / { printf "%s ", $1 }' <<<"$output"
}

shares() {
    awk -v row="$1" '/^ *[0-9]/ { here = $1 == row } here && $1 == "copy" { print $3 + 0 }' <<<"$output"
}

# shares_are_whole COPIES: there is one for each, and together they are all, but for rounding.
shares_are_whole() {
    shares "$1" | awk -v copies="$1" '{ sum += $1 } END { exit !(NR == copies && sum >= 98 && sum <= 102) }'
}

@test "scaling.sh shows the requests per second and the shares of 1 and of 2 copies" {
    run "${SCALING[@]}" -m 2 -l client -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$output"
    [ "$status" = 0 ]
    [ "$(rows)" = "1 2 " ]
    shares_are_whole 1
    shares_are_whole 2
    # Each accepts about half, and does the same for each connection.
    [ "$(shares 2 | awk '$1 >= 30 && $1 <= 70' | wc -l)" = 2 ]
    [[ $output == *"The most with 2 copies: "*" times the requests of one."* ||
        $output == *"No number of copies did more than one."* ]]
    nothing_is_left
}

@test "scaling.sh asks an HTTP server with wrk if no load is given" {
    need wrk
    need node
    run "${SCALING[@]}" -m 1 -- node -e "
        require('http').createServer((request, response) => response.end('hello')).listen($PORT, '127.0.0.1')"
    echo "$output"
    [ "$status" = 0 ]
    [[ ${lines[0]} == "load: wrk "* ]]
    [ "$(rows)" = "1 " ]
    shares_are_whole 1
    nothing_is_left
}

@test "scaling.sh takes the number on a load's last line for its requests, and {} for the copy's number" {
    local who=$BATS_TEST_TMPDIR/who
    run "${SCALING[@]}" -m 3 -l "'$BUILD/examples/client' \$PORT 300 >&2; sleep 0.1; echo done; echo 300" \
        sh -c 'echo "$1" >>"$2"; exec "$3" "$4" 127.0.0.1' - {} "$who" "$BUILD/examples/server" "$PORT"
    echo "$output"
    [ "$status" = 0 ]
    [ "$(rows)" = "1 2 3 " ]
    [ "$(sort "$who" | uniq -c | awk '{ print $2 ":" $1 }' | xargs)" = "0:3 1:2 2:1" ]
    # It took a tenth of a second or more.
    awk '/^ *[0-9]+ +[0-9]+ +[0-9.]+ / && ($2 < 1 || $2 > 3000) { exit 1 }' <<<"$output"
    nothing_is_left
}

@test "scaling.sh reads what wrk, ab and redis-benchmark say, and passes on what went wrong" {
    local said
    for said in 'Requests/sec:   4321.40' 'Requests per second:    4321.40 [#/sec] (mean)' \
        'GET: rps=9.9 GET: 4321.40 requests per second, p50=0.2 msec'; do
        run "${SCALING[@]}" -m 1 -l "echo '  Socket errors: connect 7'; echo '$said'; echo 5" \
            "$BUILD/examples/server" "$PORT" 127.0.0.1
        echo "$output"
        [ "$status" = 0 ]
        [[ $output == *"     1         4321   1.00  ="*"Socket errors: connect 7"* ]]
    done
    nothing_is_left
}

@test "scaling.sh says so if the server does not come up, the load fails or is mute, or the port is in use" {
    run "${SCALING[@]}" -m 2 sh -c 'echo no licence; exit 3'
    echo "$output"
    [ "$status" = 1 ]
    [[ $output == *"no licence"*"scaling.sh: the server ended instead of listening on port $PORT" ]]
    run "${SCALING[@]}" -l 'echo no route; exit 3' "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$output"
    [ "$status" = 1 ]
    [[ $output == *"no route"*"scaling.sh: the load failed: "* ]]
    run "${SCALING[@]}" -l 'echo hm' "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$output"
    [ "$status" = 1 ]
    [[ $output == *"scaling.sh: no requests, or the load does not say how many: "* ]]
    nothing_is_left
    spawn other "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    run "${SCALING[@]}" -l client "$BUILD/examples/server" "$PORT" 127.0.0.1
    echo "$output"
    [ "$status" = 1 ]
    [[ $output == *"scaling.sh: port $PORT is in use" ]]
}

@test "TERM ends scaling.sh, the copies and the load" {
    spawn scaling "${SCALING[@]}" -l "echo >'$BATS_TEST_TMPDIR/loading'; sleep 100; echo 1" \
        "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until test -e "$BATS_TEST_TMPDIR/loading"
    ends_all TERM "$PID" 143
}
