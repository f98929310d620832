#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# run -n --rolling: copies that are renewed one after the other, with clients that notice what is lost. make soak does
# each server ten times.

load replacement

setup() {
    setup_replacement
    AS=()
    OPTIONS=()
    REQUEST=
    ANSWER=
    STORM=
}

# service COPIES OPTION... [--] COMMAND...: starts one that renews its copies at HUP; its PID in SERVICE, what it says
# in $(log service).
service() {
    rm -f "$(log service)"
    spawn service "${NET[@]}" "${AS[@]}" "$COMMAND" run -n "$1" --rolling=HUP -v -p "${PORTS:-$PORT}" "${@:2}"
    SERVICE=$PID
    wait_until has_said "$1" 'copy [0-9]+: ready$'
}

end_service() {
    kill -TERM "$SERVICE"
    wait_until_ended "$SERVICE"
    wait_until is_down
}

# said REGEX: how many lines of the service.
said() {
    grep -cE "^reuseport: $1" "$(log service)" || true
}

# has_said COUNT REGEX: so many lines or more.
has_said() {
    [ "$(said "$2")" -ge "$1" ]
}

# renewal_ends COMMAND...: runs the command, which has a renewal begin, and waits for the line that it ends with, in
# ENDED.
renewal_ends() {
    local before
    before=$(said 'renewal ended')
    "$@"
    wait_until has_said $((before + 1)) 'renewal ended'
    ENDED=$(grep '^reuseport: renewal ended' "$(log service)" | tail -n 1)
    echo "$ENDED"
}

# renew: all copies.
renew() {
    renewal_ends kill -HUP "$SERVICE"
    [ "$ENDED" = "reuseport: renewal ended: all copies are new" ]
}

# nothing_lost: in the storm, which ends. What the service said tells why, where something was.
nothing_lost() {
    kill -TERM "$STORM"
    wait "$STORM"
    cat "$(log storm)"
    grep -qE '^[1-9][0-9]* answered, 0 failed$' "$(log storm)" || {
        cat "$(log service)"
        return 1
    }
}

# renewals_of SERVER COUNT [FAMILY [USER]]: so many under a storm.
renewals_of() {
    local i
    AS=()
    [ "${4:-root}" = root ] || AS=(setpriv --reuid 64732 --regid 64732 --clear-groups)
    ADDRESS=127.0.0.1 HOST=127.0.0.1
    [ "${3:-4}" = 4 ] || ADDRESS=::1 HOST="[::1]"
    cd "$(mktemp -d "$BATS_TEST_TMPDIR/XXXXXX")" || return
    chmod 777 .
    use "$1"
    [ "$1" != nginx ] || own_directories
    echo "$*"
    service 2 "${COPY[@]}"
    storm "$REQUEST" ${ANSWER:+"$ANSWER"}
    for ((i = 0; i < $2; i++)); do
        renew
    done
    nothing_lost
    end_service
}

# renewals_with OPTIONS COUNT COMMAND...: so many, of a service with these options, COPIES first, under a storm.
renewals_with() {
    local i
    echo "$*"
    # shellcheck disable=SC2086 # one word each
    service $1 "${@:3}"
    storm ""
    for ((i = 0; i < $2; i++)); do
        renew
    done
    nothing_lost
    end_service
}

# own_directories: each copy of nginx has one, by its number, one more than there are copies.
own_directories() {
    local i
    for i in 0 1 2; do
        mkdir $i
        chmod 777 $i
        cp conf $i
    done
    COPY=(-I % nginx -p "$PWD/%" -e "$PWD/%/error" -c "$PWD/%/conf")
}

# app VERSION [PYTHON]: makes ./app that version of a server, which listens on the ports of its arguments and answers
# "VERSION INSTANCE PID"; with a statement of Python to run before.
app() {
    cat >"app-$1" <<END
#!/usr/bin/python3
import os, signal, socket, sys, threading, time
ports, ready = sys.argv[1:], True
answer = b"%s %s %d\n" % (b"$1", os.environb[b"REUSEPORT_INSTANCE"], os.getpid())
${2:-}
def serve(listener):
    while True:
        client = listener.accept()[0]
        client.sendall(answer)
        client.close()
for port in ports:
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=128)
    threading.Thread(target=serve, args=[listener]).start()
if ready and "NOTIFY_SOCKET" in os.environ:
    name = os.environ["NOTIFY_SOCKET"]
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", name.replace("@", "\0", 1))
END
    chmod 755 "app-$1"
    ln -sfn "app-$1" app
}

