#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016 # what a question's sh expands
# replace --ready: the new server gets no connection before it says, or answers, that it is ready.

load replacement

# ready.py PORT HOW: listens at once, and is ready when the file "go" is there, which it says as HOW has it. Answers
# with its PID.
ready_files() {
    cat >ready.py <<'END'
import os, select, signal, socket, sys, time


def say(text, fds=()):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.connect("\0" + os.environ["NOTIFY_SOCKET"][1:])
        socket.send_fds(to, [text], fds)


def child():
    """Says so and ends; its parent does not reap it."""
    if os.fork() == 0:
        say(b"READY=1\n")
        os._exit(0)


def dropped():
    os.setuid(65534)
    say(b"READY=1")


def barrier():
    reading, writing = os.pipe()
    say(b"READY=1")
    say(b"BARRIER=1", [writing])
    os.close(writing)
    print("barrier", os.read(reading, 1), flush=True)


def descriptors():
    for _ in range(100):
        say(b"STATUS=x", [server.fileno()] * 200)
    say(b"READY=1", [server.fileno()])


def odd():
    for text in b"READY=0", b"XREADY=1", b"READY=1x", b"READY", b"", b"\n\n", b"READY=1\0", b" READY=1", b"READY=1\n" * 600:
        say(text)
    print("odd", flush=True)
    waiting.append(("go2", lambda: say(b"MAINPID=1\nREADY=1\nSTATUS=x")))


def later():
    say(b"READY=1")
    waiting.append(("go2", lambda: [say_or_not(b"STATUS=x") for _ in range(2000)] + [print("said", flush=True)]))


def say_or_not(text):
    try:
        say(text)
    except ConnectionError:
        pass


def closes():
    """Stops listening for a while."""
    port = server.getsockname()
    server.close()
    waiting.append(("go2", lambda: globals().update(server=socket.create_server(port))))


def reuse():
    """Has a child with the PID of a process that has ended."""
    pid = int(open("pid").read())
    child = 0
    while child != pid:
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(pid - 1))
        child = os.fork()
        if child == 0:
            signal.pause()
    print("reused", pid, flush=True)


def first():
    """Of two copies the first alone."""
    if os.environ["REUSEPORT_INSTANCE"] == "0":
        say(b"READY=1")


server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("environment", os.environ.get("NOTIFY_SOCKET"), flush=True)
says = {"self": lambda: say(b"STATUS=x\nREADY=1\n"), "nothing": lambda: None}
waiting = [("go", says.get(how) or globals()[how]) for how in sys.argv[2:]]
answered = 0
while True:
    if waiting and os.path.exists(waiting[0][0]):
        print("answered by then:", answered, flush=True)
        waiting.pop(0)[1]()
    if server.fileno() < 0:
        time.sleep(0.02)
    elif select.select([server], [], [], 0.02)[0]:
        with server.accept()[0] as client:
            client.send(b"pid %d\n" % os.getpid())
            answered += 1
END
    # say.py TEXT [COUNT]: a stranger says that to whatever socket of replace there is, COUNT times.
    cat >say.py <<'END'
import os, re, socket, sys
name = re.search(r"@(reuseport-\w+)", open("/proc/net/unix").read())[1]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
    to.connect("\0" + name)
    for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1):
        socket.send_fds(to, [sys.argv[1].encode()], [to.fileno()])
print("said by", os.getpid())
END
}

ready_server() {
    ready_files
    start /usr/bin/python3 ready.py "$PORT"
}

# begin OPTION... -- COMMAND...: replaces SERVER in the background, its PID in REPLACE; returns when it waits for
# COMMAND to be ready.
begin() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    spawn replace "$COMMAND" replace "${options[@]}" "$SERVER" "${@:2}"
    REPLACE=$PID
    wait_until grep -q 'is ready' "$(log replace)"
}

# still_waits [REQUESTS]: it still waits when the old server has answered all of so many requests.
still_waits() {
    python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" "${1:-20}" >asked || true
    cat asked "$(log replace)"
    [ "$(<asked)" = "$SERVER ${1:-20}" ]
    kill -0 "$REPLACE" "$SERVER"
    run ! grep -q 'sending new connections' "$(log replace)"
}

