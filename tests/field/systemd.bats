#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# run and replace in the units of a real systemd.

load field

# server_unit NAME LINE...: a unit with the example server on $PORT, whose reload replaces it, and more lines of its
# section [Service].
server_unit() {
    local name=$1
    shift
    unit "$name.service" <<END2
[Service]
Type=exec
ExecStart=/usr/local/bin/server $PORT $ADDRESS
ExecReload=/usr/local/bin/reuseport replace \$MAINPID /usr/local/bin/server $PORT $ADDRESS
StandardOutput=append:$PWD/$name.log
$(printf '%s\n' "$@")
END2
}

start_unit() {
    in_systemd systemctl start "$1"
    wait_until serves "$1"
    SERVER=$(property "$1" MainPID)
}

# reload UNIT [COUNT]: its main process afterwards is another, which serves in the first one's place, as the only one
# of COUNT processes (1).
reload() {
    local before=$SERVER
    in_systemd timeout 60 systemctl reload "$1" || {
        cat "$1.log"
        return 1
    }
    cat "$1.log"
    [ "$(property "$1" ActiveState)" = active ]
    [ "$(property "$1" NRestarts)" = 0 ]
    SERVER=$(property "$1" MainPID)
    echo "$1: pid $before, then $SERVER"
    [ "$SERVER" != "$before" ]
    [ "$(processes_of "$1")" = "${2:-1}" ]
    serves "$1"
}

processes_of() {
    wc -l <"$MACHINE_CGROUP/system.slice/$1.service/cgroup.procs"
}

# undisturbed UNIT: the main process is what it was and serves.
undisturbed() {
    [ "$(property "$1" ActiveState)" = active ]
    [ "$(property "$1" MainPID)" = "$SERVER" ]
    [ "$(processes_of "$1")" = 1 ]
    serves "$1"
}

# ends UNIT: systemctl stop ends it, and whatever is in it.
ends() {
    in_systemd systemctl stop "$1"
    [ "$(property "$1" Result)" = success ]
    [ ! -e "$MACHINE_CGROUP/system.slice/$1.service" ]
}

@test "ExecReload=reuseport replace, three times under load: the unit's main process follows, and nothing is lost" {
    boot_systemd
    server_unit app NotifyAccess=all
    start_unit app
    storm ''
    reload app
    reload app
    reload app
    storm_over
    ends app
}

@test "ExecReload= under load works with NotifyAccess=exec, a user of its own, a sandbox, and Restart=always, which starts nothing" {
    boot_systemd
    server_unit app NotifyAccess=exec User=nobody ProtectSystem=strict PrivateTmp=yes NoNewPrivileges=yes \
        MemoryDenyWriteExecute=yes Restart=always RestartSec=0
    start_unit app
    storm ''
    reload app
    reload app
    storm_over
    ends app
}

@test "ExecReload= under load works in a unit that hides other users' processes, systemd's own among them" {
    boot_systemd
    server_unit app NotifyAccess=all User=nobody ProtectProc=invisible
    start_unit app
    storm ''
    reload app
    reload app
    storm_over
    ends app
}

@test "ExecReload= under load works under SystemCallFilter=@system-service with pidfd_getfd allowed; without, the unit serves on" {
    boot_systemd
    local sandbox=(NotifyAccess=all User=nobody "SystemCallFilter=@system-service" "SystemCallFilter=~@privileged @resources")
    server_unit app "${sandbox[@]}"
    start_unit app
    run ! in_systemd systemctl reload app
    undisturbed app
    in_systemd systemctl stop app
    server_unit app "${sandbox[@]}" SystemCallFilter=pidfd_getfd
    start_unit app
    storm ''
    reload app
    storm_over
}

@test "ExecReload= in a unit with PrivateUsers=, where it has no right over the server, is refused" {
    boot_systemd
    server_unit app NotifyAccess=all User=nobody PrivateUsers=yes
    start_unit app
    run ! in_systemd systemctl reload app
    cat app.log
    undisturbed app
}

@test "ExecReload= without NotifyAccess= is refused, and the unit serves on" {
    boot_systemd
    server_unit app
    start_unit app
    storm ''
    run ! in_systemd systemctl reload app
    cat app.log
    grep 'NotifyAccess=all' app.log
    undisturbed app
    storm_over
}

