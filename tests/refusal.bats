#!/usr/bin/env bats
# Why a bind to a shared port was refused: the kernel's rule of one user to a port, and what the library
# says of it.

load helpers

setup() {
    lease_port PORT
}

@test "a copy of another user is refused by the kernel, and the message names both users" {
    need_root
    spawn holder shared "$BUILD/examples/server" "$PORT" 127.0.0.1 65534
    wait_until listens "$PORT"
    refused "127.0.0.1:$PORT/tcp: in use by pid $PID (server) of user nobody; only sockets of one user share a port (this one is of user root)" \
        shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    refused "0.0.0.0:$PORT/tcp: in use by user nobody; only sockets of one user share a port (this one is of uid 4711)" \
        shared "$PROBES/probe" user 4711 socket tcp4 bind 0.0.0.0 "$PORT"
    # Both of one user after they gave up root.
    spawn second shared "$BUILD/examples/server" "$PORT" 127.0.0.1 65534
    wait_until listeners_are "$PORT" 2
}

@test "the users are those who created the sockets, whoever binds" {
    need_root
    spawn holder shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    refused "127.0.0.1:$PORT/tcp: in use by pid $PID (server) of user root; only sockets of one user share a port (this one is of user nobody)" \
        shared "$PROBES/probe" euser 65534 socket tcp4 euser 0 bind 127.0.0.1 "$PORT"
}

# bats test_tags=sanitized
@test "a UDP port of another user, on IPv6" {
    need_root
    spawn holder shared "$PROBES/probe" user 65534 socket udp6 bind ::1 "$PORT" pause
    wait_until bound_udp_are "$PORT" 1
    refused "[::1]:$PORT/udp: in use by pid $PID (probe) of user nobody; only sockets of one user share a port (this one is of user root)" \
        shared "$PROBES/probe" socket udp6 bind ::1 "$PORT"
}

# bats test_tags=sanitized
@test "a holder of the same user that does not share is named, with what would let this one in" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    refused "127.0.0.1:$PORT/tcp: in use by pid $PID (server), whose socket does not share it; \"reuseport adopt $PORT\" lets this one in" \
        shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    spawn udp "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT" pause
    wait_until bound_udp_are "$PORT" 1
    refused "127.0.0.1:$PORT/udp: in use by pid $PID (probe), whose socket does not share it; \"reuseport adopt $PORT/udp\" lets this one in" \
        shared "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT"
}

@test "connections that outlived a server which did not share are told from a server" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    "$BUILD/examples/client" "$PORT" 3
    stop_all
    refused "127.0.0.1:$PORT/tcp: in use by connections that outlived their server; wait a minute, or give both servers REUSEPORT_REUSEADDR=1" \
        shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
}

# bats test_tags=sanitized
@test "the message comes once for a port, protocol and process, and not at all when off" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn udp "$PROBES/probe" socket udp4 bind 127.0.0.1 "$PORT" pause
    wait_until listens "$PORT"
    wait_until bound_udp_are "$PORT" 1
    run --separate-stderr shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" bind 127.0.0.1 "$PORT"
    [ "${#stderr_lines[@]}" = 1 ]
    run --separate-stderr shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" socket udp4 bind 127.0.0.1 "$PORT"
    [ "${#stderr_lines[@]}" = 2 ]
    REUSEPORT_LOG=off run --separate-stderr shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    [[ $output == *"already in use"* && -z $stderr ]]
    # Nor of a port that the list denies: it was not to be shared.
    REUSEPORT_PORTS="!$PORT" run --separate-stderr shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    [[ $output == *"already in use"* && -z $stderr ]]
}