# is_replaced: the replacement comes to its end; SERVER is the new server.
is_replaced() {
    local old=$SERVER status=0
    wait "$REPLACE" || status=$?
    cat "$(log replace)"
    [ "$status" = 0 ]
    SERVER=$(sed -n "s/^pid \([0-9]*\) .* has replaced pid $old on .*/\1/p" "$(log replace)")
    PIDS+=("$SERVER")
    wait_until_ended "$old"
}

# is_undone TEXT: it ends with 125 and that reason, and the old server alone serves.
is_undone() {
    local status=0
    wait "$REPLACE" || status=$?
    cat "$(log replace)"
    [ "$status" = 125 ]
    grep -qF "reuseport: replace: $1; pid $SERVER serves as before" "$(log replace)"
    listeners_are "$PORT" 1
    [ "$(python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 20)" = "$SERVER 20" ]
}

@test "--ready=notify waits for READY=1, of the server itself, of a child that has ended, or of one that changed its user" {
    local how hows="self child barrier"
    [ "$(id -u)" != 0 ] || hows+=" dropped"
    ready_server
    for how in $hows; do
        echo "$how:"
        begin --ready=notify -- /usr/bin/python3 ready.py "$PORT" "$how"
        still_waits
        touch go
        is_replaced
        rm go
    done
}

@test "until the new server is ready, the old one answers every request, whether it shared its port before or not" {
    local before
    for before in shared env; do
        ready_files
        start "$before" /usr/bin/python3 ready.py "$PORT"
        begin --ready='test -e go' -- /usr/bin/python3 ready.py "$PORT"
        still_waits 200
        touch go
        is_replaced
        [ "$(python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 200)" = "$SERVER 200" ]
        rm go
        PIDS+=("$SERVER")
        lease_port PORT
    done
}

@test "under a storm, too, no connection reaches the new server before it is ready, and none is lost" {
    ready_server
    storm ''
    begin --ready=notify -- /usr/bin/python3 ready.py "$PORT" self
    touch go
    is_replaced
    : >out
    storm_over
    grep -qx 'answered by then: 0' "$(log replace)"
}

# Asks from the address whom it reaches, 50 times.
from_there() {
    cat >from.py <<'END'
import os, socket, sys
for _ in range(50):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5, (os.environ["REUSEPORT_FROM"], 0)) as server:
        print(os.environ["REUSEPORT_PID"], os.environ["REUSEPORT_FROM"], server.recv(99).decode().split()[1])
END
}

@test "where somebody else shares the port, a line says that connections cannot be kept away, and --strict refuses" {
    local why="127.0.0.1:$PORT/tcp: connections cannot be kept from the new server until it is ready, as somebody else has sockets there"
    start "$COMMAND" run -p "$PORT" "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn other "$COMMAND" run -p "$PORT" "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listeners_are "$PORT" 2
    run -125 "$COMMAND" replace --strict --ready=true "$SERVER" "$BUILD/examples/server" "$PORT" 127.0.0.1
    [[ $output == *"replace: --strict: $why; pid $SERVER serves as before"* ]]
    replace --ready=true -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    grep -qxF "reuseport: replace: $why" replace.log
}

@test "REUSEPORT_FROM reaches just the new server, and nobody else does; with -n just that copy" {
    local copies
    ready_server
    from_there
    begin --ready="/usr/bin/python3 from.py 127.0.0.1 $PORT >>answers; test -e go" -- /usr/bin/python3 ready.py "$PORT"
    wait_until grep -q . answers
    still_waits 200
    touch go
    is_replaced
    sort answers | uniq -c
    [ "$(sort -u answers | cut -d' ' -f 1,3 | sort -u)" = "$SERVER $SERVER" ]
    [ "$(cut -d' ' -f 2 answers | sort -u | wc -l)" -gt 1 ] # another each time
    grep -qE ' 127\.[0-9.]+ ' answers
    rm answers
    begin -n 3 --ready="/usr/bin/python3 from.py 127.0.0.1 $PORT >>answers" -- /usr/bin/python3 ready.py "$PORT"
    is_replaced
    sort answers | uniq -c
    copies=$(ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort)
    [ "$(cut -d' ' -f 1,3 answers | sort -u)" = "$(paste -d' ' <(echo "$copies") <(echo "$copies"))" ]
    # Nothing of it is left.
    [ "$(python3 "$BATS_TEST_DIRNAME/ask.py" example/tcp "$PORT" 200 | wc -l)" = 2 ]
}

