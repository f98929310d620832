#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# run -n as the service of a real systemd: its notifications, renewals, and what happens when something is killed.

load field

TRIXIE=$BUILT_IN/trixie

# service_unit TYPE LINE...: app.service, three copies of the example server on $PORT that are renewed at HUP, and more
# lines of its section [Service].
service_unit() {
    unit app.service <<END2
[Service]
Type=$1
ExecStart=/usr/local/bin/reuseport run -n 3 --on-exit=restart --rolling=HUP $OPTIONS -p $PORT -- /usr/local/bin/server $PORT $ADDRESS
SuccessExitStatus=143
StandardOutput=append:$PWD/app.log
StandardError=append:$PWD/app.log
$(printf '%s\n' "${@:2}")
END2
}

setup() {
    setup_replacement
    OPTIONS=
}

teardown() {
    [ -n "${BATS_TEST_COMPLETED:-}" ] || cat app.log || true
    end_all
}

# processes [NAME]: the unit's, or those of that name, by their PIDs in the machine.
processes() {
    local pid
    while read -r pid; do
        [ -n "${1:-}" ] && [ "$(cat "/proc/$pid/comm")" != "$1" ] && continue
        sed -n 's/^NSpid:.*[[:space:]]//p' "/proc/$pid/status"
    done <"$MACHINE_CGROUP/system.slice/app.service/cgroup.procs" 2>/dev/null | sort
}

servers() {
    processes server
}

# all_answer: each copy gets its share of new connections.
all_answer() {
    from_outside "$BUILD/examples/client" "$PORT" 300 "$ADDRESS" >shares
    cat shares
    [ "$(cut -d' ' -f2 shares | sort)" = "$(servers)" ]
}

status_is() {
    [ "$(property app StatusText)" = "$1" ]
}

state_is() {
    [ "$(property app ActiveState)" = "$1" ]
}

# renewed BEFORE: three copies serve, none of them of BEFORE, all of the same main process.
renewed() {
    local now
    now=$(servers)
    echo "$1, then $now" | xargs
    [ "$(wc -l <<<"$now")" = 3 ]
    [ -z "$(comm -12 <(echo "$1") <(echo "$now"))" ]
    [ "$(property app MainPID)" = "$MAIN" ]
    [ "$(property app NRestarts)" = 0 ]
}

start_service() {
    in_systemd systemctl start app
    # systemctl has waited for READY=1, so all are there.
    [ "$(from_outside ss -Htln "sport = :$PORT" | wc -l)" = 3 ]
    status_is '3 of 3 copies ready'
    MAIN=$(property app MainPID)
}

stop_service() {
    in_systemd systemctl stop app
    [ "$(property app Result)" = success ]
    state_is inactive
    [ ! -e "$MACHINE_CGROUP/system.slice/app.service" ]
}

@test "Type=notify: start waits for all copies; three reloads under load lose nothing, and the main process stays" {
    local round before
    boot_systemd
    service_unit notify 'ExecReload=kill -HUP $MAINPID'
    start_service
    storm ''
    for round in 1 2 3; do
        before=$(servers)
        in_systemd systemctl reload app
        # Which has not waited: kill(1) is at its end at once.
        wait_until renewal_is_over "$before"
        renewed "$before"
    done
    storm_over
    stop_service
}

renewal_is_over() {
    state_is active && status_is '3 of 3 copies ready' && [ -z "$(comm -12 <(echo "$1") <(servers))" ]
}

@test "Type=notify-reload: systemctl reload returns when all copies are renewed; three of them under load lose nothing" {
    local round before
    boot_systemd "$TRIXIE"
    service_unit notify-reload
    start_service
    storm ''
    for round in 1 2 3; do
        before=$(servers)
        in_systemd systemctl reload app
        state_is active
        renewed "$before"
    done
    storm_over
    stop_service
}

# keepers: the children of the main process, the oldest first, as the machine knows them.
keepers() {
    local main
    main=$(property app MainPID)
    in_systemd cat "/proc/$main/task/$main/children" | tr ' ' '\n' | grep .
}

is_whole() {
    state_is active && status_is '3 of 3 copies ready' && all_answer
}

