# SPDX-License-Identifier: MIT
# What the tests of `make field` have in common: a systemd of the test's own, booted in a twentieth of a second, and
# whatever else starts servers where they really live. It loads ../replacement.bash, whose SERVER, NET and FAR it sets.
#
#     boot_systemd [PROGRAMS]   boots it, in namespaces and a cgroup of its own, with the programs of the host, or those in
#                               that folder; the end of the test takes it down
#     unit NAME <<END           makes a unit, or a drop-in (NAME.d/reuseport.conf), and has systemd read it
#     in_systemd COMMAND...     runs there as from an operator's shell: in no unit
#     from_outside COMMAND...   runs in its network namespace alone: clients
#     property UNIT NAME        what systemctl show says
#     serves UNIT               its main process answers on $PORT, as examples/server does
#
# Output of units: StandardOutput=append:$PWD/NAME, since there is no journal. What systemd itself says stands in
# machine/console, and is shown where a test fails. /usr/local has the product and examples/server, since a sandboxed unit
# may not see /tmp.
# shellcheck disable=SC2034 # for the tests that load this

load "$BATS_TEST_DIRNAME/../replacement"

MACHINE_PID=
MACHINE_CGROUP=

teardown() {
    end_all
}

end_all() {
    local pid
    shut_down_systemd
    NET=()
    for pid in $(ss -Htlnup "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u); do
        PIDS+=("$pid")
    done
    stop_all
}

boot_systemd() {
    local cgroups machine=$BATS_TEST_TMPDIR/machine programs=${1:-/}
    need_root
    need "$programs/lib/systemd/systemd" systemctl unshare nsenter pivot_root
    need_unshare --mount --net --ipc --uts --pid --fork --cgroup
    cgroups=$(findmnt -rnt cgroup2 -o TARGET | head -n 1)
    MACHINE_CGROUP=$cgroups/reuseport-$BASHPID
    { [ -n "$cgroups" ] && mkdir "$MACHINE_CGROUP"; } 2>/dev/null || missing "a cgroup2 hierarchy to make groups in"
    mkdir -p "$machine/root" "$machine/units"
    empty_targets "$machine/units" field sysinit basic network shutdown umount final multi-user
    spawn machine setpriv --pdeathsig KILL unshare --mount --net --ipc --uts --pid --fork --kill-child \
        sh "$BATS_TEST_DIRNAME/boot.sh" "$machine" "$MACHINE_CGROUP" "$BUILD" "$programs" "$ROOT" "$BUILD"
    wait_until has_child "$PID"
    MACHINE_PID=$(cat "/proc/$PID/task/$PID/children")
    MACHINE_PID=${MACHINE_PID% }
    NET=(in_systemd)
    FAR=(nsenter --target "$MACHINE_PID" --net)
    wait_until is_running || {
        cat "$(log machine)" "$machine/console"
        return 1
    }
    mkdir "$MACHINE_CGROUP/operator"
}

empty_targets() {
    local name
    for name in "${@:2}"; do
        echo '[Unit]' >"$1/$name.target"
    done
}

has_child() {
    [ -n "$(cat "/proc/$1/task/$1/children")" ]
}

is_running() {
    [ "$(nsenter --target "$MACHINE_PID" --mount --pid systemctl is-system-running)" = running ]
}

# In a cgroup beside systemd's own, and in the folder of the test. A replace there needs its output in a file, not in
# bats' pipe: the new server has it, too.
in_systemd() {
    sh -c 'echo 0 >"$1/operator/cgroup.procs" && shift && exec "$@"' sh "$MACHINE_CGROUP" \
        nsenter --target "$MACHINE_PID" --mount --net --ipc --uts --pid --cgroup --wdns="$PWD" "$@" 3>&-
}

from_outside() {
    "${FAR[@]}" "$@"
}

unit() {
    mkdir -p "$(dirname "machine/units/$1")"
    cat >"machine/units/$1"
    in_systemd systemctl daemon-reload
}

property() {
    in_systemd systemctl show --value --property "$2" "$1"
}

serves() {
    [ "$(ask_server)" = "pid $(property "$1" MainPID)" ]
}

# The first words of examples/server's answer.
ask_server() {
    from_outside "$BUILD/examples/client" "$PORT" 1 "$ADDRESS" | grep -o '^pid [0-9]*'
}

# Has PID 1 end all that it has and then itself: systemctl poweroff --force --force, without its sync().
shut_down_systemd() {
    local group
    [ -n "$MACHINE_CGROUP" ] || return 0
    if [ -n "$MACHINE_PID" ]; then
        [ -n "${BATS_TEST_COMPLETED:-}" ] || cat machine/console
        kill -s RTMIN+14 "$MACHINE_PID" 2>/dev/null || true
        wait_until_ended "$MACHINE_PID" || kill -KILL "$MACHINE_PID"
    fi
    [ ! -d "$MACHINE_CGROUP" ] || echo 1 >"$MACHINE_CGROUP/cgroup.kill"
    wait_until no_process_in "$MACHINE_CGROUP"
    find "$MACHINE_CGROUP" -depth -type d -exec rmdir {} +
    MACHINE_CGROUP=
}

no_process_in() {
    ! grep -q populated.1 "$1/cgroup.events"
}