@test "REUSEPORT_FROM is there where IPv4 reaches the port, [::] included, and not where it does not" {
    local address
    from_there
    cat >six.py <<'END'
import os, socket, sys
server = socket.socket(socket.AF_INET6)
server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(sys.argv[3]))
server.bind((sys.argv[2], int(sys.argv[1])))
server.listen()
while True:
    with server.accept()[0] as client:
        client.send(b"pid %d\n" % os.getpid())
END
    start /usr/bin/python3 six.py "$PORT" :: 0
    replace --ready="/usr/bin/python3 from.py 127.0.0.1 $PORT >>answers" -- /usr/bin/python3 six.py "$PORT" :: 0
    [ "$(cut -d' ' -f 1,3 answers | sort | uniq -c | tr -s ' ')" = " 50 $SERVER $SERVER" ]
    for address in ::1 ::; do
        kill -TERM "$SERVER"
        wait_until listeners_are "$PORT" 0
        lease_port PORT
        start /usr/bin/python3 six.py "$PORT" "$address" 1
        REUSEPORT_FROM=here replace --ready='echo "from ${REUSEPORT_FROM-nowhere}"' -- /usr/bin/python3 six.py "$PORT" "$address" 1
        grep -qx "from nowhere" replace.log
    done
}

@test "READY=1 of systemd-notify counts, which waits until it has been read" {
    need systemd-notify
    ready_server
    begin --ready=notify -- sh -c '/usr/bin/python3 ready.py "$0" & until [ -e go ]; do sleep 0.02; done
        systemd-notify --ready || echo failed; wait' "$PORT"
    still_waits
    touch go
    is_replaced
    run ! grep failed "$(log replace)"
}

@test "BARRIER=1 is answered, and descriptors that come along are closed" {
    local count
    ready_server
    begin --ready=notify -- /usr/bin/python3 ready.py "$PORT" descriptors
    count=$(find "/proc/$REPLACE/fd" | wc -l)
    kill -STOP "$SERVER" # so that it is there for a while after READY=1
    exec {waiting}<>"/dev/tcp/127.0.0.1/$PORT"
    /usr/bin/python3 say.py STATUS=x 100
    touch go
    wait_until grep -q 'waiting for what' "$(log replace)"
    [ "$(find "/proc/$REPLACE/fd" | wc -l)" -le "$count" ]
    kill -CONT "$SERVER"
    exec {waiting}>&-
    is_replaced
    rm go
    begin --ready=notify -- /usr/bin/python3 ready.py "$PORT" barrier
    touch go
    is_replaced
    wait_until grep -q "barrier b''" "$(log replace)"
}

@test "READY=1 of others is ignored, with a line: of the same user, of another, of one that has ended" {
    local who whos=("")
    [ "$(id -u)" != 0 ] || whos+=("setpriv --reuid 65534 --clear-groups")
    ready_server
    chmod 644 say.py
    for who in "${whos[@]}"; do
        begin --ready=notify -- /usr/bin/python3 ready.py "$PORT" self
        # shellcheck disable=SC2086 # words
        $who /usr/bin/python3 -c 'exec(open("say.py").read()); import time; time.sleep(2)' READY=1
        still_waits
        grep -qE '^reuseport: READY=1 of pid [0-9]+ is ignored: it is none of the new server.s processes$' "$(log replace)"
        touch go
        is_replaced
        rm go
    done
    begin --ready=notify -- /usr/bin/python3 ready.py "$PORT" self
    kill -STOP "$REPLACE"
    /usr/bin/python3 say.py READY=1
    kill -CONT "$REPLACE"
    wait_until grep -qE '^reuseport: READY=1 of pid [0-9]+ is ignored: it has ended before it could be seen$' "$(log replace)"
    still_waits
    touch go
    is_replaced
}

