# SPDX-License-Identifier: MIT
# What a library file must be like, so that every libc loads it: for library-file.bats and those of releases.

# Names that glibc 2.17 and musl 1.0.5 both have in libc itself; the weak ones may be absent. Each costs the loader
# some 650 instructions, in every program. The compiler's own function for divisions, which ARM lacks, would raise SIGFPE.
IMPORTS="__errno_location getenv getsockopt setsockopt syscall"
WEAK_IMPORTS="dlsym getauxval"

# fits_every_libc FILE: fails, and says why, if there is a libc that it would not load on.
fits_every_libc() {
    local dynamic symbols segments name imports=$IMPORTS
    dynamic=$(readelf -dW "$1")
    symbols=$(readelf --dyn-syms -W "$1" | sed 's/\[<localentry>.*\]//')
    segments=$(readelf -lW "$1")
    echo "$1"
    ! grep -E 'NEEDED|VERNEED|VERDEF|RELR|TEXTREL' <<<"$dynamic" || return 1
    ! grep -F '@' <<<"$symbols" || return 1
    ! grep -E '^ *TLS' <<<"$segments" || return 1
    grep -qE 'GNU_STACK.* RW ' <<<"$segments" || return 1
    [ "$(awk '$7 != "UND" && $5 == "GLOBAL" { print $8 }' <<<"$symbols" | sort | xargs)" = "bind socket" ] || return 1
    [ "$(readelf -h "$1" | sed -n 's/^ *Machine: *//p')" != ARM ] || imports="$imports raise"
    for name in $(awk '$7 == "UND" && $8 && $5 == "GLOBAL" { print $8 }' <<<"$symbols"); do
        [[ " $imports " == *" $name "* ]] || { echo "imports $name"; return 1; }
    done
    for name in $(awk '$7 == "UND" && $8 && $5 == "WEAK" { print $8 }' <<<"$symbols"); do
        [[ " $WEAK_IMPORTS " == *" $name "* ]] || { echo "imports $name weakly"; return 1; }
    done
}
