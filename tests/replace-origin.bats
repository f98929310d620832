#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# reuseport replace, and who is above the old server: its master, a manager of units, a supervisor.

load replacement

GROUP=

teardown() {
    local pid
    for pid in $(ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u); do
        PIDS+=("$pid")
    done
    stop_all
    if [ -n "$GROUP" ]; then
        echo 1 >"$GROUP/cgroup.kill"
        wait_until is_empty "$GROUP"
        find "$GROUP" -depth -type d -exec rmdir {} +
    fi
}

is_empty() {
    ! grep -q populated.1 "$1/cgroup.events"
}

# notes_its_end: notes.py, that answers each connection with its PID, and appends "TERM PID" to ./events.
notes_its_end() {
    cat >notes.py <<'END'
import os, signal, socket, sys
def end(*_):
    with open("events", "a") as events:
        events.write("TERM %d\n" % os.getpid())
    os._exit(0)
signal.signal(signal.SIGTERM, end)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client = server.accept()[0]
    client.send(b"pid %d\n" % os.getpid())
    client.close()
END
}

# start_unit SECONDS: manager.py, whose PID is MANAGER, with notes.py on $PORT as the main process of app.service, which
# becomes SERVER.
start_unit() {
    local groups name
    need_root
    need python3
    groups=$(findmnt -rnt cgroup2 -o TARGET | head -n 1)
    GROUP=$groups/reuseport-$BASHPID
    { [ -n "$groups" ] && mkdir "$GROUP"; } 2>/dev/null || {
        GROUP=
        missing "a cgroup2 hierarchy to make groups in"
    }
    [ -e "$GROUP/cgroup.kill" ] || missing "cgroup.kill, of Linux 5.14"
    for name in init.scope app.service agent.service; do mkdir "$GROUP/$name"; done
    notes_its_end
    spawn manager /usr/bin/python3 "$BATS_TEST_DIRNAME/manager.py" "$GROUP" "$1" /usr/bin/python3 notes.py "$PORT"
    MANAGER=$PID
    wait_until is_up
    SERVER=$(listener)
}

listener() {
    ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2
}

# in_unit NAME COMMAND...
in_unit() {
    sh -c 'echo 0 >"$1/cgroup.procs" && shift && exec "$@"' sh "$GROUP/$1" "${@:2}"
}

# reload OPTION...: as systemctl reload; its exit status becomes that of replace.
reload() {
    printf '#!/bin/sh\nexec %q replace %s "$MAINPID" /usr/bin/python3 notes.py %s >out 2>replace.log </dev/null\n' \
        "$COMMAND" "$*" "$PORT" >reload
    chmod +x reload
    rm -f status
    kill -USR1 "$MANAGER"
    wait_until test -s status
    cat replace.log events 2>/dev/null
    return "$(<status)"
}

# has_variable PID NAME: the process was started with it.
has_variable() {
    tr '\0' '\n' <"/proc/$1/environ" | grep -q "^$2"
}

parent_of() {
    sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status"
}

@test "ExecReload=: the manager has read the new MAINPID before the old server is signalled, and is told again once it is the parent" {
    local new
    export WATCHDOG_USEC=60000000
    start_unit 0.5
    unset WATCHDOG_USEC
    storm ''
    reload --strict
    storm_over
    new=$(listener)
    [ "$new" != "$SERVER" ]
    sed "s/^read MAINPID=$new$/read new/; s/^TERM $SERVER$/TERM old/; s/^read MAINPID=.*/read other/; s/.*BARRIER=1$/ask/" events >order
    [ "$(xargs <order)" = "read new ask barrier TERM old read other read new ask barrier" ]
    [ "$(parent_of "$new")" = "$MANAGER" ]
    grep -q "/app.service$" "/proc/$new/cgroup"
    has_variable "$new" NOTIFY_SOCKET
    has_variable "$new" WATCHDOG_USEC=60000000
    run ! has_variable "$new" MAINPID
    # No process of it is left in between.
    [ "$(cat "$GROUP/app.service/cgroup.procs")" = "$new" ]
}