@test "a stranger's PID that one of the new server's processes has got since is none of its own" {
    need_root
    need_unshare -pf --mount-proc
    [ -e /proc/sys/kernel/ns_last_pid ] || missing ns_last_pid
    ready_files
    cat >inner <<'END'
set -eu
/usr/bin/python3 ready.py "$1" &
old=$!
until [ -n "$(ss -Htln "sport = :$1")" ]; do sleep 0.02; done
"$2" replace --force-init --ready=notify --start-timeout=20 "$old" /usr/bin/python3 ready.py "$1" reuse >log 2>&1 &
replace=$!
until grep -q 'is ready' log; do sleep 0.02; done
kill -STOP "$replace"
/usr/bin/python3 say.py READY=1 >said
sed 's/.* //' said >pid
sleep 0.2 # older than a clock tick
touch go
until grep -q reused log; do sleep 0.02; done
kill -CONT "$replace"
until grep -q ignored log; do sleep 0.02; done
cat log
END
    run timeout 30 unshare -pf --mount-proc --kill-child bash inner "$PORT" "$COMMAND"
    echo "$output"
    [[ $status = 0 && $output == *"READY=1 of pid $(<pid) is ignored: it is younger than the message"* ]]
    [[ $output != *"sending new connections"* ]]
}

@test "a descriptor that is slow to close, as one with SO_LINGER, does not hold replace up" {
    ready_server
    cat >linger.py <<'END'
import os, re, socket, struct, time
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
accepted = listener.accept()[0]
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 200))
client.setblocking(False)
try:
    while True:
        client.send(bytes(65536))
except BlockingIOError:
    pass
name = re.search(r"@(reuseport-\w+)", open("/proc/net/unix").read())[1]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
    to.connect("\0" + name)
    socket.send_fds(to, [b"STATUS=x"], [client.fileno()])
print("sent", flush=True)
os.close(client.detach())  # the last but one
time.sleep(1000)
END
    begin --ready=notify -- /usr/bin/python3 ready.py "$PORT" self
    kill -STOP "$REPLACE"
    spawn linger /usr/bin/python3 linger.py
    wait_until grep -q sent "$(log linger)"
    sleep 0.2 # until its own descriptor is closed
    kill -CONT "$REPLACE"
    touch go
    is_replaced
}

@test "a flood of strangers does not keep READY=1 from being heard" {
    local i
    ready_server
    begin --ready=notify -- /usr/bin/python3 ready.py "$PORT" self
    for i in 1 2 3; do
        spawn "flood$i" /usr/bin/python3 say.py READY=1 1000000000
    done
    wait_until grep -q 'is ignored' "$(log replace)"
    still_waits
    touch go
    is_replaced
    [ "$(grep -c 'is ignored' "$(log replace)")" = 1 ]
}

@test "nothing but a line READY=1 is believed, and nothing is passed on to the manager that started replace" {
    ready_server
    cat >manager.py <<'END'
import os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.bind("manager")
    print("ready", flush=True)
    while True:
        print(manager.recv(9999), flush=True)
END
    spawn manager /usr/bin/python3 manager.py
    wait_until grep -q ready "$(log manager)"
    export NOTIFY_SOCKET=$PWD/manager
    begin --ready=notify -- /usr/bin/python3 ready.py "$PORT" odd
    touch go
    wait_until grep -q odd "$(log replace)"
    still_waits
    touch go2
    is_replaced
    [ "$(<"$(log manager)")" = ready ]
    # Nor with other ways: it is not the manager of the old server's unit.
    replace --ready=listen -- /usr/bin/python3 ready.py "$PORT"
    grep -qx 'environment None' out
    replace --ready=true -- /usr/bin/python3 ready.py "$PORT"
    grep -qx 'environment None' out
    [ "$(<"$(log manager)")" = ready ]
}