@test "replace from a shell refuses the main process of a unit, and says what the unit needs" {
    boot_systemd
    server_unit app NotifyAccess=all
    start_unit app
    run -125 replace_from_shell "$SERVER" /usr/local/bin/server "$PORT" "$ADDRESS"
    cat replace.log
    grep 'app.service' replace.log
    grep 'NotifyAccess=all' replace.log
    undisturbed app
}

replace_from_shell() {
    in_systemd timeout 60 /usr/local/bin/reuseport replace "$@" >replace.log 2>&1 </dev/null
}

# hand_over UNIT UNIT2: by an operator's replace --to, which says what becomes of UNIT. UNIT ends, UNIT2 serves.
hand_over() {
    local old new
    old=$(property "$1" MainPID)
    new=$(property "$2" MainPID)
    rm -f replace.log
    replace_from_shell --strict "$old" --to="$new" || {
        cat replace.log
        return 1
    }
    cat replace.log
    [ "$(grep -c "^reuseport: replace: pid $old is the main process of $1.service, which ends with it, or restarts it" replace.log)" = 1 ]
    grep "^pid $new (server) has replaced pid $old on $ADDRESS:$PORT/tcp" replace.log
    wait_until is_inactive "$1"
    [ "$(property "$1" Result)" = success ]
    [ "$(property "$2" MainPID)" = "$new" ]
    SERVER=$new
    undisturbed "$2"
    listen 1
}

is_inactive() {
    [ "$(property "$1" ActiveState)" = inactive ]
}

@test "replace --to between two units, blue to green and back under load: one ends, the other serves, nothing is lost" {
    boot_systemd
    local name
    for name in blue green; do
        server_unit "$name" ExecStart= \
            "ExecStart=/usr/local/bin/reuseport run -p $PORT /usr/local/bin/server $PORT $ADDRESS"
    done
    start_unit blue
    storm ''
    in_systemd systemctl start green
    wait_until listen 2
    hand_over blue green
    in_systemd systemctl start blue
    wait_until listen 2
    hand_over green blue
    storm_over
    ends blue
}

@test "A deploy agent with a NOTIFY_SOCKET of its own is refused, and stays the main process of its unit" {
    boot_systemd
    server_unit app NotifyAccess=all
    start_unit app
    unit agent.service <<END2
[Service]
Type=exec
NotifyAccess=all
ExecStart=/bin/sh -c '/usr/local/bin/reuseport replace $SERVER /usr/local/bin/server $PORT $ADDRESS; echo \$\$? >$PWD/status; exec sleep infinity'
StandardError=append:$PWD/agent.log
END2
    in_systemd systemctl start agent
    wait_until test -s status
    cat agent.log
    [ "$(cat status)" = 125 ]
    grep 'NotifyAccess=all' agent.log
    [ "$(property agent ActiveState)" = active ]
    [ "$(in_systemd cat "/proc/$(property agent MainPID)/comm")" = sleep ]
    undisturbed app
}

@test "ExecReload= with a command that does not come up fails, and the unit serves on" {
    boot_systemd
    server_unit app NotifyAccess=all ExecReload= \
        "ExecReload=/usr/local/bin/reuseport replace --start-timeout=1 \$MAINPID /bin/sleep 60"
    start_unit app
    storm ''
    run ! in_systemd systemctl reload app
    cat app.log
    undisturbed app
    storm_over
    ends app
}

# Serves on the listener that systemd passes it (sd_listen_fds(3)), else on one of its own.
passed_server() {
    cat >passed.py <<'END2'
import os, socket, sys
if os.environ.get("LISTEN_PID") == str(os.getpid()):
    listener = socket.socket(fileno=3)
else:
    listener = socket.create_server((sys.argv[2], int(sys.argv[1])), backlog=512)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"pid %d\n" % os.getpid())
    connection.close()
END2
}

@test "A socket unit keeps the listener: replace ends with 0 and says so, and the new server gets every connection" {
    boot_systemd
    passed_server
    unit app.socket <<END2
[Socket]
ListenStream=$ADDRESS:$PORT
Backlog=512
END2
    server_unit app NotifyAccess=all ExecStart= "ExecStart=/usr/bin/python3 $PWD/passed.py $PORT $ADDRESS" \
        ExecReload= "ExecReload=/usr/local/bin/reuseport replace \$MAINPID /usr/bin/python3 $PWD/passed.py $PORT $ADDRESS"
    in_systemd systemctl start app.socket
    start_unit app
    storm ''
    # The other is the steward: it steers connections past the listener that systemd keeps.
    reload app 2
    grep 'pid 1 (systemd)' app.log
    storm_over
    from_outside timeout 20 "$BUILD/examples/client" "$PORT" 200 "$ADDRESS" >shares
    cat shares
    [ "$(cut -d' ' -f2 shares)" = "$SERVER" ]
    # The socket unit's part works as before: a connection starts the service.
    in_systemd systemctl stop app.service
    wait_until serves app
}

