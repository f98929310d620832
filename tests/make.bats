#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What make offers: the demo, installing, and the short forms of the longer proofs.

load helpers

# in_copy [FOLDER]: changes into a copy of the sources, so that nothing of this build is touched.
in_copy() {
    local folder=${1:-$BATS_TEST_TMPDIR/copy}
    mkdir -p "$folder"
    cp -r "$ROOT/Makefile" "$ROOT/shim" "$ROOT/tests" "$ROOT/examples" "$folder"
    cd "$folder" || exit
}

# own_build: a copy of what is built, in OWN, for a make that links anew, which other tests must not see.
own_build() {
    OWN=$BATS_TEST_TMPDIR/build
    cp -a "$BUILT_IN" "$OWN"
}

# files FOLDER: the files below it, one on a line.
files() {
    (cd "$1" && find . ! -type d | sort)
}

# expected_files PREFIX: what make install puts there.
expected_files() {
    local page
    {
        printf "$1/%s\n" lib/libreuseport.so bin/reuseport share/bash-completion/completions/reuseport \
            share/zsh/site-functions/_reuseport share/fish/vendor_completions.d/reuseport.fish
        for page in "$ROOT"/shim/doc/*.[1-8]; do
            echo "$1/share/man/man${page##*.}/${page##*/}"
        done
    } | sort
}

# finds COMMAND LIBRARY: that command preloads that library.
finds() {
    run "$1" run -p 80 sh -c 'echo "$LD_PRELOAD"'
    echo "$1: $output"
    [ "$output" = "$2" ]
}

@test "make demo builds with a compiler and make alone, and shows all four steps" {
    in_copy
    # A PATH of the tools that any system with a compiler has: what Debian marks essential, gcc and make.
    mkdir path
    local tool
    for tool in sh gcc cc as ld make mkdir mktemp rm cat sed grep id kill; do
        ln -s "$(type -P "$tool")" "path/$tool"
    done
    run --separate-stderr env -i PATH="$PWD/path" make demo
    echo "$output / $stderr"
    [ "$status" = 0 ]
    [ -z "$stderr" ]
    [[ $output == *"1. Without"*"bind: Address already in use"*"2. reuseport run -n 3"*"3. A copy"*"4. The kernel"* ]]
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
    local as=()
    [ "$(id -u)" != 0 ] || as=(setpriv --reuid 65534 --clear-groups)
    cp "$ROOT/examples/demo.sh" "$BATS_TEST_TMPDIR"
    chmod 755 "$BATS_TEST_TMPDIR"
    run --separate-stderr "${as[@]}" env BUILD="$BUILD" sh "$BATS_TEST_TMPDIR/demo.sh"
    echo "$output / $stderr"
    [ "$status" = 0 ]
    [ -z "$stderr" ]
    [[ $output == *"This step needs root"* ]]
}

@test "make install puts everything below DESTDIR and PREFIX, and uninstall takes it away" {
    local stage=$BATS_TEST_TMPDIR/stage
    own_build
    make -s -C "$ROOT" BUILD="$OWN" install DESTDIR="$stage" PREFIX=/opt/x >"$BATS_TEST_TMPDIR/said"
    diff <(expected_files ./opt/x) <(files "$stage")
    diff <(expected_files "$stage/opt/x") <(sort "$BATS_TEST_TMPDIR/said")
    cmp "$BUILD/libreuseport.so" "$stage/opt/x/lib/libreuseport.so"
    [ "$(stat -c %a "$stage/opt/x/bin/reuseport" "$stage/opt/x/lib/libreuseport.so" \
        "$stage/opt/x/share/man/man1/reuseport.1" | xargs)" = "755 755 644" ]
    finds "$stage/opt/x/bin/reuseport" "$stage/opt/x/lib/libreuseport.so"
    make -s -C "$ROOT" BUILD="$OWN" uninstall DESTDIR="$stage" PREFIX=/opt/x
    [ -z "$(files "$stage")" ]
}