# ask: one answer.
ask() {
    cat <"/dev/tcp/127.0.0.1/${1:-$PORT}"
}

# answers [PORT]: the answers of all copies, in order of their numbers.
answers() {
    local i
    for ((i = 0; i < 40; i++)); do
        ask "$@"
    done | sort -u -k 2,2n -k 3,3n
}

# versions: "VERSION INSTANCE" of all copies, in one line.
versions() {
    answers "$@" | cut -d ' ' -f 1,2 | paste -sd ,
}

# pid_of NUMBER: of the copy that has that number.
pid_of() {
    sed -n "s/^reuseport: copy $1: started, pid //p" "$(log service)" | tail -n 1
}

# most_copies COUNT: that there have been at one time, as their keepers have said.
most_copies() {
    local most
    most=$(awk '/copy [0-9]+: started/ && ++n > most { most = n } /copy [0-9]+: (ended|killed)/ { n-- } END { print most }' "$(log service)")
    echo "$most copies at one time"
    [ "$most" = "$1" ]
}

@test "servers are renewed under a storm of connections without losing or delaying one" {
    own_network
    renewals_of example 3 4
    renewals_of long-queue 2 6 ordinary
    renewals_of redis-server 2 6
    renewals_of node 2 4 ordinary
    none_delayed
}

@test "nginx is renewed, a master with workers and directories by -I" {
    own_network
    renewals_of nginx 3 4
    renewals_of nginx 2 6 ordinary
    none_delayed
}

@test "a static server and a Go server are renewed, by seccomp" {
    own_network
    renewals_of static 2 6
    renewals_of rclone 2 4 ordinary
    none_delayed
}

# bats test_tags=long
@test "each server is renewed ten times" {
    local server family user
    own_network
    for server in example long-queue redis-server node nginx static rclone memcached lighttpd; do
        for family in 4 6; do
            for user in root ordinary; do
                renewals_of "$server" 10 "$family" "$user"
                none_delayed
            done
        done
    done
}

@test "a renewal starts the executable that is on disk, under free numbers, with one copy more at most; the main PID stays" {
    app 1
    service 3 ./app "$PORT"
    [ "$(versions)" = "1 0,1 1,1 2" ]
    app 2
    renew
    [ "$(versions)" = "2 0,2 1,2 3" ]
    app 3
    mv app-3 app # a file instead of a link
    renew
    [ "$(versions)" = "3 0,3 1,3 2" ]
    most_copies 4
    kill -0 "$SERVICE"
}

@test "--in-place keeps the numbers, with no copy more" {
    app 1
    service 3 --in-place ./app "$PORT"
    storm ""
    app 2
    renew
    app 3
    renew
    nothing_lost
    [ "$(versions)" = "3 0,3 1,3 2" ]
    most_copies 3
}

# ask_on: asks one question after the other until asked_enough, with the answers in $(log asked).
ask_on() {
    spawn asked bash -c 'while :; do cat <"/dev/tcp/127.0.0.1/$1"; done' ask "$PORT"
    ASKED=$PID
}

asked_enough() {
    kill "$ASKED"
    wait "$ASKED" || true
}

# stays LINE: a renewal with the present ./app ends with that line, and version 1 serves.
stays() {
    local before
    before=$(answers)
    renewal_ends kill -HUP "$SERVICE"
    [ "$ENDED" = "reuseport: renewal ended: $1" ]
    [ "$(answers)" = "$before" ]
}

@test "a new version that does not come up ends the renewal, and the old copies stay" {
    lease_port OTHER
    PORTS=$PORT,$OTHER
    app 1
    service 2 --start-timeout=2 --ready=notify ./app "$PORT" "$OTHER"
    storm ""
    ask_on
    app bad "sys.exit(3)"
    stays "copy 2 ended with status 3 before it was ready; the old copies stay"
    app bad "signal.pause()"
    stays "copy 2 was not ready after 2 s; the old copies stay"
    app bad "del ports[1:]"
    stays "copy 2 was not ready after 2 s; the old copies stay"
    app bad "ready = False"
    stays "copy 2 was not ready after 2 s; the old copies stay"
    rm app
    stays "copy 2 ended with status 127 before it was ready; the old copies stay"
    : >app
    chmod 755 app
    stays "copy 2 ended with status 126 before it was ready; the old copies stay"
    chmod 644 app
    stays "copy 2 ended with status 126 before it was ready; the old copies stay"
    app 2
    renew
    nothing_lost
    asked_enough
    [ "$(cut -d ' ' -f 1 "$(log asked)" | uniq | sort -u)" = $'1\n2' ]
    [ "$(versions)" = "2 0,2 2" ]
    [ "$(versions "$OTHER")" = "2 0,2 2" ]
}