@test "a manager that does not read is told of the old main process again, and everything is undone" {
    start_unit 6
    run reload
    echo "$output"
    [ "$status" = 125 ]
    grep -q "replace: systemd cannot be told of the new main process of app.service: Connection timed out; pid $SERVER serves as before" replace.log
    [ "$(listener)" = "$SERVER" ]
    run ! grep "TERM $SERVER" events
    last_is_old() { [ "$(grep MAINPID events | tail -n 1)" = "read MAINPID=$SERVER" ]; }
    wait_until last_is_old
}

@test "in a unit with a watchdog --ready=notify is refused: nobody would pass on what COMMAND says later" {
    export WATCHDOG_USEC=60000000
    start_unit 0
    unset WATCHDOG_USEC
    run reload --ready=notify
    [ "$status" = 125 ]
    [ "$(<replace.log)" = "reuseport: replace: --ready=notify: app.service has a watchdog, which would not hear COMMAND after the replacement; choose another --ready" ]
    [ "$(listener)" = "$SERVER" ]
    [ ! -e events ]
}

@test "the main process of a unit is refused from elsewhere, an agent's own NOTIFY_SOCKET or not, and the need is named" {
    local refusal
    start_unit 0
    refusal="reuseport: replace: pid $SERVER is the main process of app.service, which ends with it; set NotifyAccess=exec there (NotifyAccess=all for a script), and run this command as its ExecReload="
    run -125 "$COMMAND" replace "$SERVER" /usr/bin/python3 notes.py "$PORT"
    [ "$output" = "$refusal" ]
    NOTIFY_SOCKET=$PWD/notify run -125 in_unit agent.service "$COMMAND" replace "$SERVER" /usr/bin/python3 notes.py "$PORT"
    [ "$output" = "$refusal" ]
    MAINPID=$SERVER run -125 in_unit app.service "$COMMAND" replace "$SERVER" /usr/bin/python3 notes.py "$PORT"
    [ "$output" = "$refusal" ]
    [ "$(listener)" = "$SERVER" ]
    [ ! -e events ]
    run reload --foreground
    [ "$status" = 125 ]
    [ "$(<replace.log)" = "reuseport: replace: --foreground: the reload of app.service would never end" ]
    [ "$(listener)" = "$SERVER" ]
    [ ! -e events ]
    # For a unit with ExitType=cgroup.
    "$COMMAND" replace --force-init "$SERVER" /usr/bin/python3 notes.py "$PORT"
    [ "$(<events)" = "TERM $SERVER" ]
}

@test "a server that is not the main process of its unit is replaced, and no manager hears of it" {
    local main new
    start_unit 0
    main=$SERVER
    lease_port PORT
    # As a daemon that app.service has started besides.
    in_unit app.service sh -c 'setsid /usr/bin/python3 notes.py "$1" >/dev/null 2>&1 3>&- &' sh "$PORT"
    wait_until is_up
    SERVER=$(listener)
    export NOTIFY_SOCKET=$PWD/notify
    MAINPID=$main in_unit app.service "$COMMAND" replace "$SERVER" /usr/bin/python3 notes.py "$PORT" >out 2>&1 3>&-
    cat out
    new=$(listener)
    [ "$new" != "$SERVER" ]
    run ! has_variable "$new" NOTIFY_SOCKET
    run ! has_variable "$new" MAINPID
    [ "$(<events)" = "TERM $SERVER" ]
}

# prefork DEPTH: prefork.py, whose processes all have the listener, each a child of the one before; the last one serves.
prefork() {
    cat >prefork.py <<'END'
import os, signal, socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
for depth in range(int(sys.argv[2])):
    if os.fork():
        signal.pause()
while True:
    client = server.accept()[0]
    client.send(b"pid %d\n" % os.getpid())
    client.close()
END
    start /usr/bin/python3 prefork.py "$PORT" "$1"
    wait_until has_chain "$1"
    mapfile -t CHAIN < <(descendants "$SERVER")
}

has_chain() {
    [ "$(descendants "$SERVER" | wc -l)" = $(($1 + 1)) ]
}

