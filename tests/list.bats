#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The list of ports: what each form of entry shares, and that an error shares nothing.

load helpers

# complains VALUE ENTRY WRONG: the library says so in one line, and does nothing.
complains() {
    run --separate-stderr env REUSEPORT_PORTS="$1" LD_PRELOAD="$LIBRARY" \
        "$PROBES/probe" socket tcp4 bind 127.0.0.1 "$PORT" get
    [ "$stderr" = "libreuseport: REUSEPORT_PORTS: \"$2\": $3; sharing nothing" ] &&
        [ "$output" = $'bind=ok\nreuseport=0\nreuseaddr=0' ]
}

# bats test_tags=sanitized
@test "each row of the table binds as it says" {
    need_network
    run "$BATS_TEST_DIRNAME/list-rows.bash" env REUSEPORT_PORTS=LIST LD_PRELOAD="$LIBRARY" "$PROBES/probe"
    echo "$output"
    [ "$output" = "$(grep -vc '^#' "$BATS_TEST_DIRNAME/list.table") rows" ]
    [ "${output% rows}" -ge 80 ]
}

# bats test_tags=sanitized
@test "an entry with an error gives one line, and nothing is shared" {
    lease_port PORT
    local rows=0 list shown wrong
    while IFS='|' read -r list shown wrong; do
        [[ $list != '#'* ]] || continue
        list=$(printf %b. "${list%"${list##*[! ]}"}")
        shown=$(printf %b. "${shown# }")
        shown=${shown%.}
        shown=${shown%"${shown##*[! ]}"}
        complains "${list%.}" "$shown" "${wrong# }" || {
            echo "for '$list': $stderr / $output"
            return 1
        }
        rows=$((rows + 1))
    done <"$BATS_TEST_DIRNAME/list-errors.table"
    [ "$rows" -gt 60 ]
}

# bats test_tags=sanitized
@test "64 entries are allowed, 65 are not" {
    lease_port PORT
    local many
    many=$(seq -s , 1 63)
    run env REUSEPORT_PORTS="$many,$PORT" LD_PRELOAD="$LIBRARY" "$PROBES/probe" \
        socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *reuseport=1* ]]
    complains "$many,64,$PORT" "$PORT" "more than 64 entries"
}

# bats test_tags=sanitized
@test "a value of almost the largest size that the kernel takes is refused in one line" {
    # 128 KiB is the limit for one string of the environment (execve(2), MAX_ARG_STRLEN).
    lease_port PORT
    local long
    printf -v long '%0130000d' 8
    complains "$long" "${long:0:48}..." "not a port, far too long"
    printf -v long '%096d' 8
    complains "$long" "${long:0:48}..." "not a port, far too long"
    complains "${long:1}" "${long:0:48}..." "not a port"
    printf -v long '%130000s' "$PORT"
    run env REUSEPORT_PORTS="$long" LD_PRELOAD="$LIBRARY" "$PROBES/probe" \
        socket tcp4 bind 127.0.0.1 "$PORT" get
    [[ $output == *reuseport=1* ]]
}

# bats test_tags=sanitized
@test "a list of 1 MiB, which no environment can hold, is refused by the parser" {
    run "$PROBES/parse-large"
    echo "$output"
    [ "$status" = 0 ]
    [ "$output" = "spaces=not a port commas=empty entry digits=not a port, far too long ports=more than 64 entries" ]
}