@test "whoever takes the program away meanwhile does not send connections to a copy that is not ready" {
    app 1
    service 2 --start-timeout=2 --ready=notify ./app "$PORT"
    storm ""
    app 2
    renew
    "$COMMAND" adopt --unsteer "$PORT"
    ask_on
    app bad "ready = False"
    renewal_ends kill -HUP "$SERVICE"
    asked_enough
    nothing_lost
    [ "$(cut -d ' ' -f 1 "$(log asked)" | sort -u)" = 2 ]
}

@test "--in-place: a new version that does not come up leaves a copy less, and the next renewal brings it back" {
    local on_exit
    for on_exit in keep restart; do
        app 1
        service 3 --in-place --on-exit=$on_exit ./app "$PORT"
        storm ""
        app bad "sys.exit(3)"
        renewal_ends kill -HUP "$SERVICE"
        [ "$ENDED" = "reuseport: renewal ended: copy 0 ended with status 3 before it was ready; 2 of 3 copies are left" ]
        [ "$(versions)" = "1 1,1 2" ]
        app 2
        renew
        nothing_lost
        [ "$(versions)" = "2 0,2 1,2 2" ]
        end_service
    done
}

@test "--in-place does not stop the last copy that serves" {
    app 1
    service 2 --in-place ./app "$PORT"
    storm ""
    app bad "sys.exit(3)"
    renewal_ends kill -HUP "$SERVICE"
    renewal_ends kill -HUP "$SERVICE"
    [ "$ENDED" = "reuseport: renewal ended: copy 0 ended with status 3 before it was ready; 1 of 2 copies are left" ]
    [ "$(versions)" = "1 1" ]
    nothing_lost
}

@test "a second signal has the renewal start again: all copies are of the last version" {
    app 1
    service 3 ./app "$PORT"
    storm ""
    app 2 "time.sleep(0.3)"
    kill -HUP "$SERVICE"
    wait_until has_said 4 'copy .: started'
    app 3
    renewal_ends kill -HUP "$SERVICE"
    [ "$ENDED" = "reuseport: renewal ended: all copies are new" ]
    nothing_lost
    [[ $(versions) =~ ^3\ .,3\ .,3\ .$ ]]
}

@test "a second signal counts although the renewal before it fails" {
    app 1
    service 2 ./app "$PORT"
    app bad "open('began', 'w').close(); time.sleep(0.5); sys.exit(3)"
    kill -HUP "$SERVICE"
    wait_until test -e began
    app 2
    kill -HUP "$SERVICE"
    wait_until has_said 1 'renewal ended: all copies are new'
    [ "$(said 'renewal begins again: copy 2 ended with status 3 before it was ready; the old copies stay$')" = 1 ]
    [[ $(versions) =~ ^2\ .,2\ .$ ]]
}

@test "a copy that listens, but does not count as ready yet, is drained before it ends" {
    app 1
    spawn service "$COMMAND" run -n 2 --rolling=HUP --in-place -v -p "$PORT" ./app "$PORT"
    SERVICE=$PID
    wait_until listeners_are "$PORT" 2
    storm ""
    kill -HUP "$SERVICE"
    wait_until has_said 1 'renewal ended: all copies are new'
    nothing_lost
    [[ $(grep -m 1 -E 'copy 0: (ready|draining)' "$(log service)") == *draining ]]
}

@test "TTIN and TTOU during a renewal" {
    app 1
    service 2 ./app "$PORT"
    storm ""
    app 2 "time.sleep(0.2)"
    kill -HUP "$SERVICE"
    wait_until has_said 3 'copy .: started'
    kill -TTIN "$SERVICE"
    wait_until has_said 1 'renewal ended: all'
    wait_until has_said 5 'copy .: ready'
    [[ $(versions) =~ ^2\ .,2\ .,2\ .$ ]]
    kill -HUP "$SERVICE"
    kill -TTOU "$SERVICE"
    wait_until has_said 2 'renewal ended: all'
    nothing_lost
    [[ $(versions) =~ ^2\ .,2\ .$ ]]
}

