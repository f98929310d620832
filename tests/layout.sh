#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Holds sources to what no formatter does: prints what differs, says nothing where all is well.
#   layout.sh columns FILE...   no line is wider than 100 columns
#   layout.sh lines FILE...     no C file has more than 300 lines, no function more than 50
#   layout.sh license FILE...   each names its licence in one of its first two lines
set -euo pipefail
export LC_ALL=C.UTF-8

what=$1
shift
case $what in
columns) found=$(grep -HnE '.{101}' "$@" || [ $? = 1 ]) ;;
lines)
    found=$(awk 'FNR == 1 { inside = 0 }
        FNR == 301 { print FILENAME ": more than 300 lines" }
        /^[^ #\/}].*\) \{$/ { inside = FNR; name = $0 }
        /^}/ && inside { if (FNR - inside > 50) print FILENAME ":" inside ": " FNR - inside " lines: " name; inside = 0 }' "$@")
    ;;
license)
    found=$(awk 'FNR == 1 { if (NR > 1 && !named) print last ": no SPDX-License-Identifier"; named = 0; last = FILENAME }
        FNR <= 2 && /SPDX-License-Identifier: MIT( |$)/ { named = 1 }
        END { if (!named) print last ": no SPDX-License-Identifier" }' "$@")
    ;;
*)
    echo "layout.sh: $what: not one of columns, lines and license" >&2
    exit 2
    ;;
esac
[ -z "$found" ] || {
    echo "$found"
    exit 1
}
