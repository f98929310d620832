#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# reuseport replace: where somebody else keeps the old server's listener open, it has ended nevertheless.

load replacement

@test "where its parent keeps the listener, the old server has ended: status 0, and the parent is named" {
    local how begin
    for how in '' no-reap; do
        kept_by_parent $how
        begin=$SECONDS
        replace --stop-timeout 20 -- "$BUILD/examples/server" "$PORT" 127.0.0.1
        cat replace.log
        grep -q "pid $KEEPER (keeper) keeps" replace.log
        [ $((SECONDS - begin)) -lt 10 ]
        kill -TERM "$KEEPER"
        wait_until_ended "$KEEPER"
        kill -TERM "$SERVER"
        wait_until_ended "$SERVER"
        lease_port PORT
    done
}

@test "a server that ends during the look at its sockets has left none, and nobody is said to keep one" {
    need strace
    cat >slow-look <<END
#!/bin/sh
exec strace -o /dev/null -e trace=recvfrom -e inject=recvfrom:delay_exit=60000 "$COMMAND" "\$@"
END
    chmod 755 slow-look
    strace -o /dev/null true || missing "the right to trace"
    cat >old.py <<'END'
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(time.sleep(0.03) or 0))
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
signal.pause()
END
    spawn old /usr/bin/python3 old.py "$PORT"
    SERVER=$PID
    wait_until listens "$PORT"
    COMMAND=$PWD/slow-look
    replace -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    cat replace.log
    run ! grep "keeps its socket open" replace.log
}

@test "where the process that keeps the listener cannot be seen, the message says so" {
    need_root
    need setpriv
    # The parent is another user's, the server and replace are 65534's; the listener was made by 65534.
    cat >keeper.py <<'END'
import os, socket, sys, time
os.seteuid(65534)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
os.seteuid(0)
child = os.fork()
if child == 0:
    listener.set_inheritable(True)
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
    os.execv("/usr/bin/python3", ["python3", "-c", """
import os, socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
while True:
    client = listener.accept()[0]
    client.send(b"pid %d\\n" % os.getpid())
    client.close()
""", str(listener.fileno())])
print(child, flush=True)
os.waitpid(child, 0)
while True: time.sleep(600)
END
    spawn keeper /usr/bin/python3 keeper.py "$PORT"
    KEEPER=$PID
    wait_until grep -q . "$(log keeper)"
    SERVER=$(<"$(log keeper)")
    wait_until executed
    AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    replace --stop-timeout 20 -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    cat replace.log
    grep -q "a process that this one may not see keeps" replace.log
}

# ours: this test's steward, in STEWARD.
ours() {
    for STEWARD in $(pgrep -x steward); do
        ! grep -qszxF "BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR" "/proc/$STEWARD/environ" || return 0
    done
    return 1
}

# Looks for owners are dear where there are many descriptors, and each change of the group asks for one.
@test "beside a keeper, a group that keeps changing and 80 000 descriptors, the steward takes a fifth of a CPU at most" {
    need pgrep
    kept_by_parent
    cat >others.py <<'END'
import os, resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
parent = os.getpid()
for _ in range(4):
    if os.fork() == 0: break
else:
    while True:
        other = socket.socket()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", int(sys.argv[1])))
        other.listen()
        time.sleep(0.03)
        other.close()
        time.sleep(0.03)
for _ in range(19900): os.dup(0)
open(f"full.{os.getpid()}", "w").close()
while os.getppid() == parent: time.sleep(0.1)
END
    replace --stop-timeout 20 -- "$BUILD/examples/server" "$PORT" 127.0.0.1
    ours
    spawn others /usr/bin/python3 others.py "$PORT"
    all_full() {
        [ "$(find . -name 'full.*' | wc -l)" = 4 ]
    }
    wait_until all_full
    ticks() {
        awk '{ print $14 + $15 }' "/proc/$STEWARD/stat"
    }
    local before=0 after
    before=$(ticks)
    sleep 2 # what is measured
    after=$(ticks)
    echo "$((after - before)) ticks of $(getconf CLK_TCK) in two seconds"
    [ $((after - before)) -lt $(($(getconf CLK_TCK) * 2 * 3 / 10)) ]
}
