#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# run and replace under runit, s6 and supervisord, which start again whatever has ended.

load field

# The manager first: it would start again what ends.
teardown() {
    [ -z "${MANAGER:-}" ] || ended "$MANAGER" || kill -TERM "$MANAGER"
    [ -z "${MANAGER:-}" ] || wait_until_ended "$MANAGER" || true
    end_all
}

# manage NAME COMMAND...: starts that manager of one service, COMMAND; the PIDs of both in MANAGER and SERVER.
manage() {
    local name=$1
    shift
    need_manager "$name"
    mkdir -p service
    : >app.log
    printf '#!/bin/sh\nexec %s\n' "$*" >service/run
    chmod 755 service/run
    cat >supervisord.conf <<END2
[supervisord]
nodaemon = true
logfile = $PWD/supervisord.log
pidfile = $PWD/supervisord.pid
[program:app]
command = $PWD/service/run
autorestart = true
stdout_logfile = $PWD/app.log
stdout_logfile_maxbytes = 0
redirect_stderr = true
END2
    case $name in
    runit) spawn manager runsv service ;;
    s6) spawn manager s6-supervise service ;;
    supervisord) spawn manager supervisord -c supervisord.conf ;;
    esac
    MANAGER=$PID
    wait_until is_up
    SERVER=$(cat "/proc/$MANAGER/task/$MANAGER/children")
    SERVER=${SERVER% }
}

need_manager() {
    case $1 in
    runit) need runsv ;;
    s6) need s6-supervise ;;
    supervisord) need supervisord ;;
    esac
}

example() {
    echo "$BUILD/examples/server" "$PORT" "$ADDRESS"
}

tried_again() {
    [ "$(cat app.log "$(log manager)" | grep -c 'Address already in use')" -ge "$1" ]
}

# answers PID...: those and no others answer.
answers() {
    timeout 30 "$BUILD/examples/client" "$PORT" 200 "$ADDRESS" >shares
    cat shares
    [ "$(cut -d' ' -f2 shares | sort -n)" = "$(printf '%s\n' "$@" | sort -n)" ]
}

# warned: by one line that names the manager.
warned() {
    cat replace.log
    [ "$(grep -c "(.*), the parent of pid $1, may start it again" replace.log)" = 1 ]
    grep "pid $MANAGER ($(cat "/proc/$MANAGER/comm"))" replace.log
}

# replaced_under MANAGER: the manager's own new server does not get the port, and nothing is lost.
replaced_under() {
    local old
    # shellcheck disable=SC2046 # words
    manage "$1" $(example)
    old=$SERVER
    storm ''
    # shellcheck disable=SC2046
    replace -- $(example)
    warned "$old"
    wait_until tried_again 2
    storm_over
    answers "$SERVER"
}

@test "runit: replace warns that runsv starts the old server again, which then does no harm to the new one" {
    replaced_under runit
}

@test "s6: replace warns that s6-supervise starts the old server again" {
    replaced_under s6
}

@test "supervisord: replace warns that it starts the old server again" {
    replaced_under supervisord
}

@test "runit: a service that shares its port joins the server that has replaced it, and nothing is lost" {
    local old
    # shellcheck disable=SC2046
    manage runit "$BUILD/reuseport" run -p "$PORT" -- $(example)
    old=$SERVER
    storm ''
    # shellcheck disable=SC2046
    replace -- $(example)
    warned "$old"
    wait_until listeners_are "$PORT" 2
    storm_over
    answers "$SERVER" "$(cut -d' ' -f1 "/proc/$MANAGER/task/$MANAGER/children")"
}

# strict_under MANAGER
strict_under() {
    # shellcheck disable=SC2046
    manage "$1" $(example)
    # shellcheck disable=SC2046
    run -125 replace_to_log --strict "$SERVER" $(example)
    cat replace.log
    grep "strict: pid $MANAGER ($(cat "/proc/$MANAGER/comm")), the parent of pid $SERVER" replace.log
    answers "$SERVER"
    stop_all
}

replace_to_log() {
    timeout 60 "$COMMAND" replace "$@" >replace.log 2>&1 </dev/null 3>&-
}

@test "--strict refuses under runit, s6 and supervisord, and the server serves on" {
    strict_under runit
    lease_port PORT
    strict_under s6
    lease_port PORT
    strict_under supervisord
}

# copies_under MANAGER: a copy that ends is none of the manager's business, and all end with the manager.
copies_under() {
    local copy
    # shellcheck disable=SC2046
    manage "$1" "$BUILD/reuseport" run -n 2 -p "$PORT" -- $(example)
    wait_until listeners_are "$PORT" 2
    copy=$("$BUILD/examples/client" "$PORT" 1 "$ADDRESS" | grep -o '[0-9]*' | head -n 1)
    kill -KILL "$copy"
    wait_until listeners_are "$PORT" 1
    "$BUILD/examples/client" "$PORT" 20 "$ADDRESS"
    [ "$(cat "/proc/$MANAGER/task/$MANAGER/children")" = "$SERVER " ]
    kill -TERM "$MANAGER"
    wait_until_ended "$MANAGER"
    wait_until listeners_are "$PORT" 0
    stop_all
}

@test "run -n as a service of runit, s6 and supervisord: a copy may end, and all end with the manager" {
    copies_under runit
    lease_port PORT
    copies_under s6
    lease_port PORT
    copies_under supervisord
}
