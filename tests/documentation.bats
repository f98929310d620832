#!/usr/bin/env bats
# The man pages and the completion say what --help says, no more and no less.

load helpers

REUSEPORT=$BUILD/reuseport
COMMAND_PAGE=$ROOT/shim/doc/reuseport.1
LIBRARY_PAGE=$ROOT/shim/doc/libreuseport.7

# subcommands: those that --help lists.
subcommands() {
    "$REUSEPORT" --help | awk '/^  [a-z]/ { print $1 }' | sort
}

# help_options [SUBCOMMAND]: the options that its --help lists, one on a line.
help_options() {
    "$REUSEPORT" "$@" --help | sed -n 's/^ \{2,\}-/-/; /^-/s/  .*//p; /^-/{ /  /!p; }' |
        grep -oE -- '(^|[ ,])--?[A-Za-z][a-z-]*' | tr -d ' ,' | sort -u
}

# page_options HEADING: the options that items of that section of reuseport(1) are about.
page_options() {
    awk -v heading="$1" '/^\.S[hs] / { inside = $0 == heading } inside && /^\.It Fl /' "$COMMAND_PAGE" |
        sed 's/Fl Fl /--/g; s/Fl /-/g' | grep -oE -- ' --?[A-Za-z][a-z-]*' | tr -d ' ' | sort -u
}

# rendered PAGE: its text, blanks and line ends made one blank.
rendered() {
    mandoc -Tascii "$1" | sed 's/.\x08//g' | tr -s '[:space:]' ' '
}

# offered LINE: what the completion offers at the end of "reuseport LINE", parted into words as bash does.
offered() {
    bash --norc --noprofile -c '
        source "$1"
        COMP_LINE="reuseport $2" COMP_POINT=${#COMP_LINE}
        mapfile -t COMP_WORDS < <(tr " " "\n" <<<"$COMP_LINE" | sed "s/[=:]\+/\n&\n/g; s/\n\n*/\n/g; s/\n\$//")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _reuseport
        [ "${#COMPREPLY[@]}" = 0 ] || printf "%s\n" "${COMPREPLY[@]}"' bash "$ROOT/shim/doc/reuseport.bash" "$1"
}

# offers LINE WORD...: the completion offers just these, in any order.
offers() {
    local expected got
    expected=$(printf '%s\n' "${@:2}" | sort)
    got=$(offered "$1" | sort)
    echo "reuseport $1: offers ${got//$'\n'/ }, where it should be ${expected//$'\n'/ }"
    [ "$got" = "$expected" ]
}

# same WHAT EXPECTED GOT: the two lists are the same, and not empty.
same() {
    echo "$1"
    diff <(echo "$2") <(echo "$3") && [ -n "$2" ]
}

@test "mandoc and man have no complaint about the man pages" {
    need mandoc
    local page
    for page in "$COMMAND_PAGE" "$LIBRARY_PAGE"; do
        run mandoc -Tlint -Wwarning "$page"
        echo "$output"
        [ "$status" = 0 ]
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
    local subcommand
    same "reuseport" "$(help_options)" "$(page_options '.Sh DESCRIPTION')"
    for subcommand in $(subcommands); do
        same "$subcommand" "$(help_options "$subcommand")" "$(page_options ".Ss $subcommand")"
    done
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

@test "the completion offers the subcommands that --help lists" {
    local words
    mapfile -t words < <(subcommands)
    [ "${#words[@]}" -ge 3 ]
    offers '' "${words[@]}"
    offers i install-lib
    offers nonsense
    mapfile -t words < <(help_options)
    offers - "${words[@]}"
}

@test "the completion offers the options that each subcommand's --help lists" {
    local subcommand
    for subcommand in $(subcommands); do
        same "$subcommand -" "$(help_options "$subcommand")" "$(offered "$subcommand -" | tr -d = | sort)"
        same "$subcommand --" "$(help_options "$subcommand" | grep '^--')" \
            "$(offered "$subcommand --" | tr -d = | sort)"
    done
    offers 'run -p 127.0.0.1:80 -vn 2 --ports=[::1]:80 --o' --on-exit=
    offers 'nonsense --'
}

@test "the completion offers the values of options, after a blank or =" {
    offers 'run --on-exit=' keep stop
    offers 'run --on-exit=k' keep
    offers 'run --on-exit s' stop
    offers 'run -n ' auto
    offers 'run -vn a' auto
    offers 'run --copies=' auto
    offers 'run -p '
    offers 'run -I '
    : >"$BATS_TEST_TMPDIR/one.so"
    offers "run --library=$BATS_TEST_TMPDIR/o" "$BATS_TEST_TMPDIR/one.so"
    offers "check --library $BATS_TEST_TMPDIR/o" "$BATS_TEST_TMPDIR/one.so"
}

@test "the completion offers commands, then their files, and directories to install-lib" {
    local dir=$BATS_TEST_TMPDIR line
    mkdir "$dir/one" "$dir/path"
    : >"$dir/one.so"
    printf '#!/bin/sh\n' >"$dir/path/reuseport-test-server"
    chmod +x "$dir/path/reuseport-test-server"
    export PATH=$dir/path:$PATH
    for line in 'run ' 'run -- ' 'run -n 2 -p 127.0.0.1:80 -I {} ' 'run --ports=[::1]:80 --on-exit stop -v ' 'check ' 'check -p 80 -- '; do
        offers "${line}reuseport-test-s" reuseport-test-server
    done
    offers "run -p 80 server $dir/o" "$dir/one" "$dir/one.so"
    offers 'run server --'
    offers "check server $dir/o"
    offers "install-lib $dir/o" "$dir/one"
    offers "install-lib $dir $dir/o"
}

@test "the completion leaves the rest of the line to bash-completion where that is loaded" {
    local function
    for function in _command_offset _comp_command_offset; do
        run bash --norc --noprofile -c '
            eval "$2() { echo \"$2 \$1\"; }"
            source "$1"
            COMP_LINE="reuseport run -p 127.0.0.1:80 -- server --opt"
            COMP_WORDS=(reuseport run -p 127.0.0.1 : 80 -- server --opt) COMP_CWORD=8
            _reuseport' bash "$ROOT/shim/doc/reuseport.bash" "$function"
        echo "$output"
        [ "$output" = "$function 7" ]
    done
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