@test "a worker is refused, and its master is named, however far above it is" {
    prefork 2
    local worker
    for worker in "${CHAIN[@]:1}"; do
        run -125 "$COMMAND" replace "$worker" /usr/bin/python3 notes.py "$PORT"
        [ "$output" = "reuseport: replace: pid $worker is a worker of pid $SERVER (python3); replace that one" ]
    done
    [ "$(descendants "$SERVER")" = "$(printf '%s\n' "${CHAIN[@]}")" ]
}

@test "a worker of nginx is refused, and its master is named" {
    need nginx
    mkdir n0
    cat >n0/conf <<END
pid $PWD/n0/pid; worker_processes 1; user $(id -un);
events {}
http { access_log off; server { listen 127.0.0.1:$PORT; return 200 "x"; } }
END
    start nginx -p "$PWD/n0" -e "$PWD/n0/error" -c "$PWD/n0/conf" -g 'daemon off;'
    wait_until has_chain 1
    local worker
    worker=$(descendants "$SERVER" | tail -n 1)
    run -125 "$COMMAND" replace "$worker" /usr/bin/python3 notes.py "$PORT"
    [ "$output" = "reuseport: replace: pid $worker is a worker of pid $SERVER (nginx); replace that one" ]
}

@test "a parent that may start it again is named; --strict refuses it" {
    notes_its_end
    cat >again.sh <<'END'
while :; do "$@"; sleep 600 & wait; done
END
    start bash again.sh /usr/bin/python3 notes.py "$PORT"
    local parent=$SERVER
    SERVER=$(listener)
    run -125 "$COMMAND" replace --strict "$SERVER" /usr/bin/python3 notes.py "$PORT"
    [ "$output" = "reuseport: replace: --strict: pid $parent (bash), the parent of pid $SERVER, may start it again, or end with it" ]
    [ "$(listener)" = "$SERVER" ]
    local old=$SERVER
    replace -- /usr/bin/python3 notes.py "$PORT"
    cat replace.log
    grep -qx "reuseport: replace: pid $parent (bash), the parent of pid $old, may start it again, or end with it" replace.log
}

# on_terminal COMMAND: it runs on a terminal of its own and starts the server; sets SERVER.
on_terminal() {
    lease_port PORT
    export PORT
    rm -f keys
    mkfifo keys
    exec {keys}<>keys
    INPUT=keys SHELL=/bin/sh spawn terminal script -qfec "$1" /dev/null
    printf '/usr/bin/python3 notes.py %s &\n' "$PORT" >&"$keys"
    wait_until is_up
    SERVER=$(listener)
}

@test "a parent that is above this command, too, is not doubted" {
    notes_its_end
    start /usr/bin/python3 notes.py "$PORT"
    replace --strict -- /usr/bin/python3 notes.py "$PORT"
}

@test "a terminal's shell is not doubted, whether it leads its session, or su, sudo or sh -c do; a start script there is" {
    need script
    notes_its_end
    local shell
    for shell in "exec bash --norc -i" "true; bash --norc -i; true" "true; dash -i; true"; do
        on_terminal "$shell"
        "$COMMAND" replace --strict "$SERVER" /usr/bin/python3 notes.py "$PORT" >out 2>&1 3>&- </dev/null || { cat out; false; }
        cat out
        run ! grep 'may start it again' out
        [[ $(<out) =~ pid\ ([0-9]+)\ \(python3\)\ has\ replaced ]]
        kill -TERM "${BASH_REMATCH[1]}"
        echo exit >&"$keys"
        exec {keys}>&-
    done
    # shellcheck disable=SC2016  # the script's own $PORT
    echo '/usr/bin/python3 notes.py "$PORT" & wait; read -r end' >start.sh
    for shell in "exec bash start.sh" "true; sh start.sh; true"; do
        on_terminal "$shell"
        run -125 "$COMMAND" replace --strict "$SERVER" /usr/bin/python3 notes.py "$PORT"
        [[ $output == *" may start it again, or end with it" ]]
        kill -TERM "$SERVER"
        exec {keys}>&-
    done
}
