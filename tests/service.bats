#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# reuseport run -n as a service: copies that come back, one more or less, when one is ready, hung, or to end.

load helpers

setup() {
    lease_port PORT
    COMMAND=$BUILD/reuseport
    SERVE=$PROBES/serve
    SEEN=$BATS_TEST_TMPDIR/seen
    : >"$SEEN"
    chmod 777 "$BATS_TEST_TMPDIR"
    chmod 666 "$SEEN"
    NETWORK=
    NET=()
}

teardown() {
    stop_all
    [ -z "$NETWORK" ] || ip netns del "$NETWORK" || true
}

# service OPTION... -- WORD...: starts run with these options, and the server with these words; SERVICE is its PID.
service() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    rm -f "$(log service)" # that of an earlier one, which tells of its copies
    spawn service "${NET[@]}" env MARK="$BATS_TEST_TMPDIR" "$COMMAND" run -p "$PORT" "${options[@]}" "$SERVE" "$PORT" "${@:2}"
    SERVICE=$PID
}

# stop_service [STATUS]: TERM ends it, with status 143, as its copies die of it, and nothing of it is left.
stop_service() {
    local status=0
    kill -TERM "$SERVICE"
    wait_until_ended "$SERVICE"
    wait "$SERVICE" || status=$?
    [ "$status" = "${1:-143}" ]
    wait_until none_left
}

# marked: the processes that carry this test's mark in their environment.
marked() {
    grep -lszxF "MARK=$BATS_TEST_TMPDIR" /proc/[0-9]*/environ || true
}

none_left() {
    [ -z "$(marked)" ]
}

# pid_of COPY: its first process, of the last that was started under that number.
pid_of() {
    sed -n "s/^reuseport: copy $1: started, pid //p" "$(log service)" | tail -n 1
}

keeper_of() {
    ps -o ppid= -p "$(pid_of "$1")" | xargs
}

# said TEXT [COUNT]: that many lines of the service end with the text; without COUNT, any.
said() {
    local count
    count=$(grep -cE "^reuseport: $1\$" "$(log service)" || true)
    echo "$count times: $1"
    if [ "${2:-}" ]; then [ "$count" = "$2" ]; else [ "$count" -gt 0 ]; fi
}

# numbers: the numbers of the copies that exist, sorted.
numbers() {
    marked | cut -d/ -f3 | while read -r pid; do
        [[ $(readlink "/proc/$pid/exe") != "$(realpath "$SERVE")" ]] ||
            tr '\0' '\n' <"/proc/$pid/environ" | sed -n 's/^REUSEPORT_INSTANCE=//p'
    done 2>/dev/null | sort -n | xargs
}

numbers_are() {
    [ "$(numbers)" = "$1" ]
}

# ready COUNT: that many copies have become ready so far.
ready() {
    [ "$(grep -cE 'copy [0-9]+: ready$' "$(log service)")" = "$1" ]
}

# storm THREADS: so many threads open connections until storm_over, which sets ANSWERED and FAILED.
storm() {
    spawn storm "${NET[@]}" "$PROBES/storm" 127.0.0.1 "$PORT" "" "" "$1"
    STORM=$PID
}

storm_over() {
    kill -TERM "$STORM"
    wait "$STORM"
    cat "$(log storm)"
    [[ $(<"$(log storm)") =~ ^([0-9]+)\ answered,\ ([0-9]+)\ failed ]]
    ANSWERED=${BASH_REMATCH[1]} FAILED=${BASH_REMATCH[2]}
    [ "$ANSWERED" -gt 0 ]
}

# fails LINE OPTION...: run ends with 125, and that line alone.
fails() {
    run --separate-stderr -125 "$COMMAND" run -p "$PORT" "${@:2}" touch "$SEEN.started"
    echo "$*: $output / $stderr"
    [ "$stderr" = "reuseport: $1" ] && [ -z "$output" ] && [ ! -e "$SEEN.started" ]
}

@test "wrong options of a service end with 125 and one line, and start nothing" {
    fails "run: --balance requires -n" --balance
    fails "run: --max requires -n" --max=3
    fails "run: --ready requires -n" --ready=listen
    fails "run: --rolling requires -n" --rolling=HUP
    fails "run: --hung requires -n" --hung=1
    fails "run: --on-exit=restart requires -n" --on-exit=restart
    fails "run: --in-place requires --rolling" -n 2 --in-place
    fails "run: --in-place: with one copy nothing serves meanwhile; use -n 2 or more" -n 1 --rolling=HUP --in-place
    fails "run: --max: 1 is less than the 2 copies of -n" -n 2 --max=1
    fails '--max: "5000": not a number from 1 to 4096' -n 2 --max=5000
    fails '--rolling: "TERM": not HUP, USR1, USR2 or WINCH' -n 2 --rolling=TERM
    fails '--rolling: "CONT": not HUP, USR1, USR2 or WINCH' -n 2 --rolling=CONT
    fails '--rolling: "BOGUS": not HUP, USR1, USR2 or WINCH' -n 2 --rolling=BOGUS
    fails '--on-exit: "again": not keep, stop or restart' -n 2 --on-exit=again
    fails '--ready: expected listen, notify or a command line' -n 2 --ready=
    fails '--hung: "0": not a number from 1 to 86400' -n 2 --hung=0
    fails '--stop-timeout: "0": not a number from 1 to 86400' -n 2 --stop-timeout=0
    fails '--start-timeout: "1.5": not a number from 1 to 86400' -n 2 --start-timeout=1.5
    fails '--drain: "-1": not a number from 0 to 86400' -n 2 --drain=-1
}