# vendor_unit NAME <<END: Debian's, with a drop-in.
vendor_unit() {
    cp "/lib/systemd/system/$1.service" machine/units
    unit "$1.service.d/reuseport.conf"
}

@test "Debian's nginx.service with a drop-in: master and workers are replaced three times under load" {
    need nginx
    boot_systemd
    vendor_unit nginx <<END2
[Service]
NotifyAccess=all
ExecReload=
ExecReload=/usr/local/bin/reuseport replace -s QUIT \$MAINPID /usr/sbin/nginx -g 'daemon on; master_process on;'
# The old nginx removes the file at its end.
ExecReload=/bin/sh -c 'echo \$MAINPID >/run/nginx.pid'
StandardError=append:$PWD/nginx.log
StandardOutput=append:$PWD/nginx.log
END2
    in_systemd mkdir -p /var/log/nginx /var/lib/nginx
    in_systemd systemctl start nginx
    PORT=80
    local round before
    storm "$HTTP" HTTP/1.1
    for round in 1 2 3; do
        before=$(property nginx MainPID)
        in_systemd timeout 60 systemctl reload nginx || {
            cat nginx.log
            return 1
        }
        cat nginx.log
        [ "$(property nginx MainPID)" != "$before" ]
        [ "$(in_systemd cat /run/nginx.pid)" = "$(property nginx MainPID)" ]
        [ "$(property nginx ActiveState)" = active ]
    done
    storm_over
    ends nginx
}

@test "Debian's redis-server.service with a drop-in, in a sandbox: replaced twice under load" {
    need redis-server
    boot_systemd
    vendor_unit redis-server <<END2
[Service]
# With all, the old server's last STOPPING=1 would be taken for the unit's.
NotifyAccess=exec
# With it each process that systemd starts there has a user namespace of its own, and no right over the others.
PrivateUsers=no
# Not in @system-service; without it replace is killed before it changes anything.
SystemCallFilter=pidfd_getfd
ExecReload=/usr/local/bin/reuseport replace -p 6379 \$MAINPID /usr/bin/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no
ExecPaths=/usr/local/bin/reuseport /usr/local/lib/libreuseport.so
StandardError=append:$PWD/redis.log
StandardOutput=append:$PWD/redis.log
END2
    in_systemd install -d -o redis -g redis /var/lib/redis /var/log/redis
    in_systemd systemctl start redis-server
    PORT=6379
    local round before
    storm 'PING\r\n' PONG
    for round in 1 2; do
        before=$(property redis-server MainPID)
        in_systemd timeout 60 systemctl reload redis-server || {
            cat redis.log
            return 1
        }
        cat redis.log
        [ "$(property redis-server MainPID)" != "$before" ]
        [ "$(property redis-server ActiveState)" = active ]
        [ "$(property redis-server NRestarts)" = 0 ]
    done
    storm_over
    ends redis-server
}

@test "run in a drop-in: the vendor's unit shares its port with another unit, and both are their own main process" {
    boot_systemd
    local name run="/usr/local/bin/reuseport run -p $PORT -- /usr/local/bin/server $PORT $ADDRESS"
    server_unit app
    unit app.service.d/reuseport.conf <<END2
[Service]
ExecStart=
ExecStart=$run
END2
    server_unit second Type=simple ExecStart= "ExecStart=$run" NoNewPrivileges=yes ProtectSystem=strict
    in_systemd systemctl start app second
    wait_until listen 2
    from_outside "$BUILD/examples/client" "$PORT" 200 "$ADDRESS" >shares
    for name in app second; do
        grep -E "^pid $(property $name MainPID) " shares
        [ "$(in_systemd cat "/proc/$(property $name MainPID)/comm")" = server ]
        [ "$(processes_of $name)" = 1 ]
    done
    ends second
    wait_until serves app
}

listen() {
    [ "$(from_outside ss -Htln "sport = :$PORT" | wc -l)" = "$1" ]
}

