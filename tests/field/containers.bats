#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# The examples' images and pods under a real podman, and what run, list and replace do in its containers.

load containers

setup_file() {
    need musl-gcc
    make -s -C "$ROOT" BUILD="$BUILD" static
}

# Two containers' programs, as images that "somebody else built": one is the first process of its container, the
# other one a child of a shell, by which their answers can be told apart.
pod_images() {
    image_roots
    add_image reuseport:0.1.0 product 'ENTRYPOINT ["/reuseport"]'
    add_image docker.io/nginxinc/nginx-unprivileged:1.27-alpine musl 'CMD ["/server", "8080"]'
    add_image docker.io/nginxinc/nginx-unprivileged:1.27 glibc 'CMD ["/bin/sh", "-c", "/server 8080; exit"]'
}

# answering COUNT: so many of the server's processes answer, as their containers number them, and each of 60 connections
# is answered.
answering() {
    from_outside timeout 20 "$BUILD/examples/client" "$PORT" 60 "$ADDRESS" >shares || return
    cat shares
    [ "$(wc -l <shares)" = "$1" ] && [ "$(awk '{ sum += $3 } END { print sum }' shares)" = 60 ]
}

# pod_shares OPTION... FILE: podman kube play of pod.yaml; its containers share the port, by a library that they cannot
# write to, and a container without the library, or of another user, is refused.
pod_shares() {
    local name pid
    podman kube play "$@"
    wait_until answering 2
    for name in reuseport-first reuseport-second; do
        pid=$(host_pid "$name")
        [ "$(awk '/^[UG]id:/ { print $2, $3, $4, $5 }' "/proc/$pid/status" | sort -u)" = "101 101 101 101" ]
        grep -q ' /reuseport ro,' "/proc/$pid/mountinfo"
        cmp "/proc/$pid/root/reuseport/libreuseport.so" "$LIBRARY"
        grep -q ' /reuseport/libreuseport.so$' "/proc/$pid/maps"
    done
    # With 2: modes and seccomp's.
    [ "$(awk '$1 == "Seccomp:" { print $2 }' "/proc/$pid/status")" = 2 ]
    joins_not --user 101
    joins_not --user 102 --env LD_PRELOAD=/reuseport/libreuseport.so --env REUSEPORT_PORTS=8080 \
        --volumes-from reuseport-first
    grep 'only sockets of one user share a port' refused
    answering 2
}

# joins_not OPTION...: a third container in that pod is not let onto the port.
joins_not() {
    podman run --rm --pod reuseport "$@" docker.io/nginxinc/nginx-unprivileged:1.27-alpine >refused 2>&1 && return 1
    cat refused
    grep -qE 'bind: Address (already )?in use' refused
}

@test "podman kube play of pod.yaml: containers of musl and glibc share the port, as one user, and no others" {
    boot_podman
    pod_images
    # Before 4.6 podman would restart the init container until it gives up: https://github.com/containers/podman/issues/16343
    sed 's/^spec:$/&\n  restartPolicy: OnFailure/' "$ROOT/examples/sidecar/pod.yaml" >pod.yaml
    pod_shares pod.yaml
    podman kube down pod.yaml
    [ -z "$(podman ps -aq)" ]
}
