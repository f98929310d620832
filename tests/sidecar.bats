#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# examples/sidecar: the library added to containers and units from outside. Where a container engine or a
# running systemd would be needed, the tests build what it would build.

load helpers

SIDECAR=$ROOT/examples/sidecar
STATIC=$BUILD/static/reuseport

setup_file() {
    need musl-gcc
    make -s -C "$ROOT" BUILD="$BUILD" static
}

# pod COMMAND...: the script, with both containers on $PORT and a command beside them.
pod() {
    BUILD=$BUILD sh "$SIDECAR/namespaces.sh" "$PORT" "$@"
}

need_pod() {
    need musl-gcc python3 ip setpriv nsenter
    need_root
    need_unshare --net --mount --pid --fork --mount-proc
    lease_port PORT
}

# servers: the two servers' PIDs, as they are out here.
servers() {
    local pid
    for pid in $(descendants "$PID"); do
        [ "$(readlink "/proc/$pid/root")" = / ] || echo "$pid"
    done
}

two_serve() {
    [ "$(grep -c ': listening on ' "$(log pod)")" = 2 ] && [ "$(servers | wc -l)" = 2 ]
}

# same_namespace KIND: both servers are in the same one.
same_namespace() {
    [ "$(readlink "/proc/$MUSL/ns/$1")" = "$(readlink "/proc/$GLIBC/ns/$1")" ]
}

# library_of PID: device and inode of the library that it has loaded.
library_of() {
    awk '/\/libreuseport\.so$/ { print $4, $5 }' "/proc/$1/maps" | sort -u
}

start_pod() {
    need_pod
    spawn pod env BUILD="$BUILD" sh "$SIDECAR/namespaces.sh" "$PORT" sleep infinity
    wait_until two_serve
    local pid
    for pid in $(servers); do
        if [ -e "/proc/$pid/root/lib/ld-musl-$(uname -m).so.1" ]; then MUSL=$pid; else GLIBC=$pid; fi
    done
}

@test "a container with only a musl program and one with only a glibc program share a port" {
    start_pod
    # Each has its own program, libc, mounts and processes; the network is of both.
    (cd "/proc/$MUSL/root" && find . -path ./proc -prune -o -type f -print | sort) >"$BATS_TEST_TMPDIR/musl"
    (cd "/proc/$GLIBC/root" && find . -path ./proc -prune -o -type f -print | sort) >"$BATS_TEST_TMPDIR/glibc"
    cat "$BATS_TEST_TMPDIR"/{musl,glibc}
    grep -vE '^\./(server|lib/ld-musl-.*|reuseport/libreuseport\.so)$' "$BATS_TEST_TMPDIR/musl" && false
    grep -vE '^\./(server|lib.*/ld-linux.*|lib.*/libc\.so\.6|reuseport/libreuseport\.so)$' "$BATS_TEST_TMPDIR/glibc" && false
    [ "$(wc -l <"$BATS_TEST_TMPDIR/musl") $(wc -l <"$BATS_TEST_TMPDIR/glibc")" = "3 4" ]
    same_namespace net
    run ! same_namespace mnt
    run ! same_namespace pid
    [ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$MUSL/ns/net")" ]

    run nsenter --net="/proc/$MUSL/ns/net" "$BUILD/examples/client" "$PORT" 60
    echo "$output"
    [ "$(grep -cE '^pid [0-9]+ +[1-9][0-9]*  #' <<<"$output")" = 2 ]
    [ "$(awk '{ sum += $3 } END { print sum }' <<<"$output")" = 60 ]
}

