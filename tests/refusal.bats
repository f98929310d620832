#!/usr/bin/env bats
# Why a bind to a shared port was refused: the kernel's rule of one user to a port, and what the library
# says of it.

load helpers

setup() {
    lease_port PORT
}

# refused LINE COMMAND...: the command cannot bind, and stderr holds just this line of the library's.
refused() {
    run --separate-stderr "${@:2}"
    echo "$output / $stderr"
    [[ $output == *"bind=Address already in use"* ]]
    [ "$stderr" = "$1" ]
}

@test "a copy of another user is refused by the kernel, and the message names both users" {
    need_root
    spawn holder shared "$BUILD/examples/server" "$PORT" 127.0.0.1 65534
    wait_until listens "$PORT"
    refused "libreuseport: bind 127.0.0.1:$PORT/tcp: in use by user nobody, and this is user root; only sockets of one user share a port" \
        shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    refused "libreuseport: bind 0.0.0.0:$PORT/tcp: in use by user nobody, and this is uid 4711; only sockets of one user share a port" \
        shared "$PROBES/probe" user 4711 socket tcp4 bind 0.0.0.0 "$PORT"
    # Both of one user after they gave up root.
    spawn second shared "$BUILD/examples/server" "$PORT" 127.0.0.1 65534
    wait_until listeners_are "$PORT" 2
}

# bats test_tags=sanitized
@test "a UDP port of another user, on IPv6" {
    need_root
    spawn holder shared "$PROBES/probe" user 65534 socket udp6 bind ::1 "$PORT" pause
    wait_until bound_udp_are "$PORT" 1
    refused "libreuseport: bind [::1]:$PORT/udp: in use by user nobody, and this is user root; only sockets of one user share a port" \
        shared "$PROBES/probe" socket udp6 bind ::1 "$PORT"
}

# bats test_tags=sanitized
@test "a holder of the same user that does not share" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    refused "libreuseport: bind 127.0.0.1:$PORT/tcp: in use by user $(id -un), whose socket does not share it" \
        shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
}

# bats test_tags=sanitized
@test "the message comes once for a port and process, and not at all when off" {
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    run --separate-stderr shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" bind 127.0.0.1 "$PORT"
    [ "${#stderr_lines[@]}" = 1 ]
    REUSEPORT_LOG=off run --separate-stderr shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
    [[ $output == *"already in use"* && -z $stderr ]]
}

# bats test_tags=sanitized
@test "a socket on an address that is not in the way is not blamed" {
    need_root
    spawn other "$BUILD/examples/server" "$PORT" 127.0.0.9 65534
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listeners_are "$PORT" 2
    refused "libreuseport: bind 127.0.0.1:$PORT/tcp: in use by user root, whose socket does not share it" \
        shared "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT"
}