@test "-n 1 supervises: its copy is restarted, signals reach it, its status counts; without -n COMMAND takes its place" {
    service -n 1 -v --on-exit=restart --
    wait_until listens "$PORT"
    [ "$(readlink "/proc/$SERVICE/exe")" = "$(realpath "$COMMAND")" ]
    kill -KILL "$(pid_of 0)"
    wait_until said "copy 0: started, pid [0-9]+" 2
    wait_until listens "$PORT"
    stop_service
    spawn one "$COMMAND" run -p "$PORT" "$SERVE" "$PORT"
    wait_until listens "$PORT"
    [ "$(readlink "/proc/$PID/exe")" = "$(realpath "$SERVE")" ]
}

@test "-n 1 as PID 1 and under runsv: TERM to that process ends the copy, TTIN and a restart come by it" {
    need_root
    need_unshare --pid --fork --mount-proc
    need runsv
    spawn service env MARK="$BATS_TEST_TMPDIR" unshare --pid --fork --mount-proc \
        "$COMMAND" run -v -n 1 --on-exit=restart -p "$PORT" "$SERVE" "$PORT"
    local outer=$PID
    SERVICE=$(wait_until has_child "$outer" && children "$outer")
    wait_until listeners_are "$PORT" 1
    kill -TTIN "$SERVICE"
    wait_until listeners_are "$PORT" 2
    kill -KILL "$(served_by)"
    wait_until said "copy [01]: started, pid [0-9]+" 3
    wait_until listeners_are "$PORT" 2
    kill -TERM "$SERVICE"
    wait_until_ended "$outer"
    wait_until none_left

    mkdir "$BATS_TEST_TMPDIR/unit"
    printf '#!/bin/sh\nexec env MARK="%s" "%s" run -n 1 --on-exit=restart -p %s "%s" %s\n' \
        "$BATS_TEST_TMPDIR" "$COMMAND" "$PORT" "$SERVE" "$PORT" >"$BATS_TEST_TMPDIR/unit/run"
    chmod 755 "$BATS_TEST_TMPDIR/unit/run"
    spawn runsv runsv "$BATS_TEST_TMPDIR/unit"
    wait_until listeners_are "$PORT" 1
    SERVICE=$(children "$PID")
    [ "$(readlink "/proc/$SERVICE/exe")" = "$(realpath "$COMMAND")" ]
    kill -TTIN "$SERVICE"
    wait_until listeners_are "$PORT" 2
    sv -w 20 exit "$BATS_TEST_TMPDIR/unit"
    wait_until none_left
}

# children PID: those of the process.
children() {
    xargs <"/proc/$1/task/$1/children"
}

has_child() {
    [ -n "$(children "$1")" ]
}

# served_by: a process that listens on PORT, as seen from here.
served_by() {
    ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | head -n 1 | cut -d= -f2
}

@test "below a terminal -n 1 supervises, its copy's input is empty, and ^C ends both" {
    need python3
    local status=0
    MARK=$BATS_TEST_TMPDIR timeout 40 python3 "$BATS_TEST_DIRNAME/terminal.py" "$SEEN" 1 0 \
        "$COMMAND" run -n 1 --on-exit=restart -p "$PORT" sh -c 'echo "$(readlink /proc/self/fd/0)" >>"$0"; exec "$1" "$2"' \
        "$SEEN" "$SERVE" "$PORT" </dev/null 3>&- || status=$?
    [ "$status" = 130 ]
    [ "$(<"$SEEN")" = /dev/null ]
    none_left
}

