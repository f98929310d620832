#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The parsers of what others write, fuzzed for a minute each; `make fuzz FUZZ_SECONDS=3600` takes longer.

# On two CPUs four minutes, with what clang takes.
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-900}
load ../helpers

@test "a minute of fuzzing each parser finds nothing, and every target has run its seeds and more" {
    local target seeds inputs
    need clang
    run make -s -j2 -C "$ROOT" BUILD="$BATS_TEST_TMPDIR" fuzz FUZZ_SECONDS=60
    echo "$output"
    [ "$status" = 0 ]
    for target in "$ROOT"/tests/fuzz/*.c; do
        target=$(basename "$target" .c)
        seeds=("$ROOT/tests/fuzz/corpus/$target"/*)
        inputs=$(sed -n "s/^$target: \\([0-9]*\\) inputs in .*/\\1/p" <<<"$output")
        [ "$inputs" -gt $((10 * ${#seeds[@]})) ]
    done
}
