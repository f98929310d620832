#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Releases for every CPU, and a package installed on a clean system.

load "$BATS_TEST_DIRNAME/../helpers"
load "$BATS_TEST_DIRNAME/../library-file"

TRIXIE=$BUILT_IN/trixie

setup_file() {
    make -s -C "$ROOT" BUILD="$BATS_FILE_TMPDIR/build" deb
}

setup() {
    DEB=$(echo "$BATS_FILE_TMPDIR"/build/dist/*.deb)
    cd "$BATS_TEST_TMPDIR" || return
}

@test "make dist makes an archive for every CPU, whose library loads on every libc, and whose command needs none" {
    local cpu qemu machine top file version count=0
    [ -d "$BUILT_IN/foreign" ] || missing "$BUILT_IN/foreign, as make field-deps makes it"
    make -s -C "$ROOT" BUILD="$PWD/build" DIST_MUSL="$BUILT_IN/foreign" dist
    cd build/dist
    sha256sum --check --strict SHA256SUMS
    version=$(sed -n 's/^#define RP_VERSION "\(.*\)"/\1/p' "$ROOT/shim/core/version.h")
    while read -r cpu qemu machine; do
        top=reuseport-$version-$cpu
        tar xf "$top.tar.gz"
        fits_every_libc "$top/lib/libreuseport.so"
        for file in lib/libreuseport.so bin/reuseport; do
            echo "$cpu: $file"
            readelf -h "$top/$file" | grep -q "Machine: *$machine$"
            grep -qF "libreuseport version $version" "$top/$file"
        done
        run ! grep INTERP <(readelf -lW "$top/bin/reuseport")
        need "$qemu"
        [ "$("$qemu" "$top/bin/reuseport" --version)" = "reuseport $version" ]
        mkdir "$cpu"
        "$qemu" "$top/bin/reuseport" install-lib "$PWD/$cpu"
        cmp "$top/lib/libreuseport.so" "$cpu/libreuseport.so"
        count=$((count + 1))
    done <<END
amd64 env Advanced Micro Devices X86-64
arm64 qemu-aarch64 AArch64
armhf qemu-arm ARM
i386 env Intel 80386
ppc64el qemu-ppc64le PowerPC64
riscv64 qemu-riscv64 RISC-V
s390x qemu-s390x IBM S/390
END
    [ "$(wc -l <SHA256SUMS)" = "$count" ]
}

@test "lintian has no error to report about the package" {
    need lintian
    run lintian --allow-root --fail-on error "$DEB"
    echo "$output"
    [ "$status" = 0 ]
}

# The script that a clean system runs, in namespaces of its own: two servers share a port, and nothing stays behind.
on_clean_system() {
    cat >clean.sh <<'END'
set -eu
port=$1
chroot() { command chroot system env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
files() { find system/usr system/etc system/bin system/lib ! -type d | sort; }
mount --make-rprivate /
mount -t proc proc system/proc
mount --bind /dev/null system/dev/null
ip link set lo up
files >before
chroot dpkg -i /tmp/reuseport.deb
chroot dpkg -s reuseport | grep '^Status'
chroot reuseport check /tmp/server
chroot reuseport run -n 2 -p "$port" /tmp/server "$port" &
until [ "$(chroot reuseport list "$port" | grep -c ' yes ')" = 2 ]; do sleep 0.1; done
chroot reuseport list "$port"
chroot /tmp/client "$port" 60
kill "$!"
wait "$!" || echo "ended: $?"
chroot dpkg --purge reuseport
files | diff before -
END
    unshare --mount --net --pid --fork --kill-child timeout 60 sh clean.sh "$@"
}

@test "dpkg -i on a clean system, then reuseport run from PATH: two servers share a port; dpkg --purge leaves nothing" {
    need_root
    need_unshare --mount --net --pid --fork
    grep -qsx "Package: libc6" "$TRIXIE/var/lib/dpkg/status" || missing "$TRIXIE, as make field-deps makes it"
    cp -a "$TRIXIE" system
    mkdir -p system/dev system/proc system/tmp
    touch system/dev/null
    cp "$DEB" system/tmp/reuseport.deb
    cp "$BUILD/examples/server" "$BUILD/examples/client" system/tmp
    run on_clean_system 8080
    # Of the packages before this one, dpkg knows no files.
    grep -v 'dpkg: warning: files list file' <<<"$output"
    [ "$status" = 0 ]
    [[ $output == *"Status: install ok installed"* ]]
    [[ $output == *"/tmp/server: "*": the library reaches it"* ]]
    [ "$(grep -cE '^tcp +0\.0\.0\.0 +8080 .* server +yes ' <<<"$output")" = 2 ]
    # Each gets its share of 60 connections.
    [ "$(awk '/^pid/ && $3 >= 15 && $3 <= 45' <<<"$output" | wc -l)" = 2 ]
}