# counting_server FILE: a server that notes each TERM in it, and ends a second after the first.
counting_server() {
    cat >counting.py <<'END2'
import os, signal, socket, sys, time
def end(*_):
    with open(sys.argv[3], "a") as notes: notes.write("TERM\n")
    signal.alarm(1)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
listener = socket.create_server((sys.argv[2], int(sys.argv[1])), backlog=512)
while True:
    listener.accept()[0].close()
END2
    unit app.service <<END2
[Service]
Type=notify
ExecStart=/usr/local/bin/reuseport run -n 3 -p $PORT -- /usr/bin/python3 $PWD/counting.py $PORT $ADDRESS $1
KillMode=mixed
END2
}

@test "systemctl stop with KillMode=mixed: each copy gets one TERM, and is waited for" {
    boot_systemd
    counting_server "$PWD/terms"
    start_service
    stop_service
    [ "$(wc -l <terms)" = 3 ]
}

# slow_unit TYPE LINE...: a service_unit whose copies start after as many seconds as the file slow says, or fail if there
# is a file broken.
slow_unit() {
    service_unit "$@" ExecStart= \
        "ExecStart=/usr/local/bin/reuseport run -n 3 --rolling=HUP -p $PORT -- /bin/sh -c '[ ! -e $PWD/slow ] || sleep \$\$(cat $PWD/slow); [ ! -e $PWD/broken ] || exit 3; exec /usr/local/bin/server $PORT $ADDRESS'"
}

@test "systemctl stop in a renewal ends all; a unit without SuccessExitStatus=143 has then failed" {
    boot_systemd
    slow_unit notify 'ExecReload=kill -HUP $MAINPID'
    start_service
    echo 1000 >slow
    in_systemd systemctl reload app
    renewing() { state_is reloading && status_is '3 of 3 copies ready, 1 starting'; }
    wait_until renewing
    stop_service
    service_unit notify SuccessExitStatus=
    start_service
    in_systemd systemctl stop app
    [ "$(property app Result) $(property app ExecMainStatus)" = "exit-code 143" ]
}

@test "A service whose copies never listen fails to start, with their status" {
    boot_systemd
    service_unit notify ExecStart= "ExecStart=/usr/local/bin/reuseport run -n 2 --on-exit=restart -p $PORT -- /bin/sh -c 'exit 7'"
    run ! in_systemd systemctl start app
    [ "$(property app Result) $(property app ExecMainStatus)" = "exit-code 7" ]
    cat app.log
}

@test "Type=notify-reload: a renewal may take longer than TimeoutStartSec=; STATUS= tells of one that failed" {
    local before
    boot_systemd "$TRIXIE"
    slow_unit notify-reload TimeoutStartSec=3
    start_service
    before=$(servers)
    echo 1.4 >slow
    SECONDS=0
    in_systemd systemctl reload app
    [ "$SECONDS" -ge 4 ]
    renewed "$before"
    mv slow broken
    before=$(servers)
    in_systemd systemctl reload app
    status_is '3 of 3 copies ready; the last renewal failed'
    [ "$(servers)" = "$before" ]
    all_answer
    stop_service
}

@test "kill -9 of a copy, and of a keeper: it comes back, and the unit does not notice" {
    local before one
    boot_systemd
    service_unit notify Restart=on-failure
    start_service
    before=$(servers)
    one=$(head -n 1 <<<"$before")
    in_systemd kill -KILL "$one"
    back() { is_whole && [ "$(servers | comm -12 - <(echo "$before") | wc -l)" = 2 ]; }
    wait_until back
    before=$(servers)
    one=$(keepers | head -n 1)
    in_systemd kill -KILL "$one"
    wait_until back
    [ "$(property app MainPID)" = "$MAIN" ]
    [ "$(property app NRestarts)" = 0 ]
    # The supervisor, three keepers, three copies.
    [ "$(processes | wc -l)" = 7 ]
    stop_service
}

# killed_supervisor PID RESTARTS COUNT: a whole new group of COUNT processes comes, nothing of the old one is left, and
# none of the new copies is starved.
killed_supervisor() {
    local before after
    before=$(processes)
    in_systemd kill -KILL "$1"
    again() { [ "$(property app NRestarts)" = "$1" ] && is_whole; }
    wait_until again "$2"
    after=$(processes)
    echo "$before, then $after" | xargs
    [ -z "$(comm -12 <(echo "$before") <(echo "$after"))" ]
    [ "$(wc -l <<<"$after")" = "$3" ]
    MAIN=$(property app MainPID)
}

