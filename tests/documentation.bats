#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The man pages say what --help says, no more and no less.

load helpers
load help

COMMAND_PAGE=$ROOT/shim/doc/reuseport.1
LIBRARY_PAGE=$ROOT/shim/doc/libreuseport.7
SECCOMP_PAGE=$ROOT/shim/doc/reuseport-seccomp.7
REPLACE_PAGE=$ROOT/shim/doc/reuseport-replace.7
RUN_PAGE=$ROOT/shim/doc/reuseport-run.7

# page_options HEADING: the options that items of that section of reuseport(1) are about.
page_options() {
    awk -v heading="$1" '/^\.S[hs] / { inside = $0 == heading } inside && /^\.It Fl /' "$COMMAND_PAGE" |
        sed 's/Fl Fl /--/g; s/Fl /-/g' | grep -oE -- ' --?[A-Za-z][a-z-]*' | tr -d ' ' | sort -u
}

# rendered PAGE: its text, blanks and line ends made one blank.
rendered() {
    mandoc -Tascii "$1" | sed 's/.\x08//g' | tr -s '[:space:]' ' '
}

@test "mandoc and man have no complaint about the man pages" {
    need mandoc
    local page
    for page in "$COMMAND_PAGE" "$LIBRARY_PAGE" "$SECCOMP_PAGE" "$REPLACE_PAGE" "$RUN_PAGE"; do
        # EXAMPLES come early, on purpose.
        run bash -c 'mandoc -Tlint -Wwarning "$1" | grep -v "sections out of conventional order: Sh ENVIRONMENT"' bash "$page"
        echo "$output"
        [ -z "$output" ]
        if [ -n "$(type -P man)" ]; then
            run bash -c 'LC_ALL=C.UTF-8 man --warnings -l "$1" 2>&1 >/dev/null' bash "$page"
            echo "$output"
            [ -z "$output" ]
        fi
    done
}

@test "reuseport(1) has a section and a synopsis for each subcommand, and for no other" {
    local expected
    expected=$(subcommands)
    same "sections" "$expected" \
        "$(awk '/^\.Sh / { inside = $2 == "SUBCOMMANDS" } inside && /^\.Ss / { print $2 }' "$COMMAND_PAGE" | sort)"
    same "synopsis" "$expected" \
        "$(awk '/^\.Sh / { inside = $2 == "SYNOPSIS" } inside && /^\.Cm [a-z-]+$/ { print $2 }' "$COMMAND_PAGE" | sort)"
}

@test "each subcommand's options are the same in --help and in reuseport(1)" {
    local subcommand general own
    general=$(help_options)
    same "reuseport" "$general" "$(page_options '.Sh DESCRIPTION')"
    for subcommand in $(subcommands); do
        own=$(help_options "$subcommand" | grep -vxF -e "$general") || true
        echo "$subcommand"
        diff <(echo "$own") <(page_options ".Ss $subcommand" | grep . || echo)
        [ "$(help_options "$subcommand" | grep -cxF -e "$general")" = "$(wc -l <<<"$general")" ]
    done
}

@test "reuseport(1) has fewer than 600 lines, and its examples come before the subcommands" {
    [ "$(wc -l <"$COMMAND_PAGE")" -lt 600 ]
    awk '/^\.Sh EXAMPLES/ { seen = 1 } /^\.Sh SUBCOMMANDS/ { exit !seen }' "$COMMAND_PAGE"
}

@test "libreuseport(7) has every variable that the README has" {
    local variable count=0
    for variable in $(grep -oE '^\| `REUSEPORT_[A-Z]+`' "$ROOT/README.md" | tr -d '|` '); do
        echo "$variable"
        grep -qE "^\.It Ev ([A-Z_]+ , )*$variable( |\$)" "$LIBRARY_PAGE"
        count=$((count + 1))
    done
    [ "$count" -ge 4 ]
}

@test "libreuseport(7) explains every message about a wrong list" {
    need mandoc
    local page wrong count=0
    page=$(rendered "$LIBRARY_PAGE")
    while read -r wrong; do
        echo "$wrong"
        [[ $page == *" $wrong "* ]]
        count=$((count + 1))
    done < <(grep -v '^#' "$BATS_TEST_DIRNAME/list-errors.table" | sed -n 's/.*| *//p' | sort -u)
    [ "$count" -ge 10 ]
}

@test "reuseport-run(7) has each option that requires -n, and none that run lacks" {
    local supervised written
    supervised=$("$REUSEPORT" run --help | sed -n '/^Only with -n/,/^$/p' | grep -oE -- '^ +--[a-z-]+' | tr -d ' ' | sort)
    written=$(sed 's/Fl Fl /--/g; s/\\-/-/g' "$RUN_PAGE" | grep -oE -- '--[a-z][a-z-]*' | sort -u)
    echo "$written"
    [ -n "$supervised" ]
    [ -z "$(comm -23 <(echo "$supervised") <(echo "$written"))" ]
    # The server's own option aside.
    [ "$(comm -13 <(help_options run) <(echo "$written"))" = --port ]
}

@test "reuseport-run(7) has each signal that run --help has, and each state of a copy" {
    need mandoc
    local page word count=0
    page=$(rendered "$RUN_PAGE")
    for word in $("$REUSEPORT" run --help | sed -n '/^HUP INT/,/^$/p' | grep -oE '\b(HUP|INT|QUIT|TERM|USR[12]|WINCH|CONT|TT(IN|OU))\b') \
        $(sed -n '/names\[\]/,/;/p' "$ROOT/shim/service/life.c" | grep -oE '"[a-z]+"' | tr -d '"' | grep -vx stopped); do
        echo "$word"
        [[ $page =~ (^|[^A-Za-z])$word([^A-Za-z]|$) ]]
        count=$((count + 1))
    done
    [ "$count" -ge 15 ]
}

@test "the lines of --help fit into 80 columns" {
    local subcommand wide=0
    for subcommand in '' $(subcommands); do
        run "$REUSEPORT" ${subcommand:+"$subcommand"} --help
        [ "$status" = 0 ]
        echo "reuseport $subcommand --help:"
        ! grep -E '.{81}' <<<"$output" || wide=1
    done
    [ "$wide" = 0 ]
}
