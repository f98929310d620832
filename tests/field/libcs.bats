#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# One file in programs of several releases of Debian, from glibc 2.31 on, and one that the newest compiler has built.
# DEBIANS names the releases.

load work
load ../library-file

DEBIANS=${DEBIANS:-bullseye trixie}

# enter RELEASE: LAUNCH runs commands in its root (roots.sh), where the folder of the test is /tmp.
enter() {
    local root=$BUILT_IN/$1
    need_root
    need_unshare --mount
    [ -d "$root" ] || missing "$root, which make field-deps DEBIANS=$1 provides"
    LAUNCH=(unshare --mount sh -ec 'mount --rbind /proc "$1/proc"; mount --bind "$2" "$1/tmp"; root=$1; shift 2
        exec chroot "$root" "$@"' sh "$root" "$PWD")
    echo "$1: $("${LAUNCH[@]}" sh -c '/lib/*-linux-gnu*/libc.so.6' | head -n 1)"
}

# works_in RELEASE LIBRARY: in that release's perl.
works_in() {
    enter "$1"
    does_its_work "${LAUNCH[@]}" env LD_PRELOAD="$2" perl /tmp/server.pl
}

# What examples/server is, in a language that each root has.
perl_server() {
    cat >server.pl <<'END'
use Socket;
$| = 1;
my ($port, $address) = @ARGV;
sub fail { print STDERR "server $$: $_[0]: $!\n"; exit 1 }
socket(my $listener, AF_INET, SOCK_STREAM, 0) or fail("socket");
bind($listener, pack_sockaddr_in($port, inet_aton($address))) or fail("bind");
listen($listener, 512) or fail("listen");
print "server $$: listening on $address:$port\n";
while (1) {
    accept(my $client, $listener) or next;
    syswrite($client, "pid $$\n");
}
END
}

@test "one file shares, explains and tells of an error in programs of each release of Debian" {
    local release
    perl_server
    cp "$LIBRARY" .
    for release in $DEBIANS; do
        works_in "$release" /tmp/libreuseport.so
    done
}

@test "the static command starts programs there, and lists what they share" {
    local release listed
    perl_server
    cp "$LIBRARY" "$BUILT_IN/static/reuseport" .
    for release in $DEBIANS; do
        enter "$release"
        lease_port PORT
        shares "${LAUNCH[@]}" /tmp/reuseport run perl /tmp/server.pl
        listed=$("${LAUNCH[@]}" /tmp/reuseport list "$PORT")
        echo "$listed"
        [ "$(grep -c "^tcp .*$PORT .*perl" <<<"$listed")" = 2 ]
        stop_all
    done
}

# bats test_tags=sid
@test "built by the compiler of sid, against its glibc, the file works in bullseye" {
    perl_server
    mkdir source
    cp -a "$ROOT"/{Makefile,shim,examples} source
    mkdir source/tests
    cp -a "$ROOT/tests/tests.mk" source/tests
    enter sid
    "${LAUNCH[@]}" make -s -C /tmp/source BUILD=/tmp/built CC=gcc CFLAGS='-O2 -Werror' all
    fits_every_libc built/libreuseport.so
    works_in bullseye /tmp/built/libreuseport.so
    works_in sid /tmp/built/libreuseport.so
}
