#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# How connections spread over the copies.

load helpers

@test "6000 connections to 3 copies: each share is what a fair hash gives, but for one run in a million" {
    # Each share is binomial, n = 6000, p = 1/3: mean 2000, standard deviation 36.5. Three shares must all
    # lie within z deviations, and 3 * P(|Z| > 5.09) is 1.1e-6: 186 to either side.
    local copy
    lease_port PORT
    for copy in 1 2 3; do
        spawn "$copy" shared "$BUILD/examples/server" "$PORT" 127.0.0.1
    done
    wait_until listeners_are "$PORT" 3
    run "$BUILD/examples/client" "$PORT" 6000
    echo "$output"
    [ "$status" = 0 ]
    [ "$(awk '{ sum += $3 } END { print sum }' <<<"$output")" = 6000 ]
    [ "$(awk '$3 >= 1814 && $3 <= 2186' <<<"$output" | wc -l)" = 3 ]
}