@test "TERM during a renewal ends all copies, the new one too" {
    app 1
    service 2 ./app "$PORT"
    app 2 "time.sleep(5)"
    kill -HUP "$SERVICE"
    wait_until has_said 3 'copy .: started'
    kill -TERM "$SERVICE"
    wait_until_ended "$SERVICE"
    is_down
    run ! grep renewal "$(log service)"
}

# kill_at_renewal ON_EXIT WHO: a renewal under a storm, in which the copy with that number, or its keeper, is killed.
kill_at_renewal() {
    app 1
    service 2 --on-exit="$1" ./app "$PORT"
    app 2 "time.sleep(0.3)"
    kill -HUP "$SERVICE"
    wait_until has_said 3 'copy .: started'
    echo "$*"
    case $2 in
    keeper-*) kill -KILL "$(awk '$1 == "PPid:" { print $2 }' "/proc/$(pid_of "${2#keeper-}")/status")" ;;
    *) kill -KILL "$(pid_of "$2")" ;;
    esac
    wait_until has_said 1 'renewal ended'
    ENDED=$(grep '^reuseport: renewal ended' "$(log service)")
    echo "$ENDED"
}

@test "an old copy, or its keeper, is killed during a renewal: all copies are new, none is missing" {
    local how
    for how in "keep 0" "keep keeper-1" "restart 1" "restart keeper-0"; do
        kill_at_renewal "${how% *}" "${how#* }"
        [ "$ENDED" = "reuseport: renewal ended: all copies are new" ]
        wait_until both_are_new
        end_service
    done
}

# The new one is ready later than the two that replace those, and then the third of two.
@test "both old copies are killed during a renewal: they come back, and the copy beyond N is taken away" {
    app 1
    service 2 --on-exit=restart ./app "$PORT"
    app 2 "time.sleep(0.5)"
    kill -HUP "$SERVICE"
    wait_until has_said 3 'copy .: started'
    kill -KILL "$(pid_of 0)" "$(pid_of 1)"
    wait_until has_said 1 'renewal ended: all copies are new'
    wait_until both_are_new
    [ "$(listeners "$PORT")" = 2 ]
    [ "$(said 'copy .: draining')" = 1 ]
}

@test "the signal of --rolling that reaches keepers, too, is for the supervisor alone; ps tells them apart" {
    local keepers
    app 1
    service 2 --on-exit=restart ./app "$PORT"
    mapfile -t keepers < <(xargs -n 1 <"/proc/$SERVICE/task/$SERVICE/children")
    [ "${#keepers[@]}" = 2 ]
    for keeper in "${keepers[@]}"; do
        [ "$(<"/proc/$keeper/comm") $(tr -d '\0' <"/proc/$keeper/cmdline")" = "reuseport-keep reuseport-keep" ]
    done
    app 2
    storm ""
    renewal_ends kill -HUP "$SERVICE" "${keepers[@]}"
    nothing_lost
    [[ $(versions) =~ ^2\ .,2\ .$ ]]
    run ! grep -E 'killed by HUP' "$(log service)"
}

both_are_new() {
    [[ $(versions) =~ ^2\ .,2\ .$ ]]
}

@test "the new copy, or its keeper, is killed during a renewal: it ends, and the old copies stay" {
    local how
    for how in "keep 2" "restart keeper-2"; do
        kill_at_renewal "${how% *}" "${how#* }"
        [ "$ENDED" = "reuseport: renewal ended: copy 2 ended with status 137 before it was ready; the old copies stay" ]
        [ "$(versions)" = "1 0,1 1" ]
        renew
        [ "$(versions)" = "2 0,2 2" ]
        end_service
    done
}

@test "a new version that ends soon after it was ready ends the renewal" {
    local on_exit
    for on_exit in keep restart; do
        app 1
        service 4 --on-exit=$on_exit ./app "$PORT"
        app bad "threading.Timer(0.3, os._exit, [4]).start()"
        renewal_ends kill -HUP "$SERVICE"
        [[ $ENDED =~ ^"reuseport: renewal ended: copy "[0-4]" ended with status 4;" ]]
        end_service
    done
}

@test "a client that has a connection to an old copy may finish, up to --drain" {
    local fd
    server_that_waits
    service 1 --drain=20 /usr/bin/python3 waits.py "$PORT"
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    read -r first <&$fd
    kill -HUP "$SERVICE"
    wait_until has_said 1 'copy 0: draining'
    sleep 1
    [ "$(said 'copy 0: ending')" = 0 ]
    exec {fd}>&-
    wait_until has_said 1 'renewal ended: all copies are new'
    end_service

    service 1 --drain=1 /usr/bin/python3 waits.py "$PORT"
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    read -r first <&$fd
    renew
    run ! read -r -t 5 first <&$fd
    exec {fd}>&-
}