@test "both load one library from a folder that neither can write to, as one user; another user is refused" {
    start_pod
    local pid
    for pid in "$MUSL" "$GLIBC"; do
        [ "$(awk '/^[UG]id:/ { print $2, $3, $4, $5 }' "/proc/$pid/status" | sort -u)" = "65534 65534 65534 65534" ]
        [ -z "$(awk '/^Groups:/ { print $2 }' "/proc/$pid/status")" ]
        [ "$(awk '$5 == "/reuseport" { print substr($6, 1, 3) }' "/proc/$pid/mountinfo")" = ro, ]
        run touch "/proc/$pid/root/reuseport/file"
        echo "$output"
        [[ $status != 0 && $output == *"Read-only file system"* ]]
        [ "$(tr '\0' '\n' <"/proc/$pid/environ" | sort)" = "LD_PRELOAD=/reuseport/libreuseport.so
REUSEPORT_PORTS=$PORT" ]
        cmp "/proc/$pid/root/reuseport/libreuseport.so" "$LIBRARY"
    done
    [ -n "$(library_of "$MUSL")" ]
    [ "$(library_of "$MUSL")" = "$(library_of "$GLIBC")" ]

    run nsenter --net="/proc/$MUSL/ns/net" env LD_PRELOAD="$LIBRARY" REUSEPORT_PORTS="$PORT" \
        "$BUILD/examples/server" "$PORT" 0.0.0.0 65533
    echo "$output"
    [ "$status" = 1 ]
    [[ $output == *"in use by user "*"only sockets of one user share a port"* ]]
}

@test "namespaces.sh shows what each container has served" {
    need_pod
    run pod
    echo "$output"
    [ "$status" = 0 ]
    grep -E '^    /shared/libreuseport\.so$' <<<"$output"
    grep -E '^    musl:  pid [0-9]+ +[1-9][0-9]*  #' <<<"$output"
    grep -E '^    glibc: pid [0-9]+ +[1-9][0-9]*  #' <<<"$output"
}

@test "without the library, or without a list, the second container is refused the port" {
    need_pod
    local settings
    for settings in "REUSEPORT_PORTS=$PORT" LD_PRELOAD=/reuseport/libreuseport.so; do
        SETTINGS=$settings run pod
        echo "$output"
        [ "$status" = 1 ]
        [[ $output == *"musl: server "*": listening"*"glibc: server "*": bind: Address already in use"* ]]
    done
}

@test "nothing is left of the pod, neither when its command ends nor when the script is killed" {
    need_pod
    local all pid
    export TMPDIR=$BATS_TEST_TMPDIR/tmp
    mkdir "$TMPDIR"
    run pod sh -c 'exit 7'
    echo "$output"
    [ "$status" = 7 ]
    start_pod
    mapfile -t all < <(descendants "$PID")
    echo "${#all[@]} processes"
    [ "${#all[@]}" -ge 8 ]
    kill -KILL "$PID"
    for pid in "${all[@]}"; do
        wait_until_ended "$pid"
    done
    run ! grep -E ' /run/(shared|musl|glibc)' /proc/self/mountinfo
    [ ! -e /run/shared ]
    [ -z "$(ls -A "$TMPDIR")" ]
}

# --- systemd

# units: a directory of the units, with Debian's redis-server.service and nginx.service; the command is ours.
units() {
    local name
    need systemd-analyze redis-server nginx
    UNITS=$BATS_TEST_TMPDIR/units
    rm -rf "$UNITS"
    mkdir "$UNITS"
    cp -r "$SIDECAR"/*.service "$SIDECAR"/*.service.d "$UNITS"
    for name in redis-server nginx; do
        cp {/usr,}"/lib/systemd/system/$name.service" "$UNITS" 2>/dev/null || true
        [ -e "$UNITS/$name.service" ] || missing "$name.service"
    done
    sed -i "s,/usr/local/bin/reuseport run,$BUILD/reuseport run," "$UNITS"/reuseport*.service "$UNITS"/*.d/*
}

# settings UNIT: its settings and those of its drop-ins, one a line, those that an empty one clears left out.
settings() {
    cat "$UNITS/$1" "$UNITS/$1.d"/* 2>/dev/null | sed -e '/^#/d' -e ':join; /\\$/ { N; s/ *\\\n */ /; b join }' |
        awk -F= '/^[A-Za-z]+=/ { if ($0 == $1 "=") for (i in lines) if (index(lines[i], $0) == 1) delete lines[i]
                                 if ($0 != $1 "=") lines[++n] = $0 }
                 END { for (i = 1; i <= n; i++) if (i in lines) print lines[i] }'
}

# verified UNIT: systemd has nothing to say about it, nor about anything else of ours.
verified() {
    SYSTEMD_UNIT_PATH=$UNITS: run systemd-analyze --man=no verify "$1"
    echo "$output"
    [ "$status" = 0 ] && ! grep -qF "$UNITS" <<<"$output"
}