@test "a copy that ends is started again, whatever its status, after 0.1, 0.2, 0.4 s; each end and start gives one line" {
    local i pid
    service -n 1 -v --on-exit=restart -- life=200 status=3
    wait_until said "copy 0: restarting in 0.4 s"
    kill -TERM "$SERVICE"
    wait_until_ended "$SERVICE"
    wait_until none_left
    [ "$(grep -E 'ended|started|restarting' "$(log service)" | sed 's/pid [0-9]*/pid N/' | head -n 8)" = "reuseport: copy 0: started, pid N
reuseport: copy 0: ended with status 3
reuseport: copy 0: restarting in 0.1 s
reuseport: copy 0: started, pid N
reuseport: copy 0: ended with status 3
reuseport: copy 0: restarting in 0.2 s
reuseport: copy 0: started, pid N
reuseport: copy 0: ended with status 3" ]
    # Without -v the same but for the delays; a signal by its name; status 0 is no success.
    service -n 1 --on-exit=restart -- life=400
    wait_until said "copy 0: ended with status 0"
    wait_until said "copy 0: started, pid [0-9]+" 2
    kill -USR2 "$(pid_of 0)"
    wait_until said "copy 0: killed by USR2"
    wait_until said "copy 0: started, pid [0-9]+" 3
    wait_until listens "$PORT"
    kill -TERM "$SERVICE"
    wait_until_ended "$SERVICE"
    run grep -vE 'copy 0: (started, pid [0-9]+|ended with status 0|killed by USR2|killed by TERM)$' "$(log service)"
    [ -z "$output" ]
}

@test "-q silences starts and ends" {
    local pid
    service -q -n 1 --on-exit=restart --
    wait_until listens "$PORT"
    pid=$(served_by)
    kill -KILL "$pid"
    wait_until_ended "$pid"
    wait_until listens "$PORT"
    kill -TERM "$SERVICE"
    wait_until_ended "$SERVICE"
    [ ! -s "$(log service)" ]
}

@test "five ends in a row before it listened end the whole with that status and one line; the others are ended" {
    spawn service env MARK="$BATS_TEST_TMPDIR" "$COMMAND" run -v -n 3 --on-exit=restart -p "$PORT" sh -c '
        [ "$REUSEPORT_INSTANCE" = 1 ] && exit 7; exec "$0" "$1"' "$SERVE" "$PORT"
    local status=0
    wait "$PID" || status=$?
    [ "$status" = 7 ]
    none_left
    said "copy 1: ended 5 times in a row before it listened; giving up" 1
    said "copy 1: ended with status 7" 5
    said "copy 1: restarting in 0.[1248] s" 4
    said "copy 1: restarting in .*" 4
    said "copy 0: killed by TERM" 1
    said "copy 2: killed by TERM" 1
}

@test "a copy that listened between two that did not is no reason to give up" {
    spawn service env MARK="$BATS_TEST_TMPDIR" "$COMMAND" run -v -n 1 --on-exit=restart -p "$PORT" sh -c '
        echo >>"$0"; [ "$(wc -l <"$0")" != 4 ] || exec "$1" "$2" life=300; exit 5' "$SEEN" "$SERVE" "$PORT"
    SERVICE=$PID
    wait_until said "copy 0: restarting in 3.2 s"
    said "copy 0: ended with status 5" 5
    stop_service 0
}

@test "a COMMAND that cannot be executed any more ends the whole with 127; a healthy copy is ended, too" {
    local status=0
    cp "$SERVE" "$BATS_TEST_TMPDIR/server"
    spawn service env MARK="$BATS_TEST_TMPDIR" "$COMMAND" run -v -n 2 --on-exit=restart -p "$PORT" \
        "$BATS_TEST_TMPDIR/server" "$PORT"
    wait_until listeners_are "$PORT" 2
    rm "$BATS_TEST_TMPDIR/server"
    kill -KILL "$(pid_of 1)"
    wait "$PID" || status=$?
    [ "$status" = 127 ]
    none_left
    said "copy 1: ended 5 times in a row before it listened; giving up" 1
}

@test "a copy that we may not look into counts as listening after 10 s" {
    need_root
    need setpriv
    chmod 755 "$BATS_RUN_TMPDIR"
    # Both are out of sight before the first listens: otherwise it is the only one that can have what is new.
    local go=$BATS_TEST_TMPDIR/go begin=$EPOCHSECONDS
    mkfifo -m 666 "$go"
    spawn service env MARK="$BATS_TEST_TMPDIR" setpriv --bounding-set=-sys_ptrace --inh-caps=-all \
        "$COMMAND" run -v -n 2 --on-exit=restart -p "$PORT" \
        setpriv --reuid 64731 --regid 64731 --clear-groups sh -c 'read -r _ <"$1" && shift && exec "$@"' sh "$go" "$SERVE" "$PORT"
    SERVICE=$PID
    both_wait() { [ "$(marked | sed 's/environ$/status/' | xargs -r grep -lsE '^Uid:[[:space:]]64731' | wc -l)" = 2 ]; }
    wait_until both_wait
    printf '\n\n' >"$go"
    wait_until listeners_are "$PORT" 2
    wait_until ready 2
    [ $((EPOCHSECONDS - begin)) -ge 9 ]
    stop_service
}

# hold COPY: opens connections until that copy has one, which FD becomes.
hold() {
    local line
    while :; do
        exec {FD}<>"/dev/tcp/127.0.0.1/$PORT"
        read -r line <&"$FD"
        [[ $line != *" copy $1" ]] || return 0
        exec {FD}<&-
    done
}

@test "a copy that we may not look into is drained for --drain seconds, as its connections cannot be counted" {
    need_root
    need setpriv
    local start
    chmod 755 "$BATS_RUN_TMPDIR"
    spawn service env MARK="$BATS_TEST_TMPDIR" setpriv --bounding-set=-sys_ptrace --inh-caps=-all \
        "$COMMAND" run -v -n 1 --max=2 --drain=3 -p "$PORT" \
        setpriv --reuid 64731 --regid 64731 --clear-groups "$SERVE" "$PORT" hold
    SERVICE=$PID
    wait_until ready 1
    kill -TTIN "$SERVICE"
    wait_until ready 2
    hold 1
    start=${EPOCHREALTIME/./}
    kill -TTOU "$SERVICE"
    wait_until ended "$(pid_of 1)"
    [ $((${EPOCHREALTIME/./} - start)) -ge 2800000 ]
    exec {FD}<&-
    stop_service
}

# asked COUNT: which copies answered so many connections.
asked() {
    local i fd line
    for ((i = 0; i < $1; i++)); do
        exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
        read -r -t 3 line <&"$fd" && echo "${line##* }" || echo none
        exec {fd}<&-
    done | sort -u | xargs
}

@test "TTIN starts one copy more; TTOU drains the highest: no new connections, open ones are finished" {
    service -v -n 2 --drain=60 -- hold
    wait_until ready 2
    kill -TTIN "$SERVICE"
    wait_until ready 3
    numbers_are "0 1 2"
    hold 2
    kill -TTOU "$SERVICE"
    wait_until said ".*: new connections go to copies 0 1"
    sleep 0.2
    [ "$(asked 100)" = "0 1" ]
    sleep 0.5
    numbers_are "0 1 2"
    exec {FD}<&-
    wait_until numbers_are "0 1"
    said "copy 2: ending" 1
    said "copy 2: killed by TERM" 1
    wait_until idle
    stop_service
}

# idle: the service, which has nothing to wait for but signals, does not run.
idle() {
    local before
    before=$(runs)
    sleep 1.1 # more than any pause between two looks
    [ "$(runs)" = "$before" ]
}
runs() {
    grep ^voluntary "/proc/$SERVICE/status"
    cut -d ' ' -f 14,15 "/proc/$SERVICE/stat"
}

@test "a copy that TTOU takes away has --drain for its connections; its number is the next copy's" {
    service -v -n 2 --drain=1 -- hold
    wait_until ready 2
    hold 1
    local keeper begin=${EPOCHREALTIME/./}
    keeper=$(keeper_of 1)
    kill -TTOU "$SERVICE"
    run ! read -r -t 20 line <&"$FD"
    [ $((${EPOCHREALTIME/./} - begin)) -gt 900000 ]
    wait_until numbers_are 0
    wait_until ended "$keeper" # its number is free then
    kill -TTIN "$SERVICE"
    wait_until numbers_are "0 1"
    stop_service
}

@test "TTOU leaves the last copy, and TTIN starts no more than four times -n, or --max" {
    local copies
    service -n 1 --
    wait_until listeners_are "$PORT" 1
    kill -TTOU "$SERVICE"
    wait_until said "TTOU: the last copy is not removed" 1
    for copies in 2 3 4; do
        kill -TTIN "$SERVICE"
        wait_until listeners_are "$PORT" "$copies"
    done
    kill -TTIN "$SERVICE"
    wait_until said "TTIN: no more than 4 copies; see --max" 1
    numbers_are "0 1 2 3"
    stop_service
    service -n 2 --max=2 --
    wait_until listeners_are "$PORT" 2
    kill -TTIN "$SERVICE"
    wait_until said "TTIN: no more than 2 copies; see --max" 1
    numbers_are "0 1"
    stop_service
}

@test "where copies that drain have all numbers, TTIN says so" {
    service -v -n 1 --max=2 --drain=60 --stop-timeout=1 -- hold
    wait_until ready 1
    local number
    for number in 1 2; do
        kill -TTIN "$SERVICE"
        wait_until ready $((1 + number))
        hold "$number"
        kill -TTOU "$SERVICE"
        wait_until said "copy $number: draining"
    done
    kill -TTIN "$SERVICE"
    wait_until said "TTIN: no number is free until a copy that drains has ended"
    stop_service
}

@test "numbers are reused, the lowest first" {
    service -v -n 3 --
    wait_until ready 3
    kill -TERM "$(pid_of 2)" "$(pid_of 0)"
    wait_until numbers_are 1
    kill -TTIN "$SERVICE"
    wait_until numbers_are "0 1"
    kill -TTIN "$SERVICE"
    wait_until numbers_are "0 1 2"
    stop_service
}

# job.sh: as a background job of a terminal with "stty tostop", starts the service, has the terminal send TTIN and TTOU
# to the whole job, of which one member reads and one writes, and then sends one TTIN itself. "strangers": the service
# has a child that is not its own.
write_job() {
    cat >"$BATS_TEST_TMPDIR/job.sh" <<'END'
trap : TTIN TTOU
[ "$1" != strangers ] || STRANGER='sleep 1000 &'
shift
sh -c "$STRANGER "'exec "$@"' sh "$@" >"$LOG" 2>&1 &
service=$!
listeners() { [ "$(ss -Htln "sport = :$PORT" | wc -l)" = "$1" ]; }
until listeners 2; do sleep 0.02; done
stopped() { # without a process of its own, which would be stopped, too
    while :; do
        read -r state </proc/$1/stat
        case $state in *") T "*) return ;; esac
    done
}
dd count=1 2>/dev/null </dev/tty &
reader=$!
stopped $reader
dd count=1 of=/dev/tty 2>/dev/null </dev/zero &
writer=$!
stopped $writer
kill -KILL $reader $writer
# Neither signal is pending any more: the service has read both.
while grep -q '^ShdPnd:.*[^048c].....$' /proc/$service/status; do sleep 0.02; done
sleep 0.2
kill -TTIN $service
until listeners 3; do sleep 0.02; done
sleep 0.3
ss -Htln "sport = :$PORT" | wc -l >"$LOG.count"
[ -z "$STRANGER" ] || kill $(ps -o pid=,comm= --ppid $service | awk '$2 == "sleep" { print $1 }')
kill -TERM $service
wait $service
END
}

