#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts programs of Debian 13 into FOLDER, whose systemd knows Type=notify-reload, as the older one of Debian 12 does
# not. They are unpacked and not configured, which is enough to boot (boot.sh), but dpkg there takes them for installed
# (release.bats). Requires root, and a minute at most.
#     trixie.sh FOLDER
set -eu

folder=$1
new=$folder.new

# The host's own mirror, if it has one of Debian.
find_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep '/debian/$' | head -n 1
}

unpack() {
    rm -rf "$new" "$new.status"
    mkdir -p "$new"
    debootstrap --foreign --variant=minbase --include=systemd trixie "$new" "$mirror" >"$new.log" 2>&1 || return 1
    for package in "$new"/var/cache/apt/archives/*.deb; do
        dpkg-deb --extract "$package" "$new" || return 1
        dpkg-deb --field "$package" | sed '/^Package:/a Status: install ok installed' >>"$new.status" || return 1
        echo >>"$new.status"
    done
    mv "$new.status" "$new/var/lib/dpkg/status"
    mkdir -p "$new/usr/local"
    rm -rf "$new/var/cache/apt" "$new/debootstrap" "$new"/usr/share/doc "$new"/usr/share/locale "$new"/usr/share/man
}

[ ! -e "$folder" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "trixie.sh: requires root, as make field does" >&2
    exit 1
fi
mirror=$(find_mirror)
mirror=${mirror:-http://deb.debian.org/debian}
echo "Unpacking programs of Debian 13 into $folder"
for try in 1 2 3; do
    if unpack; then
        rm -f "$new.log"
        mv "$new" "$folder"
        exit 0
    fi
    tail -n 5 "$new.log" >&2
    sleep "$try"
done
exit 1