@test "systemd-analyze verify passes the template, an instance of it, and the vendors' units with the drop-ins" {
    units
    verified "$UNITS/reuseport@.service"
    verified reuseport@1.service
    verified reuseport-run.service
    verified redis-server.service
    verified nginx.service
}

@test "systemd-analyze verify would see a mistake in each of them" {
    units
    sed -i 's/^ExecPaths/ExcPaths/' "$UNITS/redis-server.service.d/reuseport.conf"
    run ! verified redis-server.service
    units
    sed -i 's/^StateDirectory/StateDir/' "$UNITS/reuseport@.service"
    run ! verified reuseport@1.service
    units
    sed -i 's,^ExecStart=/,&nowhere/,' "$UNITS/reuseport@.service"
    run ! verified "$UNITS/reuseport@.service"
    units
    sed -i 's/^SuccessExitStatus/SuccessStatus/' "$UNITS/reuseport-run.service"
    run ! verified reuseport-run.service
    units
    sed -i 's,^ExecStart=/,&nowhere/,' "$UNITS/nginx.service.d/reuseport.conf"
    run ! verified nginx.service
}

@test "of the units' commands ExecStart alone has the library, and it is the vendor's under reuseport run" {
    units
    local unit vendors start
    for unit in reuseport@ redis-server nginx; do
        settings "$unit.service" >"$BATS_TEST_TMPDIR/settings"
        cat "$BATS_TEST_TMPDIR/settings"
        run grep -E 'LD_PRELOAD|REUSEPORT_|^(Pass|Unset)?Environment' "$BATS_TEST_TMPDIR/settings"
        [ "$status" = 1 ]
        [ "$(grep -cE '^Exec[A-Z][A-Za-z]*=.*reuseport run' "$BATS_TEST_TMPDIR/settings")" = 1 ]
        start=$(grep '^ExecStart=' "$BATS_TEST_TMPDIR/settings")
        [[ $start =~ ^ExecStart=$BUILD/reuseport\ run\ -p\ [0-9,]+\ --\ (/usr/.*)$ ]]
        [ "$unit" != reuseport@ ] || continue
        vendors=$(sed -n 's/^ExecStart=//p' "$UNITS/$unit.service")
        [ "${BASH_REMATCH[1]}" = "$vendors" ]
    done
    grep -E '^ExecStartPre=/usr/sbin/nginx -t ' "$BATS_TEST_TMPDIR/settings"
}

@test "the unit of several copies says how they are renewed and how they end, and has a directory more than copies" {
    units
    local copies name
    settings reuseport-run.service >"$BATS_TEST_TMPDIR/settings"
    cat "$BATS_TEST_TMPDIR/settings"
    run ! grep -E 'LD_PRELOAD|REUSEPORT_|Watchdog|^(Pass|Unset)?Environment' "$BATS_TEST_TMPDIR/settings"
    copies=$(grep -oE "^ExecStart=$BUILD/reuseport run -n [0-9]+ --on-exit=restart --rolling=HUP .*-p 6379 " \
        "$BATS_TEST_TMPDIR/settings" | grep -oE ' -n [0-9]+' | grep -o '[0-9]*')
    for name in State Runtime; do
        grep -x "${name}Directory=$(seq -f reuseport/%g -s ' ' 0 "$copies")" "$BATS_TEST_TMPDIR/settings"
    done
    for name in Type=notify "ExecReload=kill -HUP \$MAINPID" SuccessExitStatus=143 KillMode=mixed Restart=on-failure; do
        grep -xF "$name" "$BATS_TEST_TMPDIR/settings"
    done
}