@test "TTIN and TTOU count if somebody sent them, and not if a terminal did; also where the service goes apart" {
    need python3
    local kind
    write_job
    for kind in plain strangers; do
        env LOG="$(log service)" PORT="$PORT" MARK="$BATS_TEST_TMPDIR" timeout 60 \
            python3 "$BATS_TEST_DIRNAME/background-job.py" sh "$BATS_TEST_TMPDIR/job.sh" "$kind" \
            "$COMMAND" run -v -n 2 -p "$PORT" "$SERVE" "$PORT" </dev/null 3>&-
        [ "$(<"$(log service).count")" = 3 ]
        said "copy [0-9]+: started, pid [0-9]+" 3
        run ! grep -E 'TTIN|TTOU|draining' "$(log service)"
        wait_until none_left
    done
}

# early: how often a copy was asked before it was ready.
early() {
    grep -c '^early' "$(log service)" || true
}

# shielded OPTION: a copy that listens at once and is ready 2 s later gets no connection before, when it is started
# again or added, whoever serves meanwhile.
shielded() {
    local before
    service -v -n 2 --on-exit=restart "$@" -- late=2000 "file=$BATS_TEST_TMPDIR/ready"
    # While none is ready the kernel chooses.
    wait_until listeners_are "$PORT" 2
    [ "$(asked 40)" = "0 1" ]
    [ "$(early)" = 40 ]
    ready 0
    wait_until ready 2
    before=$(early)
    storm 4
    kill -KILL "$(pid_of 1)"
    wait_until ready 3
    kill -TTIN "$SERVICE"
    wait_until ready 4
    wait_until takes_part 1 2
    storm_over
    [ "$(early)" = "$before" ]
    # The killed one may have had some of theirs.
    [ "$FAILED" -le 4 ]
    stop_service
}

