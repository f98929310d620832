#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what the tests and `make lint` need, on Debian or Ubuntu, after saying what; elsewhere, and without root or
# sudo, says what is missing.
#     deps.sh         for `make test` and `make lint`
#     deps.sh field   what `make field` and `make field-containers` need: managers, podman, cross-compilers, emulators,
#                     preload libraries of others, and what roots.sh and bookworm.sh need
#     deps.sh field-servers   the servers that `make field-servers` runs
#     deps.sh field-suites   what suites.sh and the suites of `make field-suites` need
set -eu

suite=${1:-test}

# command:package. The package counts as installed where the command is found.
wanted='
    gcc:gcc bats:bats parallel:parallel musl-gcc:musl-tools ip:iproute2 ss:iproute2 setpriv:util-linux flock:util-linux
    strace:strace curl:curl nft:nftables python3:python3 clang:clang readelf:binutils
    nginx:nginx-light redis-server:redis-server memcached:memcached haproxy:haproxy lighttpd:lighttpd
    dnsmasq:dnsmasq-base node:nodejs javac:default-jdk-headless wrk:wrk setcap:libcap2-bin mandoc:mandoc
    systemd-analyze:systemd ps:procps script:bsdutils gnuplot:gnuplot-nox valgrind:valgrind
    redis-benchmark:redis-tools sysctl:procps zsh:zsh fish:fish
    prometheus-node-exporter:prometheus-node-exporter etcd:etcd-server rclone:rclone esbuild:esbuild
    qemu-s390x:qemu-user tini:tini dumb-init:dumb-init
    clang-format:clang-format clang-tidy:clang-tidy cppcheck:cppcheck shellcheck:shellcheck'
[ "$suite" != field ] || wanted='
    bats:bats unshare:util-linux ip:iproute2 systemctl:systemd systemd-run:systemd redis-server:redis-server
    runsv:runit supervisord:supervisor s6-supervise:s6 tini:tini dumb-init:dumb-init
    debootstrap:debootstrap dpkg-deb:dpkg lintian:lintian gcc:gcc clang:clang musl-gcc:musl-tools readelf:binutils qemu-s390x:qemu-user
    faketime:faketime eatmydata:eatmydata torsocks:torsocks fakeroot:fakeroot valgrind:valgrind
    podman:podman runc:runc iptables:iptables /usr/libexec/podman/catatonit:catatonit /usr/lib/podman/netavark:netavark
    /usr/lib/podman/aardvark-dns:aardvark-dns docker-compose:docker-compose'
# Those of its servers that `make field` runs, or all.
servers=${0%/*}/field/servers.table
[ "$suite" != field ] || wanted="$wanted $(awk '$1 == "needs" { $1 = ""; needs = $0 } $1 == "slice" { print needs }' "$servers")"
[ "$suite" != field-servers ] || wanted="unshare:util-linux ip:iproute2 python3:python3 $(sed -n 's/^needs *//p' "$servers")"
# The suite that `make field` runs, or all.
suites=${0%/*}/field/suites.table
sources='dpkg-source:dpkg-dev tclsh:tcl unshare:util-linux ip:iproute2'
[ "$suite" != field ] || wanted="$wanted $sources"
[ "$suite" != field-suites ] || wanted="$sources python3:python3 $(sed -n 's/^needs *//p' "$suites")"

# compiles COMMAND...: whether it makes programs that use the system's headers.
compiles() {
    echo 'int main(void) { return 0; }' | "$@" -include sys/socket.h -x c -o /dev/null - 2>/dev/null
}

# without_command: adds to $missing what no command shows.
without_command() {
    without_sanitizers
    /usr/bin/python3 -c 'import yaml' 2>/dev/null || missing="$missing python3-yaml"
    # Static, unlike the package busybox.
    dpkg -s busybox-static >/dev/null 2>&1 || missing="$missing busybox-static"
    # 32-bit programs, on the one machine that runs them besides its own. gcc-12-multilib alone lacks headers.
    [ "$(uname -m)" != x86_64 ] || compiles gcc -m32 -static || missing="$missing gcc-multilib"
    # Another CPU, big-endian.
    without_cross s390x s390x-linux-gnu
}

# The sanitizers and libFuzzer of clang.
without_sanitizers() {
    printf 'int LLVMFuzzerTestOneInput(void);int LLVMFuzzerTestOneInput(void){return 0;}' |
        clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null || missing="$missing libclang-rt-dev"
}

# without_cross CPU TRIPLET: adds what lacks for programs of that CPU. The compiler is clang: gcc's for other CPUs cannot
# stand beside gcc-multilib.
without_cross() {
    # gcc-multilib has a libc for i386, but not where an emulator looks for it.
    [ "$1" != i386 ] || [ -e /usr/i686-linux-gnu/lib/libc.so ] || set -- "$@" none
    { [ $# = 2 ] && compiles clang --target="$2"; } ||
        missing="$missing binutils-$2 libc6-dev-$1-cross libgcc-$(gcc -dumpversion 2>/dev/null || echo 12)-dev-$1-cross"
}

# For make field.
without_field() {
    without_sanitizers
    [ "$(uname -m)" != x86_64 ] || compiles gcc -m32 || missing="$missing gcc-multilib"
    for package in libjemalloc2 libtcmalloc-minimal4; do
        dpkg -s $package >/dev/null 2>&1 || missing="$missing $package"
    done
    without_cross arm64 aarch64-linux-gnu
    without_cross armhf arm-linux-gnueabihf
    without_cross i386 i686-linux-gnu
    without_cross mips64el mips64el-linux-gnuabi64
    without_cross ppc64el powerpc64le-linux-gnu
    without_cross riscv64 riscv64-linux-gnu
    without_cross s390x s390x-linux-gnu
}

missing=
for pair in $wanted; do
    case " $missing " in
    *" ${pair#*:} "*) continue ;;
    esac
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
case $suite in
test) without_command ;;
field) without_field ;;
esac

if [ -z "$missing" ]; then
    echo "Everything that make $suite needs is installed."
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "Not a Debian or Ubuntu: please install what these Debian packages hold:$missing" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
    sudo=sudo
    if ! command -v sudo >/dev/null; then
        echo "Neither root nor sudo: please have these packages installed:$missing" >&2
        exit 1
    fi
fi

echo "Installing:$missing"
# Debian asks this script before it starts a service (invoke-rc.d(8)): who runs tests does not want nginx on port 80.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$sudo rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
    $sudo chmod 755 $policy
fi
$sudo apt-get update -q
# shellcheck disable=SC2086 # a list of names
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