@test "kill -9 of the supervisor: Restart=on-failure brings a whole new group, and nothing of the old one is left" {
    boot_systemd
    OPTIONS=--balance
    service_unit notify Restart=on-failure RestartSec=0 'ExecReload=kill -HUP $MAINPID'
    start_service
    killed_supervisor "$MAIN" 1 7
    # In the midst of a renewal, when connections are steered.
    in_systemd systemctl reload app
    killed_supervisor "$MAIN" 2 7
    stop_service
}

# A stopped copy would hang one in three of these.
dealt_to_others() {
    from_outside timeout 1 "$BUILD/examples/client" "$PORT" 60 "$ADDRESS"
}

# in_sandbox LINE...: in such a unit copies are renewed under load, and connections dealt to those that are free.
in_sandbox() {
    local before one
    OPTIONS=--balance
    service_unit notify 'ExecReload=kill -HUP $MAINPID' "$@"
    start_service
    storm ''
    before=$(servers)
    in_systemd systemctl reload app
    wait_until renewal_is_over "$before"
    renewed "$before"
    storm_over
    one=$(servers | head -n 1)
    in_systemd kill -STOP "$one"
    # Those that it gets before it is seen to accept nothing wait until it goes on.
    spawn waits "${FAR[@]}" "$PROBES/storm" "$ADDRESS" "$PORT" ''
    wait_until dealt_to_others
    from_outside timeout 10 "$BUILD/examples/client" "$PORT" 300 "$ADDRESS" >shares
    cat shares
    run ! grep "^pid $one " shares
    in_systemd kill -CONT "$one"
    kill -TERM "$PID"
    wait "$PID"
    stop_service
}

@test "Renewals and --balance work in a sandbox: a dynamic user, a read-only system, no new privileges, no right over others" {
    boot_systemd
    in_sandbox DynamicUser=yes ProtectSystem=strict ProtectHome=yes PrivateTmp=yes PrivateDevices=yes NoNewPrivileges=yes \
        CapabilityBoundingSet= MemoryDenyWriteExecute=yes ProtectProc=invisible RestrictNamespaces=yes LockPersonality=yes \
        PrivateUsers=yes ProcSubset=pid
}

@test "Renewals and --balance work under SystemCallFilter=@system-service, and without netlink" {
    boot_systemd
    in_sandbox DynamicUser=yes 'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6' SystemCallFilter=@system-service 'SystemCallFilter=~@privileged @resources'
}

# Which would let --balance use bpf(2), if the filter did not kill whoever calls it.
@test "Renewals and --balance work as root under SystemCallFilter=@system-service" {
    boot_systemd
    in_sandbox SystemCallFilter=@system-service
}

@test "Below a start script that leaves a child, systemd hears of all with NotifyAccess=main, and sees each end" {
    local before
    boot_systemd
    service_unit notify 'ExecReload=kill -HUP $MAINPID' Restart=on-failure RestartSec=0 ExecStart= \
        "ExecStart=/bin/sh -c 'sleep 1000 & exec /usr/local/bin/reuseport run -n 3 --rolling=HUP -p $PORT -- /usr/local/bin/server $PORT $ADDRESS'"
    start_service
    before=$(servers)
    in_systemd systemctl reload app
    wait_until renewal_is_over "$before"
    renewed "$before"
    # The process that systemd knows, and the supervisor below it.
    killed_supervisor "$MAIN" 1 9
    killed_supervisor "$(keepers | tail -n 1)" 2 9
    stop_service
}

@test "The examples' unit: two copies of redis-server are renewed under load, each in a folder of its own" {
    need redis-server
    local before name
    boot_systemd
    cp "$ROOT/examples/sidecar/reuseport-run.service" machine/units/app.service
    in_systemd systemctl daemon-reload
    PORT=6379
    in_systemd systemctl start app
    MAIN=$(property app MainPID)
    redis_servers() { processes redis-server; }
    before=$(redis_servers)
    [ "$(wc -l <<<"$before")" = 2 ]
    storm 'PING\r\n' PONG
    in_systemd systemctl reload app
    redis_renewed() { status_is '2 of 2 copies ready' && state_is active && [ -z "$(redis_servers | comm -12 - <(echo "$before"))" ]; }
    wait_until redis_renewed
    storm_over
    [ "$(property app MainPID)" = "$MAIN" ]
    for name in 0 1 2; do
        [ "$(in_systemd stat -c %U "/var/lib/reuseport/$name")" = redis ]
    done
    [ "$(in_systemd find /run/reuseport -name redis.sock | wc -l)" = 2 ]
    stop_service
}