# takes_part COPY...: each of them answers.
takes_part() {
    local copy
    for copy; do [[ " $(asked 20) " == *" $copy "* ]] || return 1; done
}

@test "--ready=notify: a restarted or added copy gets no connection before it says READY=1, under load" {
    shielded --ready=notify
}

@test "--ready=COMMAND-LINE: a restarted or added copy gets no connection before that ends with 0, under load" {
    shielded --ready="test -e '$BATS_TEST_TMPDIR/ready.'\$REUSEPORT_PID"
}

@test "TERM reaches all copies together, and again; without --stop-timeout one that ignores it is not killed" {
    spawn service env MARK="$BATS_TEST_TMPDIR" "$COMMAND" run -v -n 3 --on-exit=restart -p "$PORT" \
        "$PROBES/signals" "$SEEN" 0 shy
    SERVICE=$PID
    terms_are() { [ "$(grep -c TERM "$SEEN")" = "$1" ]; }
    started() { [ "$(grep -c started "$SEEN")" = 3 ]; }
    wait_until started
    kill -TERM "$SERVICE"
    wait_until terms_are 3
    sleep 1.5
    [ "$(grep -c started "$SEEN")" = 3 ]
    kill -TERM "$SERVICE"
    wait_until terms_are 6
    kill -KILL "$(pid_of 0)" "$(pid_of 1)" "$(pid_of 2)"
    wait_until_ended "$SERVICE"
    wait_until none_left
}

