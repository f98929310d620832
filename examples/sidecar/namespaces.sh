#!/bin/sh
# SPDX-License-Identifier: MIT
# What pod.yaml asks for, without a container engine: a pod and its containers made of namespaces, by
# unshare(1). One server is a program of musl, the other one of glibc, and both listen on one port.
#
#     namespaces.sh PORT [COMMAND [ARGUMENT]...]
#
# COMMAND runs in the pod as soon as both listen; without one, it is the example client. The environment
# of both servers is in SETTINGS. Needs root, python3, iproute2, a compiler, musl-gcc and `make all static`.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
BUILD=$(cd "${BUILD:-$here/../../build}" && pwd)
user=65534
export BUILD

title() {
    printf '\n%s\n' "$*"
}

# Runs in a root, as a user and with an environment that are the program's alone: `env LD_PRELOAD=… chroot`
# would have chroot itself look for a library that is not there yet.
enter='
import os, sys
root, user, settings, *command = sys.argv[1:]
os.chroot(root)
os.chdir("/")
os.setgroups([])
os.setgid(int(user))
os.setuid(int(user))
os.execve(command[0], command, dict(setting.split("=", 1) for setting in settings.split()))'

# container ROOT FOLDER rw|ro first|child COMMAND...: what happens in a container's own namespaces: it gets the
# shared folder, its /proc, and COMMAND, as its first process or, as under `docker run --init`, as a child. The
# client tells servers apart by PID, and two first processes would both be 1.
container() {
    root=/run/$1 folder=/run/$1$2 access=$3 process=$4
    shift 4
    mount --bind /run/shared "$folder"
    mount -o "remount,bind,$access" "$folder"
    mount -t proc proc "$root/proc"
    [ "$process" = child ] || exec python3 -c "$enter" "$root" "$user" "$settings" "$@"
    python3 -c "$enter" "$root" "$user" "$settings" "$@"
}

in_container() {
    unshare --mount --pid --fork sh "$here/namespaces.sh" --container "$@"
}

# Starts a container and waits until its server has said something; its PID there is in $pid.
start() {
    log=/run/$1.log
    in_container "$@" >"$log" 2>&1 &
    while ! grep -q . "$log" && kill -0 $! 2>/dev/null; do sleep 0.02; done
    sed "s/^/    $1: /" "$log"
    grep -q listening "$log"
    pid=$(sed 's/^server \([0-9]*\):.*/\1/' "$log")
}

# The three roots, of the image and of two containers that know nothing of it or of each other; and a client.
build_roots() {
    mkdir -p image/proc image/shared musl/proc musl/reuseport musl/lib glibc/proc glibc/reuseport
    cp "$BUILD/static/reuseport" "$BUILD/libreuseport.so" image
    "${MUSL_CC:-musl-gcc}" -D_GNU_SOURCE -o musl/server "$here/../server.c"
    cp -L /lib/ld-musl-*.so.1 musl/lib
    "${CC:-cc}" -D_GNU_SOURCE -o glibc/server "$here/../server.c"
    for library in $(ldd glibc/server | grep -o '/[^ ]*'); do
        mkdir -p "glibc${library%/*}"
        cp -L "$library" "glibc$library"
    done
    "${CC:-cc}" -D_GNU_SOURCE -o client "$here/../client.c"
}

# What happens in the pod's own namespaces. Its /run is a place that nobody else sees.
pod() {
    port=$1
    shift
    settings=${SETTINGS-LD_PRELOAD=/reuseport/libreuseport.so REUSEPORT_PORTS=$port}
    export settings
    ip link set lo up
    mount -t tmpfs -o mode=755 pod /run
    (cd /run && build_roots)
    mkdir -m 777 /run/shared

    title "1. The init container, an image of nothing but the command and the library, fills the folder:"
    settings='' in_container image /shared rw first /reuseport install-lib /shared >/run/image.log
    sed 's/^/    /' /run/image.log

    title "2. Two containers start on port $port, each with its own libc, mounts and PIDs:"
    start musl /reuseport ro first /server "$port"
    musl_pid=$pid
    start glibc /reuseport ro child /server "$port"

    if [ $# -gt 0 ]; then
        "$@"
    else
        title "3. 60 connections are spread over them:"
        /run/client "$port" 60 |
            sed "s/^pid $musl_pid /    musl:  &/; s/^pid $pid /    glibc: &/"
    fi
}

case ${1:-} in
--container | --pod)
    what=${1#--}
    shift
    $what "$@"
    exit
    ;;
[1-9]*) ;;
*)
    echo "usage: namespaces.sh PORT [COMMAND [ARGUMENT]...]" >&2
    exit 2
    ;;
esac
if [ "$(id -u)" != 0 ]; then
    echo "namespaces.sh: needs root, to make namespaces and to start servers as user $user" >&2
    exit 1
fi
# The end of this process, even by KILL, ends the first one in the pod, and that ends all others.
setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc \
    sh "$here/namespaces.sh" --pod "$@" &
top=$!
trap 'kill -KILL $top; exit 130' INT TERM
wait $top
