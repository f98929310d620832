#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# The examples' images and pods under a real podman, and what run, list and replace do in its containers.

load containers

setup_file() {
    need musl-gcc
    make -s -C "$ROOT" BUILD="$BUILD" static
    IMAGE=$("$BUILD/reuseport" --version | tr ' ' :) # what the examples call it
    export IMAGE
}

# Two containers' programs, as images that "somebody else built": one is the first process of its container, the
# other one a child of a shell, by which their answers can be told apart.
pod_images() {
    image_roots
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
        # In the meantime it may have been replaced by itself.
        grep -qE ' /(reuseport/)?libreuseport.so( .deleted.)?$' "/proc/$pid/maps"
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
    add_image "$IMAGE" product 'ENTRYPOINT ["/reuseport"]'
    # Before 4.6 podman would restart the init container until it gives up: https://github.com/containers/podman/issues/16343
    sed 's/^spec:$/&\n  restartPolicy: OnFailure/' "$ROOT/examples/sidecar/pod.yaml" >pod.yaml
    pod_shares pod.yaml
    podman kube down pod.yaml
    [ -z "$(podman ps -aq)" ]
}

# --- what a container may do

GETFD=yes

# tools_images: musl-tools and glibc-tools, images of the example server, a shell and the product.
tools_images() {
    local root name
    need busybox
    image_roots
    for root in musl glibc; do
        mkdir -p "$root/bin" "$root/usr/local/bin" "$root/usr/local/lib"
        cp product/reuseport "$root/usr/local/bin"
        cp product/libreuseport.so "$root/usr/local/lib"
        cp "$PROBES/musl/static-server" "$root"
        cp "$(type -P busybox)" "$root/bin"
        for name in sh sleep cat; do ln -sf busybox "$root/bin/$name"; done
        add_image "$root-tools" "$root" 'ENV PATH=/usr/local/bin:/bin'
    done
}

# contain IMAGE OPTION...: the container "box", whose first process does nothing; ADDRESS is its own. Connections that a
# server has closed would for a minute keep the next one off the port.
contain() {
    podman run --detach --name box --sysctl net.ipv4.tcp_max_tw_buckets=0 "${@:2}" "$1" sleep 1000000
    ADDRESS=$(podman inspect --format '{{.NetworkSettings.IPAddress}}' box)
}

in_box() {
    podman exec box "$@"
}

# serve COUNT WORD...: starts so many servers there, by these words, and waits until each answers.
serve() {
    local i
    for ((i = 0; i < $1; i++)); do podman exec --detach box "${@:2}"; done
    wait_until answering "$1"
}

# The PIDs of those that answered last.
answered() {
    cut -d' ' -f2 shares | sort
}

# Ends those servers.
end_servers() {
    in_box sh -c "kill -TERM $(answered | xargs)"
    wait_until nobody_answers
}

nobody_answers() {
    ! from_outside "$BUILD/examples/client" "$PORT" 1 "$ADDRESS"
}

# shared_and_listed: two servers share the port, and list shows both.
shared_and_listed() {
    serve 2 reuseport run -p "$PORT" /server "$PORT"
    in_box reuseport list "$PORT/tcp" >list
    cat list
    [ "$(awk '$6 == "server" && $7 == "yes" { print $5 }' list | sort)" = "$(answered)" ]
}

# replaced WORD...: the server, by itself on the port, is replaced by one that these words start, and nothing is lost.
replaced() {
    local before
    before=$(answered)
    storm ''
    in_box reuseport replace --strict --output=/tmp/output "$before" "$@"
    storm_over
    answering 1
    [ "$(answered)" != "$before" ]
}

# renewed OPTION...: copies whose supervisor is a container's first process are renewed at HUP, and nothing is lost;
# TERM ends them.
renewed() {
    local before
    podman run --detach --name service "${@:2}" "$1" \
        reuseport run -n 2 --on-exit=restart --rolling=HUP --balance -p "$PORT" -- /server "$PORT"
    ADDRESS=$(podman inspect --format '{{.NetworkSettings.IPAddress}}' service)
    wait_until answering 2
    before=$(answered)
    storm ''
    podman kill --signal HUP service
    wait_until none_of "$before"
    storm_over
    podman stop --time 10 service
    [ "$(podman inspect --format '{{.State.ExitCode}}' service)" = 143 ]
    podman rm service
}

none_of() {
    answering 2 && [ -z "$(comm -12 <(echo "$1") <(answered))" ]
}

# all_work IMAGE OPTION...: in a container with these options. GETFD=no where its profile refuses pidfd_getfd(2).
all_work() {
    contain "$@"
    shared_and_listed
    end_servers
    serve 1 reuseport run -p "$PORT" /server "$PORT"
    replaced /server "$PORT"
    end_servers
    static_shared
    end_servers
    serve 1 /server "$PORT"
    if [ "$GETFD" = no ]; then stays; else replaced /server "$PORT"; fi
    podman rm --force --time 0 box
    renewed "$@"
}

