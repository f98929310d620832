#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What the library does to a socket, as the kernel reports it afterwards; the list's own rows are in
# list.bats.

load helpers

setup() {
    lease_port PORT
}

# probe STEP...: what the probe prints, on one line.
probe() {
    run --separate-stderr shared "$PROBES/probe" "$@"
    output=${output//$'\n'/ }
    echo "$output ($stderr)"
}

@test "the library really is loaded: the option is on with it and off without it" {
    run "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *reuseport=0* ]]
    probe socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *reuseport=1* ]]
}

# bats test_tags=sanitized
@test "TCP and UDP, IPv4, IPv6, IPv4-mapped, IPv6-only and MPTCP sockets share a listed port" {
    local kind address
    while read -r kind address; do
        probe socket "$kind" bind "$address" "$PORT" get
        [[ $output == "bind=ok reuseport=1 reuseaddr=0" ]]
    done <<'END'
tcp4 127.0.0.1
tcp4 0.0.0.0
tcp4 unspec
tcp6 ::1
tcp6 ::
tcp6 ::ffff:127.0.0.1
udp4 127.0.0.1
udp4 unspec
udp6 ::1
udp6 ::
udp6 ::ffff:127.0.0.1
mptcp4 127.0.0.1
END
    probe socket tcp6 v6only 1 bind :: "$PORT" get
    [[ $output == "bind=ok reuseport=1 reuseaddr=0" ]]
}

@test "a second process binds, listens and is on the same port" {
    spawn first shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    spawn second shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listeners_are "$PORT" 2
}

# bats test_tags=sanitized
@test "AF_UNIX, AF_NETLINK and raw sockets, and port 0, are left alone" {
    REUSEPORT_PORTS=all probe socket unix bind path "reuseport-$PORT" get
    [[ $output == "bind=ok reuseport=0 reuseaddr=0" ]]
    REUSEPORT_PORTS=all probe socket netlink bind netlink 0 get
    [[ $output == "bind=ok reuseport=0 reuseaddr=0" ]]
    REUSEPORT_PORTS=all probe socket udp4 bind 127.0.0.1 0 get
    [[ $output == "bind=ok reuseport=0 reuseaddr=0" ]]
    need_root
    REUSEPORT_PORTS=all probe socket raw4 bind 127.0.0.1 "$PORT" get
    [[ $output == "bind=ok reuseport=0 "* ]]
}

# bats test_tags=sanitized
@test "an address of another family than the socket's fails as ever and changes nothing" {
    probe socket unix bind 127.0.0.1 "$PORT" get
    [[ $output == "bind=Invalid argument reuseport=0 reuseaddr=0" ]]
    probe socket tcp4 bind ::1 "$PORT" get
    [[ $output == "bind=Address family not supported by protocol reuseport=0 reuseaddr=0" ]]
}

# bats test_tags=sanitized
@test "an entry with ! switches the option off that the program set itself" {
    REUSEPORT_PORTS="all,!$PORT" probe socket tcp4 reuseport 1 bind 127.0.0.1 "$PORT" get
    [[ $output == "bind=ok reuseport=0 reuseaddr=0" ]]
    REUSEPORT_PORTS="!$PORT/udp" probe socket tcp4 reuseport 1 bind 127.0.0.1 "$PORT" get
    [[ $output == "bind=ok reuseport=1 reuseaddr=0" ]]
}

# bats test_tags=sanitized
@test "REUSEPORT_AT=socket sets the option on TCP sockets at once, and never on UDP" {
    export REUSEPORT_AT=socket REUSEPORT_PORTS="all/tcp,!$PORT"
    probe socket tcp4 get socket tcp6 get socket mptcp4 get
    [[ $output == "reuseport=1 reuseaddr=0 reuseport=1 reuseaddr=0 reuseport=1 reuseaddr=0" ]]
    probe socket udp4 get socket unix get socket netlink get
    [[ $output == "reuseport=0 reuseaddr=0 reuseport=0 reuseaddr=0 reuseport=0 reuseaddr=0" ]]
    # A server's first socket may be descriptor 0.
    run bash -c 'LD_PRELOAD=$0 exec "$@" <&-' "$LIBRARY" "$PROBES/probe" socket tcp4 get
    [[ ${lines[0]} == reuseport=1 ]]
    # What the list denies is decided at bind, as always.
    probe socket tcp4 get bind 127.0.0.1 "$PORT" get
    [[ $output == "reuseport=1 reuseaddr=0 bind=ok reuseport=0 reuseaddr=0" ]]
    REUSEPORT_PORTS=all probe socket udp4 bind 127.0.0.1 "$PORT" get
    [[ $output == "bind=ok reuseport=1 reuseaddr=0" ]]
}

# bats test_tags=sanitized
@test "REUSEPORT_REUSEADDR=1 sets SO_REUSEADDR on shared TCP sockets, and never on UDP" {
    export REUSEPORT_REUSEADDR=1
    probe socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == "bind=ok reuseport=1 reuseaddr=1" ]]
    probe socket udp4 bind 127.0.0.1 "$PORT" get
    [[ $output == "bind=ok reuseport=1 reuseaddr=0" ]]
    REUSEPORT_PORTS="!$PORT" probe socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == "bind=ok reuseport=0 reuseaddr=0" ]]
    REUSEPORT_REUSEADDR=0 probe socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == "bind=ok reuseport=1 reuseaddr=0" ]]
}

@test "no list, or an empty one, and the library does nothing and says nothing" {
    REUSEPORT_PORTS='' REUSEPORT_AT=nonsense REUSEPORT_LOG=info \
        probe socket tcp4 reuseport 1 bind 127.0.0.1 "$PORT" get
    [[ $output == "bind=ok reuseport=1 reuseaddr=0" && -z $stderr ]]
    run --separate-stderr env LD_PRELOAD="$LIBRARY" REUSEPORT_LOG=info \
        "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *reuseport=0* && -z $stderr ]]
}