@test "a new server that is never ready is undone, and the line says what was missing" {
    ready_server
    touch go
    begin --ready=notify --start-timeout=1 -- /usr/bin/python3 ready.py "$PORT" nothing
    is_undone "/usr/bin/python3 listens, but has not said READY=1 after 1 seconds"
    begin -n 2 --ready=notify --start-timeout=1 -- /usr/bin/python3 ready.py "$PORT" first
    is_undone "copy 1 of /usr/bin/python3 listens, but has not said READY=1 after 1 seconds"
    # It runs again as time runs out.
    begin --ready='sleep 0.3; exit 7' --start-timeout=2 -- /usr/bin/python3 ready.py "$PORT"
    is_undone '/usr/bin/python3 listens, but "sleep 0.3; exit 7" still ends with status 7 after 2 seconds'
    begin --ready=notify -- sh -c '/usr/bin/python3 ready.py "$0" & while [ ! -e end ]; do sleep 0.02; done; kill $!; exit 3' "$PORT"
    touch end
    is_undone "sh ended with status 3 before it was ready"
}

@test "with -n, every copy must say READY=1" {
    ready_server
    touch go
    begin -n 3 --ready=notify -- /usr/bin/python3 ready.py "$PORT" self
    is_replaced
    listeners_are "$PORT" 3
}

@test "what the new server says after the replacement goes nowhere, and keeps it from nothing" {
    local options
    for options in --foreground '-n 2'; do
        ready_server
        # shellcheck disable=SC2086 # words
        begin --ready=notify $options -- /usr/bin/python3 ready.py "$PORT" later
        touch go
        wait_until grep -q 'has replaced' "$(log replace)"
        touch go2
        wait_until grep -qx said "$(log replace)"
        [ "$options" != --foreground ] || kill -TERM "$REPLACE"
        wait "$REPLACE" || true
        rm go go2
        [ "$options" != --foreground ] || lease_port PORT
    done
}

@test "a new server that stops listening while it gets ready is waited for, and not asked meanwhile" {
    ready_server
    begin --ready='test -e closed && echo asked >>closed; test -e end' -- /usr/bin/python3 ready.py "$PORT" closes
    touch go
    wait_until listeners_are "$PORT" 1
    sleep 0.3 # until what was asked before has ended
    touch closed
    sleep 0.5
    [ ! -s closed ]
    touch go2
    wait_until test -s closed
    touch end
    is_replaced
    rm go go2 end
    begin --ready=false --start-timeout=1 -- /usr/bin/python3 ready.py "$PORT" closes
    touch go
    is_undone "/usr/bin/python3 no longer listens on all ports after 1 seconds"
}

@test "--ready=COMMAND-LINE is asked until it ends with 0, and says on stderr what it has to say" {
    ready_server
    begin --ready='read line; echo "question $REUSEPORT_PID $line"; echo . >>asked.times; [ "$(wc -l <asked.times)" = 4 ]' -- \
        /usr/bin/python3 ready.py "$PORT"
    is_replaced
    [ "$(grep -c "^question $SERVER \$" "$(log replace)")" = 4 ]
    replace --ready='echo told; echo told >&2' -- /usr/bin/python3 ready.py "$PORT"
    [ "$(grep -c told out) $(grep -c told replace.log)" = "0 2" ]
}

@test "--ready=COMMAND-LINE has the environment that replace was given, and the PID of what serves: a copy's, a daemon's" {
    local copies
    ready_server
    replace --ready='env >environment' -- /usr/bin/python3 ready.py "$PORT"
    run ! grep -E '^(LD_PRELOAD|REUSEPORT_(PORTS|AT|REUSEADDR))=' environment
    grep -qx "REUSEPORT_PID=$SERVER" environment
    replace --ready='echo $REUSEPORT_PID >daemon' -- sh -c '/usr/bin/python3 ready.py "$0" &' "$PORT"
    [ "$(<daemon)" = "$SERVER" ]
    replace -n 3 --ready='echo $REUSEPORT_PID >>copies' -- /usr/bin/python3 ready.py "$PORT"
    copies=$(ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort)
    [ "$(wc -l <<<"$copies")" = 3 ]
    [ "$(sort copies)" = "$copies" ]
    replace -m seccomp --ready='echo $REUSEPORT_PID >seccomp' -- /usr/bin/python3 ready.py "$PORT"
    [ "$(<seccomp)" = "$(ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2)" ]
}

