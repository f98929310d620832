#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a Debian package for this machine, called by `make deb`. DEBFULLNAME and DEBEMAIL name the maintainer, as they
# do for debchange(1).
#     VERSION=... SOURCE_DATE_EPOCH=... deb.sh FOLDER
set -eu

folder=$1
# The environment may choose flags, but not where a package has its files.
unset MAKEFLAGS BINDIR MANDIR BASHCOMPDIR FISHCOMPDIR DOCDIR
export SOURCE_DATE_EPOCH # for dpkg-deb
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
documents=$root/usr/share/doc/reuseport
architecture=$(dpkg --print-architecture)
version=$VERSION-1
maintainer="${DEBFULLNAME:-The libreuseport authors} <${DEBEMAIL:-maintainers@libreuseport.invalid}>"

# The library in a folder of its own, since no program links with it, below that of its CPU, as the policy has it.
install_files() {
    umask 022
    make -s -j "${JOBS:-1}" BUILD="$work/build" LDFLAGS="${LDFLAGS-} -s" DESTDIR="$root" PREFIX=/usr \
        LIBDIR="/usr/lib/$(cc -print-multiarch)/reuseport" ZSHCOMPDIR=/usr/share/zsh/vendor-completions \
        install install-documents
    gzip -9n "$root"/usr/share/man/*/*
    chmod 644 "$root"/usr/lib/*/reuseport/libreuseport.so
}

# As Debian's policy has them (chapter 12).
write_documents() {
    mv "$documents/CHANGELOG.md" "$documents/changelog"
    cat >"$documents/changelog.Debian" <<END
reuseport ($version) unstable; urgency=medium

  * Version $VERSION; changelog.gz has what is new.

 -- $maintainer  $(LC_ALL=C date -Rud "@$SOURCE_DATE_EPOCH")
END
    gzip -9n "$documents/changelog" "$documents/changelog.Debian"
    {
        echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'
        printf '\nFiles: *\n'
        sed -n 's/^Copyright (c) /Copyright: /p' "$documents/LICENSE"
        echo 'License: Expat'
        sed '1,/^Copyright/d' "$documents/LICENSE" | sed '1d; s/^$/./; s/^/ /'
    } >"$documents/copyright"
    rm "$documents/LICENSE"
}

# glibc of the newest symbol that the command requires.
depends() {
    readelf -VW "$root/usr/bin/reuseport" | grep -o 'GLIBC_[0-9.]*' | sort -Vu |
        sed -n '$s/GLIBC_\(.*\)/Depends: libc6 (>= \1)/p'
}

write_control() {
    mkdir "$root/DEBIAN"
    (cd "$root" && find usr -type f | LC_ALL=C sort | xargs -d '\n' md5sum) >"$root/DEBIAN/md5sums"
    cat >"$root/DEBIAN/control" <<END
Package: reuseport
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(find "$root/usr" -type f -printf '%s\n' | awk '{ sum += int(($1 + 1023) / 1024) } END { print sum }')
$(depends)
Section: net
Priority: optional
Description: several copies of an unmodified server on one port
 A preload library sets SO_REUSEPORT on the ports that you name, so that
 several copies of a server share them, and the kernel distributes connections.
 The command, reuseport, starts and supervises copies, shows who shares a
 port, and replaces a running server without losing a connection.
END
}

install_files >"$work/log"
write_documents
write_control
mkdir -p "$folder"
dpkg-deb --root-owner-group -Zxz --build "$root" "$folder/reuseport_${version}_$architecture.deb" >"$work/log"
echo "$folder/reuseport_${version}_$architecture.deb"
