#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes FOLDER, the root of an image of Debian 12, which has no network: the packages named are not installed in it, but
# its apt finds them, and all that they depend on, in /srv/packages. Requires root, and a minute.
#     bookworm.sh FOLDER PACKAGE...
set -eu

folder=$1
new=$folder.new
shift

# The host's own mirror, if it has one of Debian.
find_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep '/debian/$' | head -n 1
}

make_root() {
    rm -rf "$new" "$new.packages"
    debootstrap --variant=minbase --include="$(echo "$*" | tr ' ' ,)" --download-only bookworm "$new.packages" "$mirror" &&
        debootstrap --variant=minbase --cache-dir="$new.packages/var/cache/apt/archives" bookworm "$new" "$mirror"
} >"$new.log" 2>&1

# As dpkg-scanpackages makes it, of the packages in the current folder.
index() {
    for package in *.deb; do
        dpkg-deb --field "$package"
        echo "Filename: ./$package"
        echo "Size: $(stat -c %s "$package")"
        echo "SHA256: $(sha256sum "$package" | cut -d' ' -f1)"
        echo
    done
}

[ ! -e "$folder" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "bookworm.sh: requires root, as make field-containers does" >&2
    exit 1
fi
mirror=$(find_mirror)
mirror=${mirror:-http://deb.debian.org/debian}
new=$(realpath "$new")
echo "Making a root of Debian 12 in $folder"
for try in 1 2 3; do
    if make_root "$@"; then
        rm -rf "$new"/var/cache/apt/archives/*.deb "$new"/var/lib/apt/lists/*
        mkdir "$new/srv/packages"
        mv "$new.packages"/var/cache/apt/archives/*.deb "$new/srv/packages"
        (cd "$new/srv/packages" && index >Packages)
        echo 'deb [trusted=yes] file:/srv/packages ./' >"$new/etc/apt/sources.list"
        rm -rf "$new.packages" "$new.log"
        mv "$new" "$folder"
        exit 0
    fi
    tail -n 5 "$new.log" >&2
    sleep "$try"
done
exit 1
