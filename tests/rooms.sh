#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Holds the includes in shim/ to the table of rooms in shim/README.md, and the table to the folders that exist.
# Prints each difference, nothing if there is none.
set -euo pipefail
cd "$(dirname "$0")/../shim"

# "| `room/` | ... | `other`, `other` |" becomes "room: other other".
table=$(sed -n 's/^| `\([a-z]*\)\/` |.*| \([^|]*\) |$/\1: \2/p' README.md | tr -d '`,')
status=0
complain() {
    echo "$*"
    status=1
}

for room in */; do
    room=${room%/}
    [[ $room != doc && $room != release ]] || continue
    allowed=$(sed -n "s/^$room: *//p" <<<"$table")
    grep -q "^$room:" <<<"$table" || complain "shim/README.md: no row for $room/"
    # Angle brackets find rooms, too, by -Ishim.
    while IFS=: read -r file include; do
        folder=${include#[\"<]}
        folder=${folder%%/*}
        [[ $include = \"* || -d $folder ]] || continue
        case " $room $allowed " in
        *" $folder "*) ;;
        *) complain "shim/$file includes ${include#[\"<]}: $room/ may include ${allowed:-nothing}" ;;
        esac
    done < <(grep -HoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<][^">]*' "$room"/*.[ch] | sed 's/:[^"<]*/:/')
done
while IFS=: read -r room _; do
    [ -d "$room" ] || complain "shim/README.md: there is no folder $room/"
done <<<"$table"
exit $status