@test "--stop-timeout: KILL follows TERM for copies that ignore it, that are stopped, and whose keeper is stopped" {
    local begin
    spawn service env MARK="$BATS_TEST_TMPDIR" "$COMMAND" run -v -n 4 --stop-timeout=1 --on-exit=restart -p "$PORT" \
        sh -c '[ "$REUSEPORT_INSTANCE" != 1 ] || trap "" TERM; exec "$0" "$1"' "$SERVE" "$PORT"
    SERVICE=$PID
    wait_until listeners_are "$PORT" 4
    kill -STOP "$(pid_of 2)"
    kill -STOP "$(keeper_of 3)"
    begin=$SECONDS
    kill -TERM "$SERVICE"
    wait_until said "copy 0: killed by TERM" 1
    wait_until said "copy 1: killed by KILL" 1
    wait_until said "copy 2: killed by KILL" 1
    wait_until said "copy [123]: did not end in time; sending KILL" 3
    # TERM, 1 s, the keeper's turn, 5 s, the keeper.
    wait_until ended_now
    [ $((SECONDS - begin)) -le 9 ]
    wait "$SERVICE" || true
    wait_until none_left
}

ended_now() {
    ! grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$SERVICE/status"
}

# is_ending PID: it has ended, or a TERM waits until it runs again.
is_ending() {
    local pending
    pending=$(sed -n 's/^ShdPnd:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) || return 0
    [ -z "$pending" ] || ((16#$pending >> 14 & 1))
}

# wait_in_queue PID COUNT: opens connections until that many wait for the copy, or it is already being ended.
wait_in_queue() {
    local fd
    until is_ending "$1" || ss -Htlnp "sport = :$PORT" |
        awk -v who="pid=$1," -v count="$2" 'index($0, who) && $2 >= count { found = 1 } END { exit !found }'; do
        { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || true
    done
}

@test "--hung: a stopped copy, and one that loops, for which connections wait, are ended, and started again" {
    local starts=2 looping
    service -v -n 2 --hung=1 --on-exit=restart --
    wait_until ready 2
    for how in STOP USR1; do
        looping=$(pid_of 1)
        kill -$how "$looping"
        wait_in_queue "$looping" 5
        storm 2 # the other is busy
        wait_until said "copy 1: accepted no connection for 1 s, while [0-9]+ wait; sending TERM" $((starts - 1))
        if [ "$how" = STOP ]; then # until it is killed, 5 s later, it gets no others
            wait_until said ".*: new connections go to copies 0"
            sleep 0.2
            run asked 40
            echo "asked: $output"
            [ "$output" = 0 ]
        fi
        wait_until said "copy 1: killed by (KILL|TERM)" $((starts - 1))
        starts=$((starts + 1))
        wait_until ready "$starts"
        kill -TERM "$STORM"
        wait "$STORM"
        [ "$(asked 40)" = "0 1" ]
    done
    said "copy 0: (accepted|killed).*" 0
    said "copy 1: killed by KILL" 1 # the first could not heed TERM
    stop_service
}

@test "--hung: where all copies loop, all are ended, and started again" {
    local copies copy
    service -v -n 3 --hung=1 --on-exit=restart --
    wait_until ready 3
    mapfile -t copies < <(for copy in 0 1 2; do pid_of $copy; done)
    kill -USR1 "${copies[@]}"
    wait_in_queue "${copies[2]}" 1
    wait_in_queue "${copies[1]}" 3
    wait_in_queue "${copies[0]}" 5
    wait_until said "copy [0-2]: killed by TERM" 3
    wait_until ready 6
    [ "$(asked 60)" = "0 1 2" ]
    stop_service
}

@test "--hung: neither a copy that accepts slowly from a full queue is ended, nor one for which nothing waits" {
    local words
    for words in "slow=300 queue=3" "slow=300 queue=100"; do
        # shellcheck disable=SC2086 # several words
        service -v -n 2 --hung=2 --on-exit=restart -- $words
        wait_until ready 2
        storm 30
        sleep 5
        kill -KILL "$STORM"
        wait "$STORM" || true
        said "copy [01]: (accepted|killed|ended).*" 0
        kill -KILL "$SERVICE"
        wait "$SERVICE" || true
        wait_until none_left
    done
    service -v -n 2 --hung=1 --on-exit=restart --
    wait_until ready 2
    kill -STOP "$(pid_of 0)" "$(pid_of 1)"
    sleep 3
    said "copy [01]: (accepted|killed|ended).*" 0
    kill -CONT "$(pid_of 0)" "$(pid_of 1)"
    stop_service
}

# kill_in_turn SECONDS COPY...: kills one of these copies each second, the next that lives; KILLS of them.
kill_in_turn() {
    local second i seconds=$1 next=0
    shift
    KILLS=0
    for ((second = 0; second < seconds; second++)); do
        for ((i = 0; i < $#; i++)); do
            next=$((next % $# + 1))
            if kill -KILL "$(pid_of "${!next}")" 2>/dev/null; then
                KILLS=$((KILLS + 1))
                break
            fi
        done
        sleep 1
    done
}

# kill_storm SECONDS COPY...: 4 copies under load from 16 threads, some of which are killed: what is lost is at most
# what those had accepted, one connection each, and where the kernel does not migrate it, queued.
kill_storm() {
    local migrate
    make_network # whose setting this test changes
    for migrate in 1 0; do
        "${NET[@]}" sysctl -qw net.ipv4.tcp_migrate_req=$migrate
        service -v -n 4 --on-exit=restart --
        wait_until ready 4
        storm 16
        kill_in_turn "$@"
        [ "$KILLS" -ge $(($1 / 4)) ]
        all_are_back() { [ "$("${NET[@]}" ss -Htln "sport = :$PORT" | wc -l)" = 4 ] && numbers_are "0 1 2 3"; }
        SECONDS=0
        wait_until all_are_back || wait_until all_are_back # the delay may be 30 s
        storm_over
        echo "$KILLS kills"
        [ "$FAILED" = 0 ] || grep -qE "failed \((recv: Connection reset by peer|empty answer: .*)\)" "$(log storm)"
        [ "$FAILED" -le $((KILLS * (migrate ? 1 : 17))) ]
        stop_service
    done
}

@test "copies that are killed under load: only what they had accepted or queued is lost, and all are back" {
    kill_storm 5 0 1 2 3
}

# bats test_tags=long
@test "copies that are killed under load for a minute: only what they had accepted or queued is lost" {
    kill_storm 60 0 1 2 3
}

# descriptors, memory: of the supervisor, in numbers and KB.
descriptors() {
    local all=("/proc/$SERVICE/fd"/*)
    echo "${#all[@]}"
}

memory() {
    awk '$1 == "VmRSS:" { print $2 }' "/proc/$SERVICE/status"
}

@test "200 restarts leave no descriptor, no memory and no zombie in the supervisor" {
    local round i before
    service -v -n 50 --on-exit=restart --ready=notify -- queue=5
    wait_until ready 50
    for round in 1 2 3 4; do
        for ((i = 0; i < 50; i++)); do kill -KILL "$(pid_of $i)"; done
        wait_until ready $((50 + 50 * round))
        echo "$((50 * round)) restarts: $(descriptors) descriptors, $(memory) KB"
        [ "$round" != 2 ] || before="$(descriptors) $(memory)"
    done
    has_as_many() { [ "$(descriptors)" -le "${before% *}" ]; } # a look at the sockets has some for a moment
    wait_until has_as_many
    [ "$(memory)" -le $((${before#* } + 200)) ]
    run ! grep -q Z <(ps -o stat= --ppid "$SERVICE")
    stop_service
}

# act: does something to a service or its copies; prints what.
act() {
    local copies copy what
    mapfile -t copies < <(sed -n 's/^reuseport: copy \([0-9]*\): started.*/\1/p' "$(log service)" | sort -u)
    copy=$(pid_of "${copies[RANDOM % ${#copies[@]}]}")
    case $((RANDOM % 9)) in
    0 | 1) what="TTIN $SERVICE" ;;
    2) what="TTOU $SERVICE" ;;
    3 | 4) what="HUP $SERVICE" ;;
    5) what="KILL $copy" ;;
    6) what="KILL $(ps -o ppid= -p "$copy" | xargs)" ;; # its keeper
    7) what="STOP $copy" ;;
    8) what="CONT $copy" ;;
    esac
    [ "${what#* }" ] || return 0
    echo "$what (copy $copy)"
    # shellcheck disable=SC2086 # signal and PID
    kill -${what% *} "${what#* }" 2>/dev/null || true
}

# settles LIMIT: the service has ended within so many seconds, and nothing of it is left: no process, no port.
settles() {
    local deadline=$((SECONDS + $1))
    until ended_now && none_left && ! listens "$PORT"; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "still there:"
            marked | cut -d/ -f3 | while read -r pid; do ps -o pid=,ppid=,stat=,args= -p "$pid"; done
            return 1
        fi
        sleep 0.05
    done
    wait "$SERVICE" 2>/dev/null || true
}

# tidy NOTIFIED: the supervisor has no zombie, and no more descriptors than it had after its start, but for one that
# counts connections, two BPF maps, and if NOTIFIED is 1, one for each copy.
tidy() {
    local states
    states=$(ps -o stat= --ppid "$SERVICE")
    [[ $states != *Z* ]] && [ "$(descriptors)" -le $((DESCRIPTORS + 3 + $1 * $(wc -w <<<"$states"))) ]
}

# random_rounds COUNT: whatever happens to a service, it ends within the time that it has, and leaves nothing.
random_rounds() {
    local round actions copies ready notified options kinds=(keep stop restart) readies=(listen notify "sleep 0.0\$((\$\$ % 10))")
    RANDOM=${SEED:-$$}
    echo "SEED=${SEED:-$$}"
    for ((round = 0; round < $1; round++)); do
        copies=$((RANDOM % 3 + 2))
        ready=$((RANDOM % 3))
        notified=$((ready == 1))
        options=(-v -n "$copies" --on-exit="${kinds[RANDOM % 3]}" --ready="${readies[ready]}" --rolling=HUP
            --drain=$((RANDOM % 2)) --stop-timeout=1 --start-timeout=2)
        ((RANDOM % 3)) || options+=(--balance)
        ((RANDOM % 3)) || options+=(--in-place)
        ((RANDOM % 3)) || options+=(--hung=1)
        echo "round $round: ${options[*]}"
        service "${options[@]}" -- "late=$((RANDOM % 300))"
        wait_until said "copy $((copies - 1)): started, pid [0-9]+"
        DESCRIPTORS=$(($(descriptors) - copies * notified))
        for ((actions = RANDOM % 12; actions > 0; actions--)); do
            sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
            ended_now || act
        done
        ended_now || wait_until tidy "$notified" || { ls -l "/proc/$SERVICE/fd" && ps -o pid,stat,args --ppid "$SERVICE" && return 1; }
        if ((RANDOM % 3)); then
            kill -TERM "$SERVICE" 2>/dev/null || true
            settles 9 # KILL after 1 s, and the keeper's, 5 s later
        else
            kill -KILL "$SERVICE" 2>/dev/null || true
            settles 9 # KILL after 5 s
        fi || { tail -n 40 "$(log service)" && return 1; }
    done
}

@test "ten random rounds of TTIN, TTOU, renewals, kills and stops leave nothing behind" {
    random_rounds 10
}

# bats test_tags=long
@test "random rounds, 200 or ROUNDS, of TTIN, TTOU, renewals, kills and stops leave nothing behind" {
    random_rounds "${ROUNDS:-200}"
}

@test "a question about a copy that has ended is ended, too, and leaves no zombie" {
    service -v -n 2 --ready='echo asked >&2; exec sleep 1000' --
    asked_twice() { [ "$(grep -c '^asked$' "$(log service)")" = 2 ]; }
    wait_until asked_twice
    children_are() { [ "$(children "$SERVICE" | wc -w)" = "$1" ]; }
    children_are 4
    kill -KILL "$(pid_of 1)"
    wait_until children_are 2
    stop_service 137
}

@test "where no process can be forked, TTIN says so, a restart is tried again, and later both succeed" {
    need_root
    need setpriv prlimit
    chmod 755 "$BATS_RUN_TMPDIR"
    spawn service env MARK="$BATS_TEST_TMPDIR" setpriv --reuid 64737 --clear-groups --inh-caps=-all --bounding-set=-all \
        "$COMMAND" run -v -n 2 --on-exit=restart --ready=notify -p "$PORT" "$SERVE" "$PORT"
    SERVICE=$PID
    wait_until ready 2
    # Only one with the same user may change the limit.
    local limit=(setpriv --reuid 64737 --clear-groups prlimit --pid "$SERVICE")
    "${limit[@]}" --nproc=1:
    kill -TTIN "$SERVICE"
    wait_until said "TTIN: copy 2 cannot be started: Resource temporarily unavailable"
    [ "$(asked 40)" = "0 1" ]
    kill -KILL "$(pid_of 1)"
    wait_until said "copy 1: cannot be started: Resource temporarily unavailable; retrying in 0.4 s"
    "${limit[@]}" --nproc="$(awk '/^Max processes/ { print $4 }' "/proc/$SERVICE/limits"):"
    wait_until ready 3
    kill -TTIN "$SERVICE"
    wait_until ready 4
    numbers_are "0 1 2"
    stop_service
}

@test "copies that TTIN adds and TTOU takes away under load cost no connection" {
    local round
    service -v -n 2 --ready=notify -- late=100
    wait_until ready 2
    storm 16
    for round in 1 2 3 4 5; do
        kill -TTIN "$SERVICE"
        wait_until ready $((2 + round))
        kill -TTOU "$SERVICE"
        wait_until said "copy 2: killed by TERM" "$round"
    done
    storm_over
    [ "$FAILED" = 0 ]
    stop_service
}