@test "DESTDIR, PREFIX, BUILD and the path of the sources may have blanks and quotes: all lands there, nothing elsewhere" {
    local top="$BATS_TEST_TMPDIR/a b" live="$BATS_TEST_TMPDIR/live  and kicking" build stage
    mkdir "$top"
    in_copy "$top/the sources"
    for build in "my build" "$top/else  where"; do
        stage="$top/it's a stage"
        make -s -j2 BUILD="$build" all
        make -s BUILD="$build" install DESTDIR="$stage" PREFIX="$live"
        diff <(expected_files ".$live") <(files "$stage")
        cmp "$build/libreuseport.so" "$stage$live/lib/libreuseport.so"
        "$stage$live/bin/reuseport" --version
        grep -qF "$live/lib/libreuseport.so" "$stage$live/share/man/man7/libreuseport.7"
        # What has been built is not built again, but when a header is newer.
        run -0 make BUILD="$build" PREFIX="$live" all
        [[ $output != *" -c "* ]]
        touch shim/core/ports.h
        make -n BUILD="$build" PREFIX="$live" all | grep -q -- ' -c .*shim/core/ports.c'
        make -s BUILD="$build" uninstall DESTDIR="$stage" PREFIX="$live"
        [ -z "$(files "$stage")" ]
        make -s BUILD="$build" clean
        [ ! -e "$build" ]
        rm -r "$stage"
    done
    # Nothing but the folders that were named, and neither was "a", nor the live one.
    [ "$(ls "$BATS_TEST_TMPDIR")" = "a b" ]
    [ "$(ls "$top")" = "the sources" ]
    [ "$(echo *)" = "Makefile examples shim tests" ]
}

@test "a BUILD that make or the shell would read otherwise is refused before anything is done" {
    local build
    in_copy
    for build in "" "a'b" 'a"b' 'a$$b' 'a;b' 'a%b' 'a:b' 'a#b' 'a~b' 'a*' 'a&b' 'a\b' '(a)'; do
        run make BUILD="$build" all
        echo "$build: $output"
        [ "$status" = 2 ]
        [[ $output == "Makefile:"*": *** BUILD"*" cannot be part of its name.  Stop." || $output == *"*** BUILD must not be empty.  Stop." ]]
        [ "${#lines[@]}" = 1 ]
    done
    [ "$(echo *)" = "Makefile examples shim tests" ]
}

