#!/bin/sh
# Installs what the tests and `make lint` need, on Debian or Ubuntu; elsewhere prints what to install.
set -eu

# command:package, the package being left alone where the command is there already.
wanted='
    gcc:gcc bats:bats musl-gcc:musl-tools ip:iproute2 ss:iproute2 setpriv:util-linux flock:util-linux
    strace:strace curl:curl python3:python3 clang:clang readelf:binutils
    nginx:nginx-light redis-server:redis-server memcached:memcached haproxy:haproxy lighttpd:lighttpd
    dnsmasq:dnsmasq-base node:nodejs javac:default-jdk-headless wrk:wrk setcap:libcap2-bin mandoc:mandoc
    systemd-analyze:systemd ps:procps script:bsdutils npm:npm gnuplot:gnuplot-nox valgrind:valgrind
    redis-benchmark:redis-tools sysctl:procps
    prometheus-node-exporter:prometheus-node-exporter etcd:etcd-server rclone:rclone
    clang-format:clang-format clang-tidy:clang-tidy cppcheck:cppcheck shellcheck:shellcheck'

missing=
for pair in $wanted; do
    case " $missing " in
    *" ${pair#*:} "*) continue ;;
    esac
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
# The sanitizers and libFuzzer of clang, which have no command.
printf 'int LLVMFuzzerTestOneInput(void);int LLVMFuzzerTestOneInput(void){return 0;}' |
    clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null || missing="$missing libclang-rt-dev"
/usr/bin/python3 -c 'import yaml' 2>/dev/null || missing="$missing python3-yaml"
# Static, which the plain package is not.
dpkg -s busybox-static >/dev/null 2>&1 || missing="$missing busybox-static"
# 32-bit programs, on the one machine that runs them besides its own.
[ "$(uname -m)" != x86_64 ] || echo 'int main(void){return 0;}' | gcc -m32 -static -x c -o /dev/null - 2>/dev/null ||
    missing="$missing gcc-multilib"

if [ -n "$missing" ] && ! command -v apt-get >/dev/null; then
    echo "Not a Debian or Ubuntu. Please install what these Debian packages hold:$missing"
    exit 1
fi
install_packages() {
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo

    # Nobody who wants to run tests wants nginx on port 80: Debian asks this script before it starts a
    # service (invoke-rc.d(8)).
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap '$sudo rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
        $sudo chmod 755 $policy
    fi
    $sudo apt-get update -q
    # shellcheck disable=SC2086 # a list of names
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}

[ -z "$missing" ] || install_packages
# A Go program that is linked statically.
[ -x "$BUILD/npm/node_modules/.bin/esbuild" ] || npm install --silent --no-fund --no-audit --prefix "$BUILD/npm" esbuild@0.25