# static_shared: without pidfd_getfd(2) only with a list of all TCP ports, and otherwise refused.
static_shared() {
    if [ "$GETFD" = no ]; then
        run -125 in_box reuseport run -m seccomp -p "$PORT" /static-server "$PORT"
        echo "$output"
        [[ $output == *"$REFUSAL"* ]]
        serve 2 reuseport run -m seccomp -p all/tcp /static-server "$PORT"
    else
        serve 2 reuseport run -m seccomp -p "$PORT" /static-server "$PORT"
    fi
}

# stays: the server, which does not share, can neither be adopted nor replaced, and serves on.
stays() {
    local before
    before=$(answered)
    storm ''
    run -125 in_box reuseport replace --output=/tmp/output "$before" /server "$PORT"
    echo "$output"
    [[ $output == *"$REFUSAL"* ]]
    run -125 in_box reuseport adopt "$PORT"
    echo "$output"
    [[ $output == *"$REFUSAL"* ]]
    storm_over
    answering 1
    [ "$(answered)" = "$before" ]
}

# without_getfd ERRNO FILE: podman's default profile, but that pidfd_getfd(2) fails with this number.
without_getfd() {
    /usr/bin/python3 - "$@" <<'END'
import json, sys
profile = json.load(open("/usr/share/containers/seccomp.json"))
for rule in profile["syscalls"]:
    if "pidfd_getfd" in rule["names"]: rule["names"].remove("pidfd_getfd")
profile["syscalls"].append({"names": ["pidfd_getfd"], "action": "SCMP_ACT_ERRNO", "errnoRet": int(sys.argv[1])})
json.dump(profile, open(sys.argv[2], "w"))
END
}

# bats test_tags=long
@test "In a container of musl with podman's default rights and seccomp profile run, list, replace and renewals work" {
    boot_podman
    tools_images
    all_work musl-tools
}

# bats test_tags=long
@test "The same in one of glibc, and under a user of its own" {
    boot_podman
    tools_images
    all_work glibc-tools
    all_work glibc-tools --user 101:101
}

# bats test_tags=long
@test "The same without any capability, and with a read-only root" {
    boot_podman
    tools_images
    all_work musl-tools --cap-drop=all
    all_work glibc-tools --read-only
    all_work musl-tools --user 101:101 --cap-drop=all --read-only --security-opt no-new-privileges
}

# bats test_tags=long
@test "Where the profile refuses pidfd_getfd, a server that does not share cannot be replaced, and serves on" {
    boot_podman
    tools_images
    GETFD=no
    REFUSAL="blocked by a seccomp filter: add CAP_SYS_PTRACE"
    without_getfd 1 profile.json # EPERM, as Docker's and containerd's
    all_work musl-tools --security-opt seccomp=profile.json
    all_work glibc-tools --security-opt seccomp=profile.json --user 101 --cap-drop=all --read-only
    # ENOSYS, as podman's for all calls that it does not list.
    REFUSAL="requires Linux 5.6, and a seccomp profile that allows pidfd_getfd"
    without_getfd 38 profile.json
    all_work musl-tools --security-opt seccomp=profile.json
}

# --- the images

# debian_image NAME: a root of Debian 12 made by bookworm.sh.
debian_image() {
    [ -d "$BUILT_IN/bookworm" ] || missing "make field-containers, which makes $BUILT_IN/bookworm"
    add_image docker.io/library/debian:bookworm-slim "$BUILT_IN/bookworm"
}

# bats test_tags=long
@test "podman builds the Dockerfile as it is; its image has two files; pod.yaml and compose.yaml as they are run with it" {
    need docker-compose
    boot_podman
    debian_image
    podman build --tag "$IMAGE" --file "$ROOT/examples/sidecar/Dockerfile" "$ROOT" >build.log 2>&1 || {
        tail -n 50 build.log
        return 1
    }
    podman save --format oci-dir --output image "$IMAGE"
    layers >files
    cat files
    [ "$(xargs <files)" = "libreuseport.so reuseport" ]
    [ "$(podman run --rm "$IMAGE" --version)" = "$("$BUILD/reuseport" --version)" ]
    pod_images
    LIBRARY=$PWD/built.so
    podman run --rm --volume "$PWD:/here" "$IMAGE" install-lib /here
    mv libreuseport.so "$LIBRARY"
    # "always" has podman keep the init container, which before 4.6 it would restart and then fail to remove.
    pod_shares --annotation io.podman.annotations.init.container.type=always "$ROOT/examples/sidecar/pod.yaml"
    podman kube down "$ROOT/examples/sidecar/pod.yaml"
    compose_shares
}

# compose_shares: Docker's own Compose, which asks podman's service what it would ask Docker's, builds the image and
# starts two containers that share the port, once the library is there.
compose_shares() {
    spawn service in_machine podman system service --time 0 unix:///run/podman.sock
    wait_until in_machine test -S /run/podman.sock
    in_machine env DOCKER_HOST=unix:///run/podman.sock docker-compose -f "$ROOT/examples/sidecar/compose.yaml" \
        up --build --detach >compose.log 2>&1 || {
        tail -n 50 compose.log
        return 1
    }
    wait_until answering 2
    [ "$(podman inspect --format '{{.State.Status}} {{.State.ExitCode}}' sidecar_library_1)" = "exited 0" ]
    [ "$(podman inspect --format '{{.HostConfig.NetworkMode}}' sidecar_second_1)" = \
        "container:$(podman inspect --format '{{.Id}}' sidecar_first_1)" ]
}