# queued COUNT: so many connections wait in some listener's queue.
queued() {
    [ "$(ss -Htln "sport = :$PORT" | awk '$2 > most { most = $2 } END { print most + 0 }')" -ge "$1" ]
}

@test "a copy that is killed while it drains is replaced all the same" {
    local fd
    server_that_waits
    service 1 --on-exit=restart /usr/bin/python3 waits.py "$PORT"
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    read -r first <&$fd
    kill -HUP "$SERVICE"
    wait_until has_said 1 'copy 0: draining'
    kill -KILL "$(pid_of 0)"
    wait_until has_said 1 'renewal ended: all copies are new'
    exec {fd}>&-
    [ "$(said 'copy .: started')" = 2 ]
}

@test "what waits in the queue of an old copy is accepted before it ends" {
    app 1
    service 2 ./app "$PORT"
    storm ""
    kill -STOP "$(pid_of 0)"
    wait_until queued 20
    kill -HUP "$SERVICE"
    wait_until has_said 1 'copy 0: draining'
    sleep 1
    [ "$(said 'copy 0: ending')" = 0 ]
    kill -CONT "$(pid_of 0)"
    wait_until has_said 1 'renewal ended: all copies are new'
    nothing_lost
}

@test "over a link of 100 ms handshakes that are under way are waited for" {
    local options
    slow_link
    for options in "1" "3 --in-place"; do
        renewals_with "$options" 2 "$BUILD/examples/server" "$PORT" 192.0.2.1
    done
    none_delayed
}

@test "what a copy does not accept is lost after --drain, and told of" {
    app 1
    service 2 --drain=1 --stop-timeout=1 ./app "$PORT"
    kill -STOP "$(pid_of 0)"
    storm ""
    wait_until queued 20
    renew
    kill "$STORM"
    wait "$STORM"
    cat "$(log storm)"
    [ "$(said 'copy 0: has not accepted [23][0-9] of its connections in time; they will be reset$')" = 1 ]
}

@test "a copy that ignores TERM is killed, and the renewal goes on" {
    app 1 "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    service 2 --stop-timeout=1 ./app "$PORT"
    storm ""
    app 2
    renew
    nothing_lost
    [ "$(said 'copy [01]: did not end in time; sending KILL$')" = 2 ]
    [ "$(versions)" = "2 0,2 2" ]
}

has_datagrams() {
    [ -n "$(ss -Huan "sport = :$PORT" | awk '$2')" ]
}

@test "a UDP server is renewed: each datagram is answered" {
    cat >udp.py <<'END'
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    data, client = server.recvfrom(100)
    server.sendto(data, client)
END
    cat >ask-udp.py <<'END'
import signal, socket, sys, time
def end(*_):
    print(sent, "sent,", lost, "lost", flush=True)
    sys.exit()
sent = lost = 0
signal.signal(signal.SIGTERM, end)
while True:
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(20)]
    for client in clients:
        client.settimeout(20)
        client.sendto(b"?", ("127.0.0.1", int(sys.argv[1])))
        sent += 1
    for client in clients:
        try:
            client.recv(100)
        except TimeoutError:
            lost += 1
        client.close()
    time.sleep(0.001)
END
    service 2 /usr/bin/python3 udp.py "$PORT"
    spawn udp /usr/bin/python3 ask-udp.py "$PORT"
    UDP=$PID
    renew
    renew
    # Datagrams that wait are waited for.
    kill -STOP "$(pid_of 0)"
    wait_until has_datagrams
    kill -HUP "$SERVICE"
    wait_until has_said 5 'copy [012]: draining'
    wait_until has_datagrams
    sleep 0.5
    [ "$(said 'copy [012]: ending')" = 4 ]
    kill -CONT "$(pid_of 0)"
    wait_until has_said 3 'renewal ended: all copies are new'
    kill "$UDP"
    wait "$UDP"
    cat "$(log udp)"
    [[ $(<"$(log udp)") =~ ^[1-9][0-9]+" sent, 0 lost"$ ]]
    [ "$(said '.*(lost|reset)')" = 0 ]
}

