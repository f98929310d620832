#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a program of another user does must not hurt those who trust us: a watcher with root's rights acts beside it.

load helpers

setup() {
    lease_port PORT
    cd "$BATS_TEST_TMPDIR" || exit
    COMMAND=$BUILD/reuseport
    STATIC=$PROBES/static-probe
}

# Binds under -m seccomp, and what the watcher does for them.

AS_NOBODY=(setpriv --reuid 65534 --regid 65534 --clear-groups)

# In a network namespace: a program binds PORT in a loop and is denied; meanwhile root binds it 5 000 times.
write_rivals() {
    cat >denied.py <<'END'
import socket, sys
print("loops", flush=True)
while True:
    with socket.socket() as server:
        try:
            server.bind(("127.0.0.1", int(sys.argv[1])))
            print("bound")
        except PermissionError:
            pass
END
    cat >binds.py <<'END'
import socket, sys, time
failed = 0
for _ in range(5000):
    with socket.socket() as server:
        try:
            server.bind(("127.0.0.1", int(sys.argv[1])))
        except OSError:
            failed += 1
    time.sleep(0.0002)
print(failed, "failed")
END
    cat >rivals.sh <<'END'
port=$1 start=$2
shift 2
ip link set lo up
echo "$start" >/proc/sys/net/ipv4/ip_unprivileged_port_start
"$COMMAND" run -m seccomp -p "$port" "$@" /usr/bin/python3 denied.py "$port" >denied 2>&1 &
denied=$!
until grep -q loops denied; do sleep 0.01; done
/usr/bin/python3 binds.py "$port"
kill "$denied"
wait "$denied"
cat denied
END
    export COMMAND
}

@test "a program that may not bind a privileged port does not keep root from it: by its user, by a raised limit, in a user namespace" {
    need_root
    need_unshare -n
    need ip setpriv
    local row
    write_rivals
    for row in "80 1024 ${AS_NOBODY[*]}" "$PORT $((PORT + 1)) ${AS_NOBODY[*]}" "80 1024 ${AS_NOBODY[*]} unshare -Ur" \
        "80 1024 setpriv --bounding-set -net_bind_service --inh-caps -net_bind_service"; do
        # shellcheck disable=SC2086 # words
        run unshare -n sh rivals.sh $row
        echo "$row: $output"
        [[ $output == "0 failed"*loops* && $output != *bound* ]]
    done
}

@test "a program that may bind a privileged port is asked for: by its capability, by a lowered limit" {
    need_root
    need_unshare -n
    need ip setpriv
    local start
    cat >privileged.sh <<'END'
start=$1
shift
ip link set lo up
echo "$start" >/proc/sys/net/ipv4/ip_unprivileged_port_start
"$PROBES/probe" socket tcp4 bind 127.0.0.1 80 listen pause >holder &
until grep -q bind=ok holder; do sleep 0.01; done
"$COMMAND" run -m seccomp -p 80 "$@" "$STATIC" socket tcp4 bind 127.0.0.1 80 get 2>&1
kill $!
END
    export COMMAND PROBES STATIC
    for start in 1024 80; do
        local can=()
        [ "$start" = 80 ] || can=(--inh-caps +net_bind_service --ambient-caps +net_bind_service)
        run unshare -n sh privileged.sh "$start" "${AS_NOBODY[@]}" "${can[@]}"
        echo "$start: $output"
        [[ $output == *"in use by "*$'\nbind=Address already in use\nreuseport=0\nreuseaddr=0' ]]
    done
}