@test "two instances of the template unit share its port, each with directories of its own" {
    need redis-server
    lease_port PORT
    local unit=$BATS_TEST_TMPDIR/unit command instance name
    sed -e ':join; /\\$/ { N; s/\\\n//; b join }' "$SIDECAR/reuseport@.service" >"$unit"
    for name in State Runtime; do
        grep -x "${name}Directory=reuseport/%i" "$unit"
    done
    for instance in 1 2; do
        mkdir -p "$BATS_TEST_TMPDIR"/{S,t}"/reuseport/$instance"
        command=$(sed -n 's/^ExecStart=//p' "$unit" |
            sed "s,%[St],$BATS_TEST_TMPDIR/&,g; s/%\([St]\)/\1/g; s/%i/$instance/g; s/6379/$PORT/g
                 s,^/usr/local/bin/,$BUILD/,")
        [[ $command != *%* ]]
        eval "spawn redis$instance $command"
    done
    both_listen() { [ "$(ss -Hltn "src 127.0.0.1:$PORT" | wc -l)" = 2 ]; }
    wait_until both_listen
    [ -S "$BATS_TEST_TMPDIR/t/reuseport/1/redis.sock" ]
    [ -S "$BATS_TEST_TMPDIR/t/reuseport/2/redis.sock" ]
}

@test "the drop-in's ExecPaths is needed: from a folder without exec neither command nor library is taken" {
    need_root
    need_unshare --mount
    units
    grep -x 'NoExecPaths=/' "$UNITS/redis-server.service"
    grep -x 'ExecPaths=-/usr/local/bin/reuseport -/usr/local/lib/libreuseport.so' \
        "$UNITS/redis-server.service.d/reuseport.conf"
    lease_port PORT
    mkdir "$BATS_TEST_TMPDIR/lib"
    cp "$LIBRARY" "$BUILD/reuseport" "$BATS_TEST_TMPDIR/lib"
    # As systemd does it: a bind mount without exec, and each of the files mounted upon itself with it.
    run unshare --mount bash -euc '
        cd "$1"
        mount --bind . .
        mount -o remount,bind,noexec .
        cd "$1"
        probe() { ./reuseport run -p "$3" -- "$2" socket tcp4 bind 127.0.0.1 "$3" get || true; }
        probe "$@"
        for file in reuseport libreuseport.so; do
            mount --bind $file $file
            mount -o remount,bind,exec $file
            probe "$@"
        done' - "$BATS_TEST_TMPDIR/lib" "$PROBES/probe" "$PORT"
    echo "$output"
    [[ ${lines[0]} == *"./reuseport: Permission denied" ]]
    [[ ${lines[1]} == "reuseport: "*"/libreuseport.so: "*noexec* ]]
    [ "${lines[2]} ${lines[3]}" = "bind=ok reuseport=1" ]
}

# --- a visit to the port

# visits MIGRATE: how many of 40 connections are answered, and how many are not, where a socket that listens beside a
# server's is closed again, with net.ipv4.tcp_migrate_req so, in a network of their own.
visits() {
    # shellcheck disable=SC2016 # for that shell
    unshare -n bash -euc '
        ip link set lo up
        echo "$1" >/proc/sys/net/ipv4/tcp_migrate_req
        export LD_PRELOAD=$2 REUSEPORT_PORTS=8080
        "$3/server" 8080 127.0.0.1 >/dev/null & server=$!
        trap "kill \$server" EXIT
        until ss -Htln | grep -q :8080; do sleep 0.02; done
        python3 -c "
import socket
visitor = socket.create_server((\"127.0.0.1\", 8080), backlog=64)
clients = [socket.create_connection((\"127.0.0.1\", 8080)) for _ in range(40)]
visitor.close()
answered = 0
for client in clients:
    client.settimeout(20)
    try:
        answered += len(client.recv(1))
    except OSError:
        pass
print(answered, len(clients) - answered)"' - "$1" "$LIBRARY" "$BUILD/examples" 3>&-
}

# need_visits: what it takes to make a network with connections that migrate.
need_visits() {
    need python3 ip ss
    need_root
    need_unshare --net
    [ -e /proc/sys/net/ipv4/tcp_migrate_req ] || missing "Linux 5.14"
}

@test "a program that listens on the port for a moment takes connections with it, but with tcp_migrate_req=1" {
    need_visits
    run visits 0
    echo "$output"
    [[ $output =~ ^[0-9]+\ [1-9][0-9]*$ ]]
    run visits 1
    echo "$output"
    [ "$output" = "40 0" ]
}

# nginx_tests MIGRATE RUN...: what four clients got while nginx tested its configuration 40 times by RUN.
nginx_tests() {
    # shellcheck disable=SC2016 # for that shell
    unshare -n bash -euc '
        cd "$1"
        ip link set lo up
        echo "$2" >/proc/sys/net/ipv4/tcp_migrate_req
        "$3/reuseport" run -p 8080 -- nginx -p . -c nginx.conf & server=$!
        trap "kill \$server \${clients[*]}" EXIT
        until ss -Htln | grep -q :8080; do sleep 0.02; done
        clients=()
        for i in 1 2 3 4; do
            python3 "$4/traffic.py" http/tcp 8080 >"client.$i" & clients+=($!)
        done
        until [ "$(grep -lx started client.? | wc -l)" = 4 ]; do sleep 0.02; done
        for i in $(seq 40); do "${@:5}" nginx -p . -c nginx.conf -t -q; done
        kill "${clients[@]}"
        wait "${clients[@]}"
        clients=()
        tail -qn 1 client.? | awk "{ failed += \$3 } END { print failed }"
        ' - "$BATS_TEST_TMPDIR" "$1" "$BUILD" "$BATS_TEST_DIRNAME" "${@:2}" 3>&-
}

@test "nginx -t under the library resets connections; without it, as in the drop-in, none, with tcp_migrate_req=1 hardly one" {
    local resets
    need nginx
    need_visits
    cat >"$BATS_TEST_TMPDIR/nginx.conf" <<'END'
daemon off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 512; }
http { access_log off; server { listen 127.0.0.1:8080; location / { return 200 hello; } } }
END
    run nginx_tests 0 "$BUILD/reuseport" run -p 8080 --
    echo "$output"
    [[ $status = 0 && $output =~ ^[1-9][0-9]*$ ]]
    resets=$output
    run nginx_tests 0
    echo "$output"
    [[ $status = 0 && $output = 0 ]]
    # A close amid a handshake can still reset it: 1 in about 150 such tests.
    run nginx_tests 1 "$BUILD/reuseport" run -p 8080 --
    echo "$output"
    [[ $status = 0 && $output -le 2 && $output -lt $resets ]]
}

# --- YAML

need_yaml() {
    /usr/bin/python3 -c 'import yaml' 2>/dev/null || missing "python3-yaml"
}

# true_of FILE EXPRESSION...: of the parsed file, in d; says which of them do not hold.
true_of() {
    /usr/bin/python3 - "$@" <<'END'
import sys, yaml
def names(pairs): return {pair["name"]: pair["value"] for pair in pairs}
def folder(container): return container["volumeMounts"][0]
d = yaml.safe_load(open(sys.argv[1]))
wrong = [e for e in sys.argv[2:] if not eval(e)]
print("\n".join(f"{sys.argv[1]}: not true: {e}" for e in wrong))
sys.exit(bool(wrong))
END
}

pod_holds() {
    true_of "$1" \
        'd["kind"] == "Pod" and len(d["spec"]["containers"]) == 2' \
        'len({c["image"] for c in d["spec"]["containers"]}) == 2' \
        'isinstance(d["spec"]["securityContext"]["runAsUser"], int) and d["spec"]["securityContext"]["runAsUser"] > 0' \
        'not any("runAsUser" in c.get("securityContext", {}) for c in d["spec"]["containers"])' \
        '"hostNetwork" not in d["spec"] and "hostPort" not in str(d)' \
        '[v["name"] for v in d["spec"]["volumes"] if "emptyDir" in v] == ["library"]' \
        'all(folder(c)["name"] == "library" for c in d["spec"]["containers"] + d["spec"]["initContainers"])' \
        'all(folder(c)["readOnly"] is True for c in d["spec"]["containers"])' \
        '"readOnly" not in folder(d["spec"]["initContainers"][0])' \
        '[c["args"] for c in d["spec"]["initContainers"]] == [["install-lib", folder(d["spec"]["initContainers"][0])["mountPath"]]]' \
        'all(names(c["env"])["LD_PRELOAD"] == folder(c)["mountPath"] + "/libreuseport.so" for c in d["spec"]["containers"])' \
        '{names(c["env"])["REUSEPORT_PORTS"] for c in d["spec"]["containers"]} == {str(d["spec"]["containers"][0]["ports"][0]["containerPort"])}'
}

@test "the pod's containers have one user, one port, and the folder that the init container fills" {
    need_yaml
    pod_holds "$SIDECAR/pod.yaml"
}

@test "the pod is told from one in which something is wrong" {
    need_yaml
    local change
    for change in 's/runAsUser: 101/runAsUser: 0/' 's/- name: second/&\n      securityContext: {runAsUser: 102}/' \
        's/- containerPort: 8080/&\n          hostPort: 8080/' 's/emptyDir:/hostPath:/' 's/readOnly: true/readOnly: false/' \
        's/install-lib, .shared/install-lib, \/other/' 's,value: /reuseport/,value: /elsewhere/,' 's/value: "8080"/value: "8081"/' \
        's/env: \*env/env: []/'; do
        sed "$change" "$SIDECAR/pod.yaml" >"$BATS_TEST_TMPDIR/pod.yaml"
        run pod_holds "$BATS_TEST_TMPDIR/pod.yaml"
        [ "$status" != 0 ] || {
            echo "not noticed: $change"
            return 1
        }
    done
}

@test "the compose file puts both services on one network, under one user, after the library's" {
    need_yaml
    true_of "$SIDECAR/compose.yaml" \
        'set(d["services"]) == {"library", "first", "second"}' \
        'd["services"]["second"]["network_mode"] == "service:first"' \
        '"ports" not in d["services"]["second"] and d["services"]["first"]["ports"] == ["8080:8080"]' \
        'd["services"]["first"]["user"] == d["services"]["second"]["user"] != "0"' \
        'd["services"]["first"]["environment"] == d["services"]["second"]["environment"]' \
        'd["services"]["first"]["environment"] == {"LD_PRELOAD": "/reuseport/libreuseport.so", "REUSEPORT_PORTS": "8080"}' \
        'd["services"]["library"]["command"] == ["install-lib", "/shared"]' \
        'd["services"]["library"]["volumes"] == ["library:/shared"] and "library" in d["volumes"]' \
        'all(d["services"][s]["volumes"] == ["library:/reuseport:ro"] for s in ("first", "second"))' \
        'all(d["services"][s]["depends_on"]["library"]["condition"] == "service_completed_successfully" for s in ("first", "second"))'
    local build
    build=$(/usr/bin/python3 -c 'import sys, yaml; print(*yaml.safe_load(open(sys.argv[1]))["services"]["library"]["build"].values())' \
        "$SIDECAR/compose.yaml")
    [ "$(cd "$SIDECAR/${build% *}" && realpath "${build#* }")" = "$SIDECAR/Dockerfile" ]
}

# plain_deployment: deployment.yaml, a Deployment that knows nothing of the library.
plain_deployment() {
    cat >"$BATS_TEST_TMPDIR/deployment.yaml" <<'END'
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      volumes: [{name: cache, emptyDir: {}}]
      containers:
        - name: web
          image: nginxinc/nginx-unprivileged:1.27
          env: [{name: TZ, value: UTC}]
          ports: [{containerPort: 8080}]
          volumeMounts: [{name: cache, mountPath: /var/cache}]
END
}

@test "the patch gives a plain Deployment what the pod has, and leaves what it had" {
    need_yaml
    local pod=$BATS_TEST_TMPDIR/pod.yaml
    plain_deployment
    /usr/bin/python3 "$BATS_TEST_DIRNAME/strategic-merge.py" "$BATS_TEST_TMPDIR/deployment.yaml" "$SIDECAR/patch.yaml" \
        >"$BATS_TEST_TMPDIR/patched.yaml"
    # Less what was there before, it holds what pod.yaml does.
    /usr/bin/python3 - "$BATS_TEST_TMPDIR/patched.yaml" >"$pod" <<'END'
import sys, yaml
d = yaml.safe_load(open(sys.argv[1]))
assert d["kind"] == "Deployment" and d["spec"]["selector"] == {"matchLabels": {"app": "web"}}
spec = d["spec"]["template"]["spec"]
web, second = spec["containers"]
spec["volumes"].remove({"name": "cache", "emptyDir": {}})
web["env"].remove({"name": "TZ", "value": "UTC"})
web["volumeMounts"].remove({"name": "cache", "mountPath": "/var/cache"})
assert (web.pop("image"), second.pop("image")) == ("nginxinc/nginx-unprivileged:1.27",) * 2
assert web.pop("name") == "web" and web.pop("ports") == [{"containerPort": 8080}] and second.pop("name") == "web-2"
assert web == second
web |= {"name": "first", "image": "1", "ports": [{"containerPort": 8080}]}
second |= {"name": "second", "image": "2"}
print(yaml.safe_dump({"kind": "Pod", "spec": spec}))
END
    cat "$pod"
    pod_holds "$pod"
    true_of "$pod" 'd["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}' \
        '[c["imagePullPolicy"] for c in d["spec"]["initContainers"]] == ["IfNotPresent"]'
}

# pod_command: the words of the container's command, NUL after each.
pod_command() {
    /usr/bin/python3 -c 'import sys, yaml
for word in yaml.safe_load(open(sys.argv[1]))["spec"]["containers"][0]["command"]: print(word, end="\0")' \
        "$SIDECAR/service-pod.yaml"
}

@test "the pod of one service gives its copies time to end, and asks for no right" {
    need_yaml
    true_of "$SIDECAR/service-pod.yaml" \
        'd["kind"] == "Pod" and [c["name"] for c in d["spec"]["containers"]] == ["app"]' \
        'd["spec"]["securityContext"]["runAsNonRoot"] and d["spec"]["securityContext"]["runAsUser"] > 0' \
        'd["spec"]["containers"][0]["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}' \
        '[p["containerPort"] for p in d["spec"]["containers"][0]["ports"]] == [8080]' \
        'd["spec"]["containers"][0]["readinessProbe"]["tcpSocket"]["port"] == 8080' \
        '"hostPort" not in str(d)' \
        '[int(w[15:]) < d["spec"]["terminationGracePeriodSeconds"] for w in d["spec"]["containers"][0]["command"] if w[:15] == "--stop-timeout="] == [True]' \
        '"8080" in d["spec"]["containers"][0]["command"] and d["spec"]["containers"][0]["command"][0] == "/usr/local/bin/reuseport"'
}

@test "that pod's command as PID 1, without any right: HUP renews both copies under load, TERM ends them" {
    need_root
    need_yaml
    need node setpriv
    need_unshare --pid --fork --mount-proc
    lease_port PORT
    local words init before status=0
    echo "require('http').createServer((_, response) => response.end('here')).listen($PORT)" >"$BATS_TEST_TMPDIR/server.js"
    chmod 755 "$BATS_TEST_TMPDIR"
    mapfile -d '' -t words < <(pod_command)
    words=("${words[@]/#\/usr\/local\/bin/$BUILD}")
    words=("${words[@]/#\/app/$BATS_TEST_TMPDIR}")
    words=("${words[@]/#8080/$PORT}")
    spawn pod unshare --pid --fork --mount-proc setpriv --reuid 64611 --regid 64611 --clear-groups \
        --bounding-set -all --inh-caps -all --no-new-privs "${words[@]}"
    POD=$PID
    wait_until listeners_are "$PORT" 2
    init=$(pgrep -P "$POD")
    node_servers() { pgrep -U 64611 -x node | sort; }
    before=$(node_servers)
    spawn storm "$PROBES/storm" 127.0.0.1 "$PORT" 'GET / HTTP/1.0\r\n\r\n' here
    kill -HUP "$init"
    renewed() { [ "$(node_servers | wc -l)" = 2 ] && [ -z "$(comm -12 <(node_servers) <(echo "$before"))" ]; }
    wait_until renewed
    kill -TERM "$PID"
    wait "$PID"
    cat "$(log storm)" "$(log pod)"
    grep -qE '^[1-9][0-9]* answered, 0 failed$' "$(log storm)"
    kill -TERM "$init"
    wait "$POD" || status=$?
    [ "$status" = 143 ]
    [ -z "$(node_servers)" ]
}

# --- the image

@test "what the Dockerfile copies is there, its make builds the image's files, and they need nothing else" {
    need_root
    local word rest source words from='' context=$BATS_TEST_TMPDIR/src image=$BATS_TEST_TMPDIR/image
    mkdir "$context" "$image"
    while read -r word rest; do
        read -ra words <<<"$rest"
        case $word in
        FROM) from=${words[0]} ;;
        COPY)
            if [ "${words[0]}" = --from=build ]; then
                [ "$from" = scratch ]
                for source in "${words[@]:1:${#words[@]}-2}"; do
                    cp "$BATS_TEST_TMPDIR$source" "$image/${words[-1]}"
                done
            else
                for source in "${words[@]::${#words[@]}-1}"; do
                    mkdir -p "$context/$(dirname "$source")"
                    cp -r "$ROOT/$source" "$context/$source"
                done
            fi
            ;;
        RUN) [ "${words[0]}" != make ] || (cd "$context" && env -u BUILD -u MAKEFLAGS "${words[@]}" -j 2) ;;
        ENTRYPOINT) [ "$rest" = '["/reuseport"]' ] ;;
        esac
    done < <(sed -e ':join; /\\$/ { N; s/\\\n//; b join }' "$SIDECAR/Dockerfile")
    [ "$from" = scratch ]
    [ "$(cd "$image" && echo *)" = "libreuseport.so reuseport" ]
    run chroot "$image" /reuseport --version
    echo "$output"
    [ "$output" = "$("$STATIC" --version)" ]
    [ "$(cd "$SIDECAR" && grep -ohE 'reuseport:[0-9.]+[0-9]' Dockerfile README.md {compose,pod,service-pod,patch}.yaml | sort -u)" = "${output/ /:}" ]
}

# --- install-lib

# in_mount OPTIONS FOLDER COMMAND...: with a tmpfs of these options on the folder; prints what it then holds.
in_mount() {
    unshare --mount bash -c '
        [ "$1" = - ] || mount -t tmpfs -o "$1" none "$2"
        "${@:3}"
        status=$?
        ls -A "$2" 2>/dev/null
        exit $status' - "$@"
}

# fails_to_install OPTIONS FOLDER TEXT: with 125, one line that names the folder and says TEXT, and nothing in it.
fails_to_install() {
    run --separate-stderr in_mount "$1" "$2" "$STATIC" install-lib --library="$LIBRARY" "$2"
    echo "$1: status $status: $output: $stderr"
    [ "$status" = 125 ] && [ -z "$output" ] && [ "${#stderr_lines[@]}" = 1 ] && [[ $stderr == "reuseport: $2"*": $3" ]]
}

@test "install-lib copies the library byte by byte, executable, and prints where it is" {
    local command
    for command in "$BUILD/reuseport" "$STATIC"; do
        local folder=$BATS_TEST_TMPDIR/${command//\//-}
        mkdir "$folder"
        umask 077
        run --separate-stderr "$command" install-lib --library="$LIBRARY" "$folder"
        echo "$output $stderr"
        [ "$status" = 0 ]
        [ "$output" = "$folder/libreuseport.so" ]
        [ -z "$stderr" ]
        cmp "$LIBRARY" "$folder/libreuseport.so"
        [ "$(stat -c %a "$folder/libreuseport.so")" = 755 ]
        [ "$(ls -A "$folder")" = libreuseport.so ]
    done
}

@test "install-lib replaces an older library without writing into it, as programs may have it loaded" {
    echo old >"$BATS_TEST_TMPDIR/libreuseport.so"
    exec {old}<"$BATS_TEST_TMPDIR/libreuseport.so"
    "$STATIC" install-lib --library="$LIBRARY" "$BATS_TEST_TMPDIR"
    cmp "$LIBRARY" "$BATS_TEST_TMPDIR/libreuseport.so"
    [ "$(cat <&"$old")" = old ]
}

@test "install-lib says in one line why a folder will not do, and leaves nothing there" {
    need_root
    need_unshare --mount
    mkdir "$BATS_TEST_TMPDIR/folder"
    fails_to_install - "$BATS_TEST_TMPDIR/missing" "No such file or directory"
    fails_to_install ro "$BATS_TEST_TMPDIR/folder" "Read-only file system"
    fails_to_install nr_inodes=1 "$BATS_TEST_TMPDIR/folder" "No space left on device"
    fails_to_install size=4k "$BATS_TEST_TMPDIR/folder" "No space left on device"
}

@test "install-lib succeeds in an init container that is started again after it was killed" {
    need_root
    need_unshare --pid --fork
    # An init container is always PID 1; this is what the first one was writing.
    echo half >"$BATS_TEST_TMPDIR/libreuseport.so.1"
    run unshare --pid --fork "$STATIC" install-lib --library="$LIBRARY" "$BATS_TEST_TMPDIR"
    echo "$output"
    [ "$status" = 0 ]
    cmp "$LIBRARY" "$BATS_TEST_TMPDIR/libreuseport.so"
}