@test "make, then make install with another LIBDIR: the command finds its library, and the pages name it" {
    local prefix=$BATS_TEST_TMPDIR/usr before
    in_copy
    make -s -j2 all
    before=$(stat -c '%n %y' build/lib/core/*.o build/cmd/core/*.o)
    make -s install PREFIX="$prefix" LIBDIR="$prefix/lib/x86_64-linux-gnu"
    finds "$prefix/bin/reuseport" "$prefix/lib/x86_64-linux-gnu/libreuseport.so"
    [ ! -e "$prefix/lib/libreuseport.so" ]
    grep -qF "$prefix/lib/x86_64-linux-gnu/libreuseport.so" "$prefix/share/man/man7/libreuseport.7"
    run ! grep -rF /usr/local "$prefix/share/man"
    [ "$(stat -c '%n %y' build/lib/core/*.o build/cmd/core/*.o)" = "$before" ]
    # And again elsewhere.
    make -s install PREFIX="$prefix" LIBDIR="$prefix/lib64"
    rm -r "$prefix/lib/x86_64-linux-gnu"
    finds "$prefix/bin/reuseport" "$prefix/lib64/libreuseport.so"
}

@test "compilers, flags and folders of the environment are taken, and those of the command line beat them" {
    in_copy
    export CC=gcc CFLAGS="-O1 -frecord-gcc-switches" CPPFLAGS=-fno-strict-aliasing LDFLAGS=-Wl,--build-id=0x12345678 \
        PREFIX=/opt/from-environment MANDIR=/opt/man DESTDIR=$BATS_TEST_TMPDIR/stage
    make -s -j2 all
    local built
    for built in build/libreuseport.so build/reuseport; do
        readelf -p .GCC.command.line "$built" >"$BATS_TEST_TMPDIR/switches"
        cat "$BATS_TEST_TMPDIR/switches"
        grep -q -- '-O1 .*-fno-strict-aliasing' "$BATS_TEST_TMPDIR/switches"
        readelf -n "$built" | grep -q 'Build ID: 12345678'
    done
    make -s install PREFIX=/opt/from-the-line
    [ "$(ls "$DESTDIR/opt")" = $'from-the-line\nman' ]
}

@test "make install keeps symbols, for whoever strips later; install-strip has STRIP remove them" {
    local stage=$BATS_TEST_TMPDIR/stage file
    need readelf
    own_build
    make -s -C "$ROOT" BUILD="$OWN" install DESTDIR="$stage" PREFIX=/kept
    make -s -C "$ROOT" BUILD="$OWN" install-strip DESTDIR="$stage" PREFIX=/stripped
    diff <(files "$stage/kept") <(files "$stage/stripped")
    for file in lib/libreuseport.so bin/reuseport; do
        readelf -SW "$stage/kept/$file" | grep -q '\.symtab'
        ! readelf -SW "$stage/stripped/$file" | grep -q '\.symtab'
    done
    finds "$stage/stripped/bin/reuseport" "$stage/stripped/lib/libreuseport.so"
    rm -r "$OWN/stripped"
    run make -s -C "$ROOT" BUILD="$OWN" install-strip DESTDIR="$stage" STRIP=false
    [ "$status" != 0 ]
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

@test "gcc and clang build without a warning, for 32 bits and for a big-endian CPU without seccomp's rules, too" {
    need gcc clang qemu-s390x
    run env COMPILERS="gcc clang" LEVELS=$'-O0\n-Os\n-O3 -flto\n-O2 -m32' FOREIGN=s390x "$ROOT/tests/matrix.sh"
    echo "$output"
    [ "$status" = 0 ]
    ! grep -v '^ok: ' <<<"$output" || missing "gcc -m32 or clang --target=s390x-linux-gnu"
    [ "${#lines[@]}" = 12 ]
}

@test "the matrix can fail: a warning is told from none" {
    in_copy
    echo 'static int unused;' >>shim/base/clock.c
    run env COMPILERS=gcc LEVELS=-O0 FOREIGN= tests/matrix.sh
    echo "$output"
    [ "$status" = 1 ]
    [ "${lines[0]}" = "FAILED: gcc -O0" ]
    [[ $output == *"unused"* ]]
}

@test "with the kernel headers of Linux 5.4 the very same code comes out" {
    local file
    for file in filter guard watch; do
        [ -e "$ROOT/shim/seccomp/$file.c" ] || continue
        gcc -O2 -D_GNU_SOURCE -I"$ROOT/shim" -c -o "$BATS_TEST_TMPDIR/new.o" "$ROOT/shim/seccomp/$file.c"
        gcc -O2 -D_GNU_SOURCE -I"$BATS_TEST_DIRNAME/linux-5.4" -I"$ROOT/shim" -c -o "$BATS_TEST_TMPDIR/old.o" \
            "$ROOT/shim/seccomp/$file.c"
        cmp "$BATS_TEST_TMPDIR/new.o" "$BATS_TEST_TMPDIR/old.o"
    done
    # They really lack what is newer.
    run ! gcc -I"$BATS_TEST_DIRNAME/linux-5.4" -x c -c -o "$BATS_TEST_TMPDIR/new.o" - \
        <<<$'#include <linux/seccomp.h>\nstruct seccomp_notif_addfd addition;'
}

# compiler_without_headers: PATH begins with a gcc and cc that link for 32 bits, but find no headers for it.
compiler_without_headers() {
    local name
    mkdir "$BATS_TEST_TMPDIR/path"
    for name in gcc cc; do
        printf '#!/bin/sh\ncase " $* " in *" -m32 "*) set -- "$@" -nostdinc ;; esac\nexec %s "$@"\n' "$(type -P gcc)" \
            >"$BATS_TEST_TMPDIR/path/$name"
        chmod +x "$BATS_TEST_TMPDIR/path/$name"
    done
    PATH=$BATS_TEST_TMPDIR/path:$PATH
    echo 'int main(void) { return 0; }' | gcc -m32 -static -x c -o "$BATS_TEST_TMPDIR/empty" - || missing "gcc -m32"
}

@test "a compiler for 32 bits that has no headers for them counts as none" {
    [ "$(uname -m)" = x86_64 ] || skip "for x86-64"
    compiler_without_headers
    in_copy
    run make -n probes
    [ "$status" = 0 ]
    [[ $output == *static-probe* && $output != *i386-* ]]
    # deps wants the package that has them.
    stub_apt
    run sh tests/deps.sh
    echo "$output"
    [[ $output == *"gcc-multilib"* ]]
}

# stub_apt: apt-get and sudo only note what they were to do, and other commands of root do nothing.
stub_apt() {
    local name
    mkdir -p "$BATS_TEST_TMPDIR/path"
    for name in apt-get sudo tee; do
        printf '#!/bin/sh\necho "called: %s $*"\n' "$name" >"$BATS_TEST_TMPDIR/path/$name"
        chmod +x "$BATS_TEST_TMPDIR/path/$name"
    done
    PATH=$BATS_TEST_TMPDIR/path:$PATH
}

# few_commands NAME...: PATH is a folder of these alone.
few_commands() {
    local name
    mkdir "$BATS_TEST_TMPDIR/few"
    for name; do
        ln -s "$(type -P "$name")" "$BATS_TEST_TMPDIR/few/$name"
    done
    FEW=$BATS_TEST_TMPDIR/few
}

@test "make deps says what it installs before it does; without sudo or apt-get, what is missing" {
    few_commands sh uname id env make cat nproc grep gcc dpkg
    run -1 env PATH="$FEW" sh "$BATS_TEST_DIRNAME/deps.sh"
    echo "$output"
    [[ $output == "Not a Debian or Ubuntu: please install what these Debian packages hold: "*" redis-server "* ]]
    # The stubs and nothing else: what sudo would run is printed.
    stub_apt
    ln -s "$BATS_TEST_TMPDIR/path/apt-get" "$FEW"
    local as=()
    [ "$(id -u)" != 0 ] || as=(setpriv --reuid 65534 --clear-groups)
    cp "$BATS_TEST_DIRNAME/deps.sh" "$BATS_TEST_TMPDIR"
    chmod -R a+rX "$BATS_TEST_TMPDIR"
    run -1 "${as[@]}" env PATH="$FEW" sh "$BATS_TEST_TMPDIR/deps.sh"
    echo "$output"
    [[ $output == "Neither root nor sudo: please have these packages installed: "*" redis-server "* ]]
    ln -s "$BATS_TEST_TMPDIR/path/sudo" "$FEW"
    run -0 "${as[@]}" env PATH="$FEW" sh "$BATS_TEST_TMPDIR/deps.sh"
    echo "$output"
    [[ ${lines[0]} == "Installing: "*" redis-server "* ]]
    [[ ${lines[-1]} == "called: sudo "*"apt-get install "*" redis-server "* || $output == *"called: sudo env "*"apt-get install "*" redis-server "* ]]
}

@test "lint holds includes to the table of rooms" {
    in_copy
    run -0 tests/rooms.sh
    [ -z "$output" ]
    # complains TEXT: rooms.sh says just that.
    complains() {
        run tests/rooms.sh
        echo "$output"
        [ "$status" = 1 ] && [ "$output" = "$1" ]
    }
    cp -r shim shim.kept
    restore() {
        rm -r shim
        cp -r shim.kept shim
    }
    echo '#include "command/command.h"' >>shim/core/ports.h
    complains "shim/core/ports.h includes command/command.h: core/ may include nothing"
    restore
    echo '#include "launch/launch.h"' >>shim/seccomp/filter.c
    complains "shim/seccomp/filter.c includes launch/launch.h: seccomp/ may include core base inspect"
    restore
    echo '  #  include  "seccomp/filter.h"' >>shim/inspect/option.c
    complains "shim/inspect/option.c includes seccomp/filter.h: inspect/ may include core base"
    restore
    echo '#include "ports.h"' >>shim/core/apply.c
    complains "shim/core/apply.c includes ports.h: core/ may include nothing"
    restore
    printf '#include %s\n' '<../command/command.h>' '<sys/types.h>' >>shim/core/apply.c
    complains "shim/core/apply.c includes ../command/command.h: core/ may include nothing"
    restore
    echo '#include <preload/real.h>' >>shim/base/die.c
    complains "shim/base/die.c includes preload/real.h: base/ may include nothing"
    restore
    mkdir shim/attic
    echo 'int attic;' >shim/attic/attic.c
    complains "shim/README.md: no row for attic/"
    restore
    rm -r shim/base
    complains "shim/README.md: there is no folder base/"
}

@test "lint holds lines to 100 columns, comments included" {
    local file=$BATS_TEST_TMPDIR/file.c
    printf '/* %094d */\n' 0 >"$file"
    run -0 "$BATS_TEST_DIRNAME/layout.sh" columns "$file"
    printf '/* %095d */\n' 0 >>"$file"
    run -1 "$BATS_TEST_DIRNAME/layout.sh" columns "$file"
    [[ $output == "$file:2:/* 0"* ]]
    run -0 "$BATS_TEST_DIRNAME/layout.sh" lines "$file"
    { echo 'static void f(int i) {' && printf '    i++;%.0s\n' {1..50} && echo '}'; } >"$file"
    run -1 "$BATS_TEST_DIRNAME/layout.sh" lines "$file"
    [ "$output" = "$file:1: 51 lines: static void f(int i) {" ]
    printf '/* SPDX-License-Identifier: MIT */\n' >"$file"
    run -0 "$BATS_TEST_DIRNAME/layout.sh" license "$file"
    echo >"$file.2"
    run -1 "$BATS_TEST_DIRNAME/layout.sh" license "$file" "$file.2" "$file"
    [ "$output" = "$file.2: no SPDX-License-Identifier" ]
}

@test "nothing is at the top but what belongs there" {
    need git
    [ -e "$ROOT/.git" ] || missing "a git checkout"
    run git -C "$ROOT" ls-tree --name-only HEAD
    run ! grep -vxE '\..*|Makefile|shim|tests|examples|README\.md|LICENSE' <<<"$output"
}