# all_ended FILE: none of the processes that wrote their PIDs there is left.
all_ended() {
    local pid
    [ -s "$1" ]
    for pid in $(<"$1"); do
        wait_until_ended "$pid"
    done
}

@test "a question that hangs is ended with all that it started, when time runs out and at an interrupt" {
    local hangs='trap "" TERM; echo $$ >>pids; setsid sh -c "echo \$\$ >>pids; trap \"\" TERM; while :; do sleep 1; done" &
        while :; do sleep 1; done'
    ready_server
    begin --ready="$hangs" --start-timeout=2 -- /usr/bin/python3 ready.py "$PORT"
    is_undone "/usr/bin/python3 listens, but \"${hangs:0:80}\" has not ended after 2 seconds"
    all_ended pids
    rm pids
    begin --ready="$hangs" -- /usr/bin/python3 ready.py "$PORT"
    wait_until test -s pids
    kill -INT "$REPLACE" || true
    kill -TERM "$REPLACE"
    is_undone interrupted
    all_ended pids
}

@test "what a question leaves in the background ends with it, and is no part of the new server" {
    ready_server
    replace --ready='sleep 1000 & echo $! >>pids; setsid sleep 1000 & echo $! >>pids; [ "$(wc -l <pids)" -gt 5 ]' -- \
        /usr/bin/python3 ready.py "$PORT"
    all_ended pids
}

@test "never two questions at once, and none before the new server listens on all ports" {
    local second
    lease_port second
    cat >late.py <<'END'
import os, socket, sys, time
servers = [socket.create_server(("127.0.0.1", int(sys.argv[1])))]
while len(sys.argv) > 3 and not os.path.exists(sys.argv[3]):
    time.sleep(0.02)
servers.append(socket.create_server(("127.0.0.1", int(sys.argv[2]))))
time.sleep(1000)
END
    start /usr/bin/python3 late.py "$PORT" "$second"
    wait_until listens "$second"
    spawn replace "$COMMAND" replace -n 2 --ready='mkdir asking || echo two >>bad; echo . >>asked; sleep 0.5; rmdir asking; [ "$(wc -l <asked)" -gt 3 ]' \
        "$SERVER" /usr/bin/python3 late.py "$PORT" "$second" go
    REPLACE=$PID
    wait_until listeners_are "$PORT" 3
    [ ! -e asked ]
    touch go
    is_replaced
    [ ! -e bad ]
    [ "$(wc -l <asked)" = 5 ]
}

@test "a question ends when replace is killed" {
    ready_server
    begin --ready='echo $$ >pids; exec sleep 1000' -- /usr/bin/python3 ready.py "$PORT"
    wait_until test -s pids
    kill -KILL "$REPLACE"
    all_ended pids
}

@test "--ready is parsed strictly, and notify is refused where WATCHDOG_USEC is set" {
    local text
    ready_server
    for text in '' ' '; do
        run -125 "$COMMAND" replace --ready="$text" "$SERVER" true
        [ "$output" = "reuseport: --ready: expected listen, notify or a command line" ]
    done
    run -125 env WATCHDOG_USEC=1000000 "$COMMAND" replace --ready=notify "$SERVER" /usr/bin/python3 ready.py "$PORT"
    [ "$output" = "reuseport: replace: --ready=notify: WATCHDOG_USEC is set, but nothing reads COMMAND's keep-alive messages after the replacement; unset it, or choose another --ready" ]
    kill -0 "$SERVER"
    WATCHDOG_USEC=1000000 replace --ready=listen -- /usr/bin/python3 ready.py "$PORT"
}