# bats test_tags=sanitized
@test "a failed bind leaves the options as the program had them, whatever the socket is used for next" {
    local other
    lease_port other
    spawn holder "$BUILD/examples/server" "$PORT" 127.0.0.1
    wait_until listens "$PORT"
    export REUSEPORT_REUSEADDR=1 REUSEPORT_LOG=off
    probe socket tcp4 bind 127.0.0.1 "$PORT" get bind 127.0.0.1 0 get
    [[ $output == "bind=Address already in use reuseport=0 reuseaddr=0 bind=ok reuseport=0 reuseaddr=0" ]]
    probe socket tcp4 reuseport 1 reuseaddr 1 bind 127.0.0.1 "$PORT" get bind 127.0.0.1 "$other" get
    [[ $output == "bind=Address already in use reuseport=1 reuseaddr=1 bind=ok reuseport=1 reuseaddr=1" ]]
    REUSEPORT_PORTS="!$PORT" probe socket tcp4 reuseport 1 bind 127.0.0.1 "$PORT" get
    [[ $output == "bind=Address already in use reuseport=1 reuseaddr=0" ]]
    probe socket tcp4 bind ::1 "$PORT" get bind 127.0.0.1 0 get
    [[ $output == "bind=Address family not supported by protocol reuseport=0 reuseaddr=0 bind=ok reuseport=0 reuseaddr=0" ]]
}

# bats test_tags=sanitized
@test "REUSEPORT_LOG=info tells of the load and of each socket, in one line each" {
    REUSEPORT_LOG=info REUSEPORT_PORTS="$PORT,!1-99" probe socket tcp4 bind 127.0.0.1 "$PORT" \
        socket udp6 bind ::1 "$PORT" socket tcp6 bind 2001:db8::1 "$PORT" socket tcp4 bind 127.0.0.1 0
    [ "$stderr" = "libreuseport: loaded, sharing \"$PORT,!1-99\"
libreuseport: bind 127.0.0.1:$PORT/tcp: shared
libreuseport: bind [::1]:$PORT/udp: shared" ]
}

# bats test_tags=sanitized
@test "a wrong setting gives one line and an inert library" {
    local setting line
    while IFS='|' read -r setting line; do
        run --separate-stderr env "$setting" REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" \
            "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
        echo "$setting: $stderr"
        [ "$stderr" = "libreuseport: $line; sharing nothing" ]
        [[ $output == *reuseport=0* ]]
    done <<'END'
REUSEPORT_AT=listen|REUSEPORT_AT: "listen": not bind or socket
REUSEPORT_AT=Bind|REUSEPORT_AT: "Bind": not bind or socket
REUSEPORT_AT=socket|REUSEPORT_AT: "socket": needs all or all/tcp in REUSEPORT_PORTS
REUSEPORT_REUSEADDR=yes|REUSEPORT_REUSEADDR: "yes": not 0 or 1
REUSEPORT_AT=nowhere|REUSEPORT_AT: "nowhere": not bind or socket
REUSEPORT_LOG=debug|REUSEPORT_LOG: "debug": not off, warn or info
REUSEPORT_LOG=inf|REUSEPORT_LOG: "inf": not off, warn or info
REUSEPORT_REUSEADDR=10|REUSEPORT_REUSEADDR: "10": not 0 or 1
END
    # One that is too long to be kept.
    local long
    printf -v long '%0200d' 7
    run --separate-stderr env REUSEPORT_AT="$long" REUSEPORT_PORTS="$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe"
    [ "$stderr" = "libreuseport: REUSEPORT_AT: \"${long:0:48}...\": not bind or socket; sharing nothing" ]
    # An error in the list counts as well when nothing is to be said.
    run --separate-stderr env REUSEPORT_LOG=off REUSEPORT_PORTS="$PORT,x" LD_PRELOAD="$LIBRARY" \
        "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *reuseport=0* && -z $stderr ]]
}

# bats test_tags=sanitized
@test "all/udp, !all and an address do not stand for all where REUSEPORT_AT=socket needs it" {
    local list
    for list in all/udp '!all' 127.0.0.1:all 1-65535 8080-8090; do
        REUSEPORT_AT=socket REUSEPORT_PORTS=$list probe socket tcp4 get
        [[ $output == *reuseport=0* ]]
        [ "$stderr" = 'libreuseport: REUSEPORT_AT: "socket": needs all or all/tcp in REUSEPORT_PORTS; sharing nothing' ]
    done
}

@test "a static program is out of reach, as every preload's" {
    run shared "$PROBES/static-probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *bind=ok*reuseport=0* ]]
}

@test "a secure-execution process ignores every variable" {
    need_root
    # The loader takes a set-user-id library by its name from a system directory alone.
    need setpriv
    local dir=$BATS_TEST_TMPDIR/secure
    mkdir -p "$dir"
    cp "$PROBES/linked-probe" "$dir/probe"
    chmod 755 "$BATS_TEST_TMPDIR" "$dir"
    run --separate-stderr env REUSEPORT_PORTS="$PORT" setpriv --reuid 65534 --clear-groups \
        "$dir/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    echo "$output $stderr"
    [[ $output == *reuseport=1* ]]
    chmod u+s "$dir/probe"
    run --separate-stderr env REUSEPORT_PORTS="$PORT,x" setpriv --reuid 65534 --clear-groups \
        "$dir/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    echo "$output $stderr"
    [[ $output == *reuseport=0* && -z $stderr ]]
}