# bats test_tags=sanitized
@test "a socket that is not in the way is not blamed" {
    need_root
    spawn other "$BUILD/examples/server" "$PORT" 127.0.0.9 65534
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listeners_are "$PORT" 2
    refused "127.0.0.1:$PORT/tcp: in use by pid $PID (server), whose socket does not share it; \"reuseport adopt $PORT\" lets this one in" \
        shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    # Another user's IPv4 wildcard is not in the way of an IPv6 address.
    lease_port PORT
    spawn other "$BUILD/examples/server" "$PORT" 0.0.0.0 65534
    spawn holder "$PROBES/probe" socket tcp6 bind ::1 "$PORT" listen pause
    wait_until listeners_are "$PORT" 2
    refused "[::1]:$PORT/tcp: in use by pid $PID (probe), whose socket does not share it; \"reuseport adopt $PORT\" lets this one in" \
        shared "$PROBES/probe" socket tcp6 bind ::1 "$PORT"
}

# with_passwd LINE COMMAND...: under an /etc/passwd of that line and root's.
with_passwd() {
    printf '%b\nroot:x:0:0::/:/bin/sh\n' "$1" >"$BATS_TEST_TMPDIR/passwd"
    unshare -m sh -c 'mount --bind "$0" /etc/passwd && exec "$@"' "$BATS_TEST_TMPDIR/passwd" "${@:2}"
}

@test "an odd or hostile /etc/passwd neither misleads nor hangs nor reaches the terminal" {
    need_root
    need_unshare -m
    local line
    spawn holder shared "$BUILD/examples/server" "$PORT" 127.0.0.1 65534
    wait_until listens "$PORT"
    for line in 'bob:*:1001:100:x:/home/bob' '+:x:::::' "$(printf 'a%.0s' {1..900}):x:5:5::/:" '::' 'x'; do
        refused "127.0.0.1:$PORT/tcp: in use by pid $PID (server) of uid 65534; only sockets of one user share a port (this one is of user root)" \
            with_passwd "$line" env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    done
    run --separate-stderr with_passwd 'no\033[31mbody:x:65534:1::/:' \
        env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    [[ $stderr == *'of user no\x1b[31mbody;'* ]]
    mkfifo "$BATS_TEST_TMPDIR/fifo"
    run --separate-stderr timeout 10 unshare -m sh -c 'mount --bind "$0" /etc/passwd && exec "$@"' "$BATS_TEST_TMPDIR/fifo" \
        env REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    [[ $stderr == *"of uid 65534;"* ]]
}

@test "the explanation leaves no descriptor open, opens none for others to inherit, and is bounded" {
    need strace
    local trace=$BATS_TEST_TMPDIR/trace
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    strace -o "$trace" -E REUSEPORT_PORTS="$PORT" -E LD_PRELOAD="$LIBRARY" \
        "$PROBES/probe" socket tcp4 mark bind 127.0.0.1 "$PORT" mark >/dev/null 2>&1
    sed -i '/getppid/,/getppid/!d' "$trace"
    grep -q openat "$trace"
    [ "$(grep -cE '^openat.*= [0-9]+$' "$trace")" = "$(grep -cE '^close.*= 0$' "$trace")" ]
    [ "$(grep -c openat "$trace")" = "$(grep -c 'openat.*O_CLOEXEC' "$trace")" ]
    # 10 000 descriptors of one process before any other are all it looks at (explain.h).
    spawn many prlimit --nofile=20000:20000 "$PROBES/probe" descriptors 12000 pause
    wait_until has_descriptors "$PID" 12000
    strace -o "$trace" -E REUSEPORT_PORTS="$PORT" -E LD_PRELOAD="$LIBRARY" \
        "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" >/dev/null 2>&1
    [ "$(grep -c '^readlinkat' "$trace")" -le 10000 ]
}

has_descriptors() {
    [ "$(find "/proc/$1/fd" -mindepth 1 | wc -l)" -ge "$2" ]
}

@test "where nothing could be said, nothing is opened" {
    need strace
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    strace -o "$BATS_TEST_TMPDIR/trace" -E REUSEPORT_PORTS="$PORT" -E LD_PRELOAD="$LIBRARY" \
        "$PROBES/probe" socket tcp4 mark bind 127.0.0.1 "$PORT" mark >/dev/null 2>&-
    sed -i '/getppid/,/getppid/!d' "$BATS_TEST_TMPDIR/trace"
    grep -q bind "$BATS_TEST_TMPDIR/trace"
    run ! grep openat "$BATS_TEST_TMPDIR/trace"
}
