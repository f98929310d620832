# SPDX-License-Identifier: MIT
# What --help says, for the tests of what else says it.

REUSEPORT=$BUILD/reuseport

# subcommands: those that --help lists.
subcommands() {
    "$REUSEPORT" --help | awk '/^  [a-z]/ { print $1 }' | sort
}

# help_options [SUBCOMMAND]: the options that its --help lists, one on a line.
help_options() {
    "$REUSEPORT" "$@" --help | sed -n 's/^ \{2,\}-/-/; /^-/s/  .*//p; /^-/{ /  /!p; }' |
        grep -oE -- '(^|[ ,])--?[A-Za-z][a-z-]*' | tr -d ' ,' | sort -u
}

# same WHAT EXPECTED GOT: the two lists are the same, and not empty.
same() {
    echo "$1"
    diff <(echo "$2") <(echo "$3") && [ -n "$2" ]
}
