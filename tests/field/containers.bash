# SPDX-License-Identifier: MIT
# What the tests of containers have in common: a machine of the test's own, in which podman runs as root, with images
# that are made on the spot. It loads ../replacement.bash, whose NET, FAR, ADDRESS and PORT it sets.
#
#     boot_podman                boots it; the end of the test takes it down, with all containers
#     in_machine COMMAND...      runs there, as podman's user on the host
#     podman WORD...             podman there
#     add_image NAME FOLDER CHANGE...  makes an image of the folder; CHANGE as in podman import --change
#     image_roots                makes the folders product, musl and glibc: roots of images
#
# shellcheck disable=SC2034 # for the tests that load this

load "$BATS_TEST_DIRNAME/../replacement"

MACHINE_PID=
MACHINE_CGROUPS=()

setup() {
    setup_replacement
    PORT=8080 # in the machine's own network
}

teardown() {
    [ -n "${BATS_TEST_COMPLETED:-}" ] || show_logs || true
    NET=()
    shut_down_machine
    stop_all
}

show_logs() {
    local name
    cat "$(log machine)"
    podman ps -a --format '{{.Names}} {{.Status}}'
    for name in $(podman ps -a --format '{{.Names}}'); do
        podman logs --tail 20 "$name" 2>&1 | sed "s/^/$name: /"
    done
}

boot_podman() {
    local machine=$BATS_TEST_TMPDIR/machine
    need_root
    need podman runc conmon tini unshare nsenter ip iptables musl-gcc
    [ -x /usr/lib/podman/netavark ] || missing netavark
    need_unshare --mount --net --ipc --uts --pid --fork --cgroup
    make_cgroups
    mkdir -p "$machine/etc" "$machine/storage"
    configure_podman "$machine/etc"
    spawn machine setpriv --pdeathsig KILL unshare --mount --net --ipc --uts --pid --fork --kill-child --mount-proc \
        sh "$BATS_TEST_DIRNAME/podman.sh" "$machine" "${MACHINE_CGROUPS[@]}"
    wait_until test -e "$machine/ready" || {
        cat "$(log machine)"
        return 1
    }
    MACHINE_PID=$(cat "/proc/$PID/task/$PID/children")
    MACHINE_PID=${MACHINE_PID% }
    FAR=(nsenter --target "$MACHINE_PID" --net)
    NET=("${FAR[@]}")
}

# A group of the test's own in each hierarchy: all those of version 1, or else the one of version 2, which with the
# others there has no controllers, as podman wants them.
make_cgroups() {
    local hierarchy group type hierarchies=()
    for type in cgroup cgroup2; do
        [ "${#hierarchies[@]}" -gt 0 ] || mapfile -t hierarchies < <(findmnt -rnt "$type" -o TARGET)
    done
    [ "${#hierarchies[@]}" -gt 0 ] || missing "cgroups"
    for hierarchy in "${hierarchies[@]}"; do
        group=$hierarchy/reuseport-$BASHPID
        MACHINE_CGROUPS+=("$group")
        mkdir "$group" 2>/dev/null || missing "the right to make groups in $hierarchy"
        # A cpuset has neither CPU nor memory until it is given some.
        [ ! -e "$hierarchy/cgroup.clone_children" ] || echo 1 >"$group/cgroup.clone_children"
        for type in cpuset.cpus cpuset.mems; do
            [ ! -e "$hierarchy/$type" ] || cat "$hierarchy/$type" >"$group/$type"
        done
        mkdir "$group/operator"
    done
}

# Settings that say where, and nothing about what a container may do. Names without a registry mean images made here.
configure_podman() {
    cp /etc/containers/policy.json "$1"
    echo 'unqualified-search-registries = ["docker.io"]' >"$1/registries.conf"
    cat >"$1/containers.conf" <<END
[containers]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
compat_api_enforce_docker_hub = false
[network]
network_backend = "netavark"
END
}

in_machine() {
    # shellcheck disable=SC2016 # for that shell
    sh -c 'while [ "$1" != -- ]; do echo 0 >"$1/operator/cgroup.procs"; shift; done; shift; exec "$@"' sh \
        "${MACHINE_CGROUPS[@]}" -- \
        nsenter --target "$MACHINE_PID" --mount --net --ipc --uts --pid --cgroup --wdns="$PWD" "$@" 3>&-
}

podman() {
    in_machine podman "$@"
}

# In its network alone: clients.
from_outside() {
    "${FAR[@]}" "$@"
}

# host_pid CONTAINER: its first process, as the host numbers it.
host_pid() {
    local pid found
    pid=$(podman inspect --format '{{.State.Pid}}' "$1")
    descendants "$MACHINE_PID" | while read -r found; do
        ! grep -qsE "^NSpid:[[:space:]]+${found}[[:space:]]+${pid}([[:space:]]|$)" "/proc/$found/status" || echo "$found"
    done
}

# Its first process takes all others along.
shut_down_machine() {
    local group
    if [ -n "$MACHINE_PID" ]; then
        kill -KILL "$MACHINE_PID" 2>/dev/null || true
        wait_until_ended "$MACHINE_PID"
        MACHINE_PID=
    fi
    for group in "${MACHINE_CGROUPS[@]}"; do
        wait_until remove_group "$group"
    done
    MACHINE_CGROUPS=()
}

remove_group() {
    [ ! -d "$1" ] || find "$1" -depth -type d -exec rmdir {} +
}

# add_image NAME FOLDER CHANGE...
add_image() {
    local change changes=()
    for change in "${@:3}"; do changes+=(--change "$change"); done
    tar --owner 0 --group 0 -C "$2" -c . | podman import -q "${changes[@]}" - "$1"
}

image_roots() {
    mkdir -p product musl/lib musl/tmp glibc/tmp glibc/bin
    chmod 1777 musl/tmp glibc/tmp
    cp "$BUILD/static/reuseport" "$BUILD/libreuseport.so" product
    musl-gcc -D_GNU_SOURCE -o musl/server "$ROOT/examples/server.c"
    cp -L /lib/ld-musl-*.so.1 musl/lib
    cp "$BUILD/examples/server" glibc
    cp /bin/dash glibc/bin/sh
    with_libraries glibc glibc/server glibc/bin/sh
}

# with_libraries ROOT PROGRAM...: copies what the programs are linked with, of the host, into the root.
with_libraries() {
    local library
    for library in $(ldd "${@:2}" | grep -o '/[^ :]* (' | cut -d' ' -f1 | sort -u); do
        mkdir -p "$1${library%/*}"
        cp -L "$library" "$1$library"
    done
}
