#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A service under load to which everything happens that can, one thing after the other, at random: its copies are
# killed, stopped, renewed, added and taken away, and all of it is replaced by another service. SEED repeats it.

load ../replacement

setup() {
    setup_replacement
    COPIES=4
    SERVICE=("$COMMAND" run -n "$COPIES" --on-exit=restart --balance --rolling=HUP -v -p "$PORT" --
        "$PROBES/serve" "$PORT" count="$BATS_TEST_TMPDIR/count" queue=500)
    KILLS=0
    RANDOM=${SEED:-$$}
    echo "SEED=${SEED:-$$}"
}

# The service first: it would start again the copies that the common teardown finds on the port.
teardown() {
    if [ -n "${SERVER-}" ]; then
        kill -TERM "$SERVER" 2>/dev/null || true
        wait_until_ended "$SERVER" || kill -KILL "$SERVER"
    fi
    teardown_replacement
}

# keepers: the children of the supervisor.
keepers() {
    cat "/proc/$SERVER/task/$SERVER/children"
}

# copies: their PIDs, which are their keepers' children.
copies() {
    local keeper
    for keeper in $(keepers); do
        cat "/proc/$keeper/task/$keeper/children" 2>/dev/null
    done | xargs -n 1
}

# settled: COPIES copies listen, each of them has a keeper, and nothing else is below the supervisor.
settled() {
    local keepers copies
    keepers=$(keepers)
    mapfile -t copies < <(copies)
    [ "$(wc -w <<<"$keepers")" = "$COPIES" ] && [ "${#copies[@]}" = "$COPIES" ] &&
        [ "$("${NET[@]}" ss -Htln "sport = :$PORT" | wc -l)" = "$COPIES" ] &&
        [ "$(descendants "$SERVER" | wc -l)" = $((1 + 2 * COPIES)) ]
}

# quiet: settled, and a third of a second later with the same copies: no renewal is under way.
quiet() {
    local before
    settled
    before=$(copies)
    sleep 0.3
    settled && [ "$(copies)" = "$before" ]
}

# weight: descriptors, and memory of its own in KB, of the supervisor.
weight() {
    local descriptors=("/proc/$SERVER/fd"/*)
    echo "${#descriptors[@]} $(awk '$1 == "RssAnon:" { print $2 }' "/proc/$SERVER/status")"
}

# happen: one thing happens to one copy or to the service.
happen() {
    local all copy
    mapfile -t all < <(copies)
    copy=${all[RANDOM % ${#all[@]}]}
    case $((RANDOM % 6)) in
    0 | 1)
        echo "KILL $copy"
        kill -KILL "$copy"
        KILLS=$((KILLS + 1))
        ;;
    2)
        echo "STOP and CONT $copy"
        kill -STOP "$copy"
        sleep 0.5
        kill -CONT "$copy"
        ;;
    3)
        echo HUP
        kill -HUP "$SERVER"
        ;;
    4)
        [ "$COPIES" -lt 8 ] || return 0
        echo "TTIN, $((COPIES += 1)) copies"
        kill -TTIN "$SERVER"
        ;;
    5)
        [ "$COPIES" -gt 2 ] || return 0
        echo "TTOU, $((COPIES -= 1)) copies"
        kill -TTOU "$SERVER"
        ;;
    esac
}

# counted FIELD: of all servers that there were: 1, connections they have accepted; 2, those that they have answered.
counted() {
    cat "$BATS_TEST_TMPDIR"/count.* | od -An -v -t d8 -w16 | awk -v field="$1" '{ sum += $field } END { print sum + 0 }'
}

# soak SECONDS EVENTS: for so long under load; the service is replaced after so many events.
soak() {
    local end=$((SECONDS + $1)) event before now
    own_network
    "${NET[@]}" sysctl -qw net.ipv4.tcp_migrate_req=1
    start "${SERVICE[@]}"
    storm "" "" 8
    while [ "$SECONDS" -lt "$end" ]; do
        wait_until settled
        before=
        for ((event = 0; event < $2 && SECONDS < end; event++)); do
            happen
            wait_until settled || wait_until settled # the delay before a restart may be 30 s
            [ "$event" != 5 ] || { wait_until quiet && before=$(weight); }
        done
        wait_until quiet
        now=$(weight)
        before=${before:-$now}
        echo "descriptors and KB after 6 events: $before; after $event: $now"
        # A look at the sockets has some for a moment.
        has_as_many() { now=$(weight) && [ "${now% *}" -le "${before% *}" ]; }
        wait_until has_as_many
        [ "${now#* }" -le $((${before#* } + 300)) ]
        COPIES=4
        replace -- "${SERVICE[@]}"
    done
    wait_until settled
    kill -TERM "$STORM"
    wait "$STORM"
    agree
}

# agree: what clients and servers have counted. A copy that is killed may have one connection that it has accepted and
# not answered, and one that it has answered and not counted; whatever waited for it has migrated.
agree() {
    local answered failed accepted served
    [[ $(<"$(log storm)") =~ ^([0-9]+)\ answered,\ ([0-9]+)\ failed ]]
    answered=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]}
    accepted=$(counted 1) served=$(counted 2)
    echo "$KILLS kills; clients: $(<"$(log storm)"); servers: $accepted accepted, $served answered"
    [ "$answered" -gt 100 ]
    [ "$failed" -le "$KILLS" ]
    [ $((served - answered)) -le "$KILLS" ] && [ $((answered - served)) -le "$KILLS" ]
    [ $((accepted - served)) -le $((2 * KILLS)) ]
}

@test "twenty seconds under load of kills, stops, renewals, TTIN, TTOU and replacements: only what killed copies held is lost" {
    soak 20 7
}

# bats test_tags=long
@test "ten minutes under load of kills, stops, renewals, TTIN, TTOU and replacements: nothing else is lost, nothing grows" {
    soak "${SOAK_SECONDS:-600}" 60
}
