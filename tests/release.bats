#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Releases: one version, and archives and packages whose bytes the sources alone decide. Those for every CPU are built by
# field/release.bats.

load helpers
load library-file

VERSION=$(sed -n 's/^#define RP_VERSION "\(.*\)"/\1/p' "$ROOT/shim/core/version.h")

# sources FOLDER: copies them there.
sources() {
    mkdir -p "$1"
    cp -r "$ROOT/Makefile" "$ROOT/LICENSE" "$ROOT/shim" "$ROOT/tests" "$ROOT/examples" "$1"
}

# in_two_folders TARGET [VARIABLE=VALUE...]: makes that in two copies of the sources, of which nothing is alike but what
# is in them; their releases in FIRST and SECOND. At -O0, which takes half the time.
in_two_folders() {
    local one=$BATS_TEST_TMPDIR/one two="$BATS_TEST_TMPDIR/a second/one"
    FIRST=$one/build/dist
    SECOND=$two/other/dist
    sources "$one"
    sources "$two"
    find "$two" -exec touch -d 2020-02-02 {} +
    env -u LC_ALL TZ=UTC make -s -C "$one" CFLAGS=-O0 "$@"
    (umask 077 && LC_ALL=C.UTF-8 TZ=Asia/Kolkata make -s -C "$two" BUILD=other JOBS=3 CFLAGS=-O0 "$@")
    diff -r "$FIRST" "$SECOND"
}

@test "there is one version: of the sources, command, library, manual pages, change log and examples" {
    [[ $VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]
    [ "$("$BUILD/reuseport" --version)" = "reuseport $VERSION" ]
    grep -qF "libreuseport version $VERSION" "$LIBRARY"
    local page newest written released
    newest=$(grep -m 1 '^## ' "$ROOT/shim/doc/CHANGELOG.md")
    released=${newest#"## $VERSION, "}
    echo "$newest"
    [ "$released" = "$(date -d "$released" +%F)" ]
    for page in "$BUILD"/doc/*.[1-8]; do
        grep -qx "\.Os libreuseport $VERSION" "$page"
        # Nor has a page been changed since.
        written=$(date -d "$(sed -n 's/^\.Dd //p' "$page")" +%F)
        echo "${page##*/}: $written"
        [[ ! $written > $released ]]
    done
    run grep -rhoE 'reuseport:[0-9][0-9.]*[0-9]' "$ROOT/examples"
    [ "$(sort -u <<<"$output")" = "reuseport:$VERSION" ]
}

@test "make dist: the same sources give the same archives, wherever, whenever and by whomever they are built" {
    need musl-gcc clang
    local cpu top name
    in_two_folders dist DIST_CPUS="amd64 s390x"
    cd "$FIRST"
    [ "$(echo *)" = "SHA256SUMS reuseport-$VERSION-amd64.tar.gz reuseport-$VERSION-s390x.tar.gz" ]
    [ "$(wc -l <SHA256SUMS)" = 2 ]
    sha256sum --check --strict SHA256SUMS
    for cpu in amd64 s390x; do
        top=reuseport-$VERSION-$cpu
        tar xf "$top.tar.gz"
        diff - <(find "$top" -type f | sort) < <(
            {
                printf "$top/%s\n" bin/reuseport lib/libreuseport.so share/bash-completion/completions/reuseport \
                    share/zsh/site-functions/_reuseport share/fish/vendor_completions.d/reuseport.fish \
                    share/doc/reuseport/{LICENSE,CHANGELOG.md}
                for name in "$ROOT"/shim/doc/*.[1-8]; do echo "$top/share/man/man${name##*.}/${name##*/}"; done
                (cd "$ROOT/examples/sidecar" && printf "$top/share/doc/reuseport/examples/%s\n" *.service *.d/*.conf)
            } | sort
        )
        # Unpacking changes no folder that is there: /usr/local belongs to the machine.
        run ! grep '/$' <(tar tf "$top.tar.gz")
        fits_every_libc "$top/lib/libreuseport.so"
        run ! grep -E 'INTERP|\.symtab' <(readelf -lSW "reuseport-$VERSION-amd64/bin/reuseport")
    done
    readelf -h "reuseport-$VERSION-s390x/bin/reuseport" | grep -q 'Machine:.*S/390'
    run "reuseport-$VERSION-amd64/bin/reuseport" run -p 80 sh -c 'echo "$LD_PRELOAD"'
    [ "$output" = "$PWD/reuseport-$VERSION-amd64/lib/libreuseport.so" ]
}

@test "make dist names each CPU that it has no compiler for, and fails; archives of before are gone" {
    sources "$BATS_TEST_TMPDIR/copy"
    cd "$BATS_TEST_TMPDIR/copy"
    mkdir -p build/dist
    touch build/dist/reuseport-0.0.1-amd64.tar.gz
    run make -s dist DIST_CPUS="vax pdp11"
    echo "$output"
    [ "$status" != 0 ]
    [ "${lines[0]}" = "make dist: no compiler for vax pdp11; DIST_CPUS chooses CPUs" ]
    [ "$(ls build/dist)" = SHA256SUMS ]
    # A version that is not released has no date.
    sed -i "s/^## $VERSION, .*/## $VERSION/" shim/doc/CHANGELOG.md
    run make -s dist
    echo "$output"
    [ "$status" != 0 ]
    [[ $output == *"shim/doc/CHANGELOG.md has no date for $VERSION"* ]]
}

@test "make deb: the same sources give the same package, which dpkg takes and whose files are where Debian has them" {
    need dpkg-deb
    local deb files triplet
    in_two_folders deb
    deb=$FIRST/reuseport_$VERSION-1_$(dpkg --print-architecture).deb
    [ "$FIRST/$(ls "$FIRST")" = "$deb" ]
    [ "$(dpkg-deb --field "$deb" Package Version | xargs)" = "Package: reuseport Version: $VERSION-1" ]
    [[ $(dpkg-deb --field "$deb" Depends) =~ ^libc6\ \(\>=\ 2\.[0-9]+\)$ ]]
    # As the README says.
    ! grep -qx 'VERSION_ID="12"' /etc/os-release || [ "$(dpkg-deb --field "$deb" Depends)" = "libc6 (>= 2.34)" ]
    dpkg-deb --raw-extract "$deb" "$BATS_TEST_TMPDIR/root"
    cd "$BATS_TEST_TMPDIR/root"
    md5sum --check --quiet DEBIAN/md5sums
    files=$(find . -path ./DEBIAN -prune -o -type f -print | sort)
    [ "$(wc -l <<<"$files")" = "$(wc -l <DEBIAN/md5sums)" ]
    echo "$files"
    run ! grep -r /usr/local .
    triplet=$(cc -print-multiarch)
    [ "$(grep -vE '^\./usr/share/(man|doc)/' <<<"$files" | xargs)" = "./usr/bin/reuseport \
./usr/lib/$triplet/reuseport/libreuseport.so ./usr/share/bash-completion/completions/reuseport \
./usr/share/fish/vendor_completions.d/reuseport.fish ./usr/share/zsh/vendor-completions/_reuseport" ]
    gzip -dc usr/share/man/man7/libreuseport.7.gz | grep -qF "/usr/lib/$triplet/reuseport/libreuseport.so"
    gzip -dc usr/share/doc/reuseport/changelog.gz | cmp - "$ROOT/shim/doc/CHANGELOG.md"
    grep -qx "License: Expat" usr/share/doc/reuseport/copyright
}