# redis_units: Debian's redis-server.service with the examples' drop-in and template, and their unit of several copies;
# what is enabled is noted in the folder of these units.
redis_units() {
    need redis-server
    boot_systemd
    cp /lib/systemd/system/redis-server.service "$ROOT"/examples/sidecar/reuseport*.service machine/units
    cp -r "$ROOT/examples/sidecar/redis-server.service.d" machine/units
    in_systemd mount --bind machine/units /etc/systemd/system
    in_systemd systemctl daemon-reload
    in_systemd install -d -o redis -g redis /var/lib/redis /var/log/redis
    PORT=6379
    REDIS=(redis-server reuseport@1 reuseport@2)
}

main_pids() {
    local name
    for name in "${REDIS[@]}"; do property "$name" MainPID; done | sort
}

# three_answer: the main processes of all three, and no others, share the port.
three_answer() {
    [ "$(from_outside ss -Htln "sport = :$PORT and src 127.0.0.1" | wc -l)" = 3 ] || return
    from_outside bash -c 'for i in {1..60}; do redis-cli info server; done' | sed -n 's/^process_id:\([0-9]*\).*/\1/p' |
        sort -u >answers
    diff answers <(main_pids)
}

@test "The examples' drop-in lets instances of reuseport@.service join Debian's redis-server.service" {
    local name
    redis_units
    in_systemd systemctl start "${REDIS[@]}"
    three_answer
    for name in "${REDIS[@]}"; do
        [ "$(property "$name" ActiveState)" = active ]
        [ "$(in_systemd cat "/proc/$(property "$name" MainPID)/comm")" = redis-server ]
    done
    in_systemd systemctl restart redis-server
    in_systemd systemctl stop reuseport@1 reuseport@2
    [ "$(from_outside redis-cli ping)" = PONG ]
}

# only_changed UNIT BEFORE: of the main processes one is another than BEFORE, that of UNIT, and all answer.
only_changed() {
    [ "$(property "$1" ActiveState)" = active ] && [ "$(comm -12 <(echo "$2") <(main_pids) | wc -l)" = 2 ] &&
        ! grep -qx "$(property "$1" MainPID)" <<<"$2" && three_answer
}

@test "Of those three any is restarted, or comes back when it is killed, without the others noticing" {
    local name before
    redis_units
    in_systemd systemctl start "${REDIS[@]}"
    for name in "${REDIS[@]}"; do
        before=$(main_pids)
        in_systemd systemctl kill --signal KILL "$name"
        wait_until only_changed "$name" "$before"
        [ "$(property "$name" NRestarts)" = 1 ]
        before=$(main_pids)
        in_systemd systemctl restart "$name"
        only_changed "$name" "$before"
    done
}

@test "systemctl enable: the next boot starts the vendor's unit, two instances, or the unit of run -n" {
    local name
    redis_units
    in_systemd env SYSTEMCTL_SKIP_SYSV=1 systemctl enable --now "${REDIS[@]}"
    three_answer
    in_systemd systemctl stop "${REDIS[@]}"
    in_systemd systemctl start multi-user.target
    wait_until three_answer
    in_systemd env SYSTEMCTL_SKIP_SYSV=1 systemctl disable --now "${REDIS[@]}"
    in_systemd systemctl stop multi-user.target
    in_systemd systemctl enable reuseport-run
    in_systemd systemctl start multi-user.target
    wait_until is_active reuseport-run
    for name in "${REDIS[@]}"; do [ "$(property "$name" ActiveState)" = inactive ]; done
    [ "$(from_outside ss -Htln "sport = :$PORT and src 127.0.0.1" | wc -l)" = 2 ]
    [ "$(from_outside redis-cli ping)" = PONG ]
}

is_active() {
    [ "$(property "$1" ActiveState)" = active ]
}

@test "run -n 3 as a unit: systemctl stop ends all copies, and a copy that ends leaves the unit active" {
    boot_systemd
    server_unit app Type=simple ExecStart= \
        "ExecStart=/usr/local/bin/reuseport run -n 3 -p $PORT -- /usr/local/bin/server $PORT $ADDRESS"
    in_systemd systemctl start app
    wait_until listen 3
    in_systemd kill -KILL "$(from_outside "$BUILD/examples/client" "$PORT" 1 "$ADDRESS" | grep -o '[0-9]*' | head -n 1)"
    wait_until listen 2
    [ "$(property app ActiveState)" = active ]
    in_systemd systemctl stop app
    [ ! -e "$MACHINE_CGROUP/system.slice/app.service" ]
}