@test "a server that puts itself into the background is renewed, on IPv4 and IPv6" {
    own_network
    ADDRESS=127.0.0.1 HOST=127.0.0.1
    use nginx
    sed -i "s/daemon off/daemon on/; s/listen .*; return/listen 127.0.0.1:$PORT; listen [::1]:$PORT; return/" conf
    own_directories
    service 2 "${COPY[@]}"
    storm "$REQUEST"
    spawn storm6 "${FAR[@]}" "$PROBES/storm" ::1 "$PORT" "$REQUEST"
    STORM6=$PID
    renew
    renew
    nothing_lost
    kill -TERM "$STORM6"
    wait "$STORM6"
    cat "$(log storm6)"
    grep -qE '^[1-9][0-9]* answered, 0 failed$' "$(log storm6)"
    none_delayed
}

# mptcp_server: mptcp.py, which listens on the port of its argument.
mptcp_server() {
    [ "$(cat /proc/sys/net/mptcp/enabled 2>/dev/null)" = 1 ] || missing "MPTCP in the kernel"
    cat >mptcp.py <<'END'
import os, socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen(1024)
while True:
    client = server.accept()[0]
    client.send(b"pid %d\n" % os.getpid())
    client.close()
END
}

# An MPTCP group is steered by visitors.
@test "an MPTCP server is renewed" {
    mptcp_server
    own_network
    renewals_with 2 2 /usr/bin/python3 mptcp.py "$PORT"
    delayed_by_visitors_alone
}

@test "one copy, with --balance, with a question, and in place" {
    local options
    own_network
    app 1
    for options in "1" "3 --balance" "2 --balance --ready=true" "3 --balance --in-place"; do
        renewals_with "$options" 2 ./app "$PORT"
    done
    none_delayed
}

@test "a server of which each process has a listener of its own is renewed" {
    own_network
    app 1 "os.fork(); os.fork()"
    renewals_with 3 2 ./app "$PORT"
    none_delayed
}

# bats test_tags=long
@test "ten renewals in a row of services of each kind, and of MPTCP servers" {
    local options
    mptcp_server
    own_network
    app 1
    for options in "1" "3 --balance" "3 --balance --in-place" "12"; do
        renewals_with "$options" 10 "$BUILD/examples/server" "$PORT"
        renewals_with "$options" 10 ./app "$PORT"
    done
    app 1 "os.fork(); os.fork()"
    for options in "1" "3" "3 --balance" "3 --in-place"; do
        renewals_with "$options" 10 ./app "$PORT"
    done
    none_delayed
    renewals_with 3 10 /usr/bin/python3 mptcp.py "$PORT"
    renewals_with "3 --balance" 10 /usr/bin/python3 mptcp.py "$PORT"
    delayed_by_visitors_alone
}

@test "copies whose processes may not be looked into are renewed, too" {
    own_network
    chmod 777 .
    app 1
    AS=(setpriv --bounding-set -sys_ptrace)
    service 3 setpriv --reuid 64732 --regid 64732 --clear-groups ./app "$PORT"
    storm ""
    app 2
    renew
    app 3
    renew
    nothing_lost
    [ "$(said '.*(lost|reset)')" = 0 ]
    print_delays
}

@test "a member that is not the service's gets its share all along, and what may be lost is told of" {
    app 1
    service 2 ./app "$PORT"
    app foreign
    REUSEPORT_INSTANCE=9 spawn foreign shared ./app "$PORT"
    wait_until listeners_are "$PORT" 3
    ask_on
    app 2
    renew
    asked_enough
    [ "$(said 'copy [01]: connections could not be kept from it; those that it has not accepted when it ends are lost$')" = 2 ]
    [ "$(versions)" = "2 0,2 2,foreign 9" ]
    [ "$(said '.*new connections go to copies')" = 0 ]
    # Between the first answer of the new version and the last of the old one.
    sed -n '/^2/,$p' "$(log asked)" | tac | sed -n '/^1/,$p' | grep foreign
}

@test "a service is replaced whole by reuseport replace under load" {
    own_network
    service 3 --balance "$BUILD/examples/server" "$PORT"
    storm ""
    SERVER=$SERVICE
    replace -n 3 -- "$BUILD/examples/server" "$PORT"
    replace -- "$COMMAND" run -n 3 --balance --rolling=HUP -p "$PORT" "$BUILD/examples/server" "$PORT"
    replace -- "$COMMAND" run -n 3 --balance --rolling=HUP -p "$PORT" "$BUILD/examples/server" "$PORT"
    nothing_lost
    none_delayed
}