# layers: the files in the saved image.
layers() {
    local blob
    for blob in image/blobs/sha256/*; do tar -tf "$blob" 2>/dev/null || true; done | grep -v '/$' | sort
}

# node_image: Debian's node, with a shell, as an image of Docker's that it stands for.
node_image() {
    need node
    mkdir -p node/bin node/usr/bin node/usr/local/bin node/tmp node/usr/share
    cp -L "$(type -P node)" node/usr/bin
    cp /bin/dash node/bin/sh
    with_libraries node node/usr/bin/node node/bin/sh
    # Debian's has parts of itself there.
    [ ! -d /usr/share/nodejs ] || cp -r /usr/share/nodejs node/usr/share
    add_image docker.io/library/node:20-slim node 'ENV PATH=/usr/local/bin:/usr/bin:/bin'
}

# The Dockerfile in service-pod.yaml's comment.
app_image() {
    sed -n 's/^#     \(FROM\|COPY\)/\1/p' "$ROOT/examples/sidecar/service-pod.yaml" >app/Dockerfile
    cat app/Dockerfile
    podman build --tag app:1 app
}

# bats test_tags=long
@test "podman kube play of service-pod.yaml, its image as its comment has it: HUP renews both copies, and nothing is lost" {
    local before renew
    boot_podman
    image_roots
    add_image "$IMAGE" product 'ENTRYPOINT ["/reuseport"]'
    node_image
    mkdir app
    cat >app/server.js <<'END'
require('http').createServer((_, response) => response.end(`pid ${process.pid}\n`)).listen(8080);
END
    app_image
    podman kube play "$ROOT/examples/sidecar/service-pod.yaml"
    ADDRESS=$(pod_address reuseport-run)
    wait_until workers 2
    grep -qx 'CapBnd:[[:space:]]*0*' "/proc/$(host_pid reuseport-run-app)/status"
    grep -qx 'NoNewPrivs:[[:space:]]*1' "/proc/$(host_pid reuseport-run-app)/status"
    before=$(<workers)
    storm "$HTTP" pid
    # The command in its comment, but by podman.
    renew=$(sed -n 's/^#     kubectl exec reuseport-run --/podman exec reuseport-run-app/p' "$ROOT/examples/sidecar/service-pod.yaml")
    echo "$renew"
    eval "$renew"
    wait_until other_workers "$before"
    storm_over
    podman pod stop --time 20 reuseport-run
    [ "$(podman inspect --format '{{.State.ExitCode}}' reuseport-run-app)" = 143 ]
}

# pod_address POD: that of all its containers.
pod_address() {
    podman inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' \
        "$(podman pod inspect --format '{{.InfraContainerID}}' "$1")"
}

# workers COUNT: so many answer, in the file workers.
workers() {
    local i
    for i in {1..30}; do from_outside curl -sS "http://$ADDRESS:$PORT" || return; done | sort -u >workers
    [ "$(wc -l <workers)" = "$1" ]
}

other_workers() {
    workers 2 && [ -z "$(comm -12 <(echo "$1") workers)" ]
}

# bats test_tags=long
@test "A plain Deployment with patch.yaml runs as two containers that share the port; kubectl and kustomize patch it alike" {
    boot_podman
    pod_images
    add_image "$IMAGE" product 'ENTRYPOINT ["/reuseport"]'
    cat >deployment.yaml <<'END'
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: nginxinc/nginx-unprivileged:1.27-alpine
          ports: [{containerPort: 8080}]
END
    cp "$ROOT/examples/sidecar/patch.yaml" .
    /usr/bin/python3 "$ROOT/tests/strategic-merge.py" deployment.yaml patch.yaml >patched.yaml
    # As the pod that a Deployment makes; restarted on failure alone for the reason above.
    /usr/bin/python3 -c '
import sys, yaml
spec = yaml.safe_load(sys.stdin)["spec"]["template"]["spec"] | {"restartPolicy": "OnFailure"}
print(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}))' <patched.yaml >pod.yaml
    podman kube play pod.yaml
    wait_until answering 2
    [ -n "$(type -P kubectl)" ] || skip "shared; missing, to compare with: kubectl"
    kubectl patch --local -f deployment.yaml --patch-file patch.yaml -o yaml >by-kubectl
    # The kustomization.yaml in its comment.
    sed -n 's/^#     \(resources:\|patches:\|  \)/\1/p' patch.yaml >kustomization.yaml
    kubectl kustomize . >by-kustomize
    /usr/bin/python3 - patched.yaml by-kubectl by-kustomize <<'END'
import sys, yaml
def ordered(value):
    if isinstance(value, dict): return {key: ordered(v) for key, v in value.items()}
    return sorted(map(ordered, value), key=str) if isinstance(value, list) else value
ours, *theirs = (ordered(yaml.safe_load(open(name))) for name in sys.argv[1:])
assert theirs == [ours, ours]
END
}
