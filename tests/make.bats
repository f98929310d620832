#!/usr/bin/env bats
# What make offers: the demo, installing, and the short forms of the longer proofs.

load helpers

# in_copy: changes into a copy of the sources, so that nothing of this build is touched.
in_copy() {
    cp -r "$ROOT/Makefile" "$ROOT/shim" "$ROOT/tests" "$ROOT/examples" "$BATS_TEST_TMPDIR"
    cd "$BATS_TEST_TMPDIR" || exit
}

@test "make demo builds with a compiler and make alone, and shows all four steps" {
    in_copy
    # A PATH of the tools that any system with a compiler has: what Debian marks essential, gcc and make.
    mkdir path
    local tool
    for tool in sh gcc cc as ld make mkdir mktemp rm cat sed grep id kill; do
        ln -s "$(type -P "$tool")" "path/$tool"
    done
    run env -i PATH="$PWD/path" make demo
    echo "$output"
    [ "$status" = 0 ]
    [[ $output == *"1. Without"*"bind: Address already in use"*"2. By reuseport run -n 3"*"3. A copy"*"4. The kernel"* ]]
    # Step 2: three servers share 60 connections; step 3: all 20 go to the exact address, then to the other.
    [ "$(grep -cE '^    pid [0-9]+ +[0-9]+  #' <<<"$output")" = 3 ]
    [ "$(awk '/^    pid/ { sum += $3 } END { print sum }' <<<"$output")" = 60 ]
    [ "$(grep -cE '^      pid [0-9]+ +20  #' <<<"$output")" = 2 ]
    if [ "$(id -u)" = 0 ]; then
        [[ $output == *"libreuseport: bind 0.0.0.0:"*"in use by user root; only sockets of one user share a port (this one is of user nobody)"* ]]
    else
        [[ $output == *"This step needs root"* ]]
    fi
}

@test "make demo as an ordinary user says that its last step needs root" {
    need_root
    in_copy
    make -s all "$PWD/build/examples/server" BUILD="$PWD/build" >/dev/null
    chmod -R a+rX "$BATS_TEST_TMPDIR"
    run setpriv --reuid 65534 --clear-groups env BUILD="$BUILD" sh examples/demo.sh
    echo "$output"
    [ "$status" = 0 ]
    [[ $output == *"This step needs root"* ]]
}

@test "make install puts everything below DESTDIR and PREFIX, and uninstall takes it away" {
    local stage=$BATS_TEST_TMPDIR/stage
    make -s -C "$ROOT" BUILD="$BUILD" install DESTDIR="$stage" PREFIX=/opt/x
    cmp "$BUILD/libreuseport.so" "$stage/opt/x/lib/libreuseport.so"
    [ -s "$stage/opt/x/share/man/man1/reuseport.1" ] && [ -s "$stage/opt/x/share/man/man7/libreuseport.7" ]
    # The installed command finds the installed library.
    run "$stage/opt/x/bin/reuseport" run -p 80 sh -c 'echo "$LD_PRELOAD"'
    [ "$output" = "$stage/opt/x/lib/libreuseport.so" ]
    make -s -C "$ROOT" BUILD="$BUILD" uninstall DESTDIR="$stage" PREFIX=/opt/x
    [ -z "$(find "$stage" -type f)" ]
}

@test "make help names every target that the README names" {
    run make -s -C "$ROOT" help
    local target
    for target in $(grep -oE '`make [a-z ]+' "$ROOT/README.md" | sed 's/`make//' | tr ' ' '\n' | sort -u); do
        [[ $output == *"$target"* ]] || {
            echo "make help does not name $target"
            return 1
        }
    done
}

@test "five seconds of fuzzing find nothing" {
    need clang
    run make -s -C "$ROOT" BUILD="$BATS_TEST_TMPDIR" fuzz FUZZ_SECONDS=5
    echo "$output" | tail -n 20
    [ "$status" = 0 ]
    [[ $output == *"Done "*" runs"* ]]
}

@test "make bench writes a report: replace loses nothing, where stopping and starting does" {
    need_root
    need unshare
    run make -s -C "$ROOT" BUILD="$BUILD" bench SECTIONS=replace
    echo "$output"
    [ "$status" = 0 ]
    local report=$BUILD/bench/report.md
    cat "$report"
    grep -qxF '| connections lost by replace | 0 | at most 0 | yes |' "$report"
    grep -qE '^\| reuseport replace \| [0-9]+ \| [0-9]+ \| [1-9][0-9]+ \| 0 \|$' "$report"
    grep -qE '^\| stop and start \| [0-9]+ \| [0-9]+ \| [0-9]+ \| [1-9][0-9]* \|$' "$report"
}

@test "the README shows the last full run of make bench-full, and its figures" {
    local report=$ROOT/tests/bench/report/report.md machine rows row n name ratio
    machine=$(sed -n 's/^Full form, made by `make bench-full` on: \(.*\)\. It took .*/\1/p' "$report")
    [ -n "$machine" ]
    grep -qF "Made on $machine" "$ROOT/README.md"
    [ -s "$ROOT/tests/bench/report/scaling.svg" ] && [ -s "$ROOT/tests/bench/report/latency.svg" ]
    rows=$(sed -n '/<!-- bench -->/,/<!-- \/bench -->/s/^| \([0-9].*\) |$/\1/p' "$ROOT/README.md")
    [ "$(wc -l <<<"$rows")" -ge 10 ]
    while IFS= read -r row; do
        IFS='|' read -r n name ratio _ <<<"$row"
        grep -qE "^\| ${n% } \|$name\| [0-9]+ \| [0-9.]+ – [0-9.]+ \|$ratio\|" "$report" || {
            echo "not in the report: $row"
            return 1
        }
    done <<<"$rows"
}

@test "nothing is at the top but what belongs there" {
    [ -d "$ROOT/.git" ] || missing "a git checkout"
    run git -C "$ROOT" ls-tree --name-only HEAD
    run ! grep -vxE '\..*|Makefile|shim|tests|examples|README\.md|LICENSE' <<<"$output"
}
