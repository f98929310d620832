#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts other people's test suites into FOLDER, each in a folder of its own, from Debian's packages, sources among them;
# the machine's list of package sources stays as it is. Requires a minute.
#     suites.sh FOLDER SUITE...     of python, tcl, redis, libevent
set -eu

# all_sources: of the mirrors that this machine has, or of Debian's, packages and sources.
all_sources() {
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep '/debian/$' | head -n 1)
    mirror=${mirror:-http://deb.debian.org/debian/}
    for kind in deb deb-src; do
        echo "$kind $mirror $codename main"
        echo "$kind ${mirror%debian/}debian-security/ $codename-security main"
    done
}

# apt COMMAND...: with lists, archives and sources of its own.
apt() {
    apt-get -q -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists" \
        -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
}

# unpack PACKAGE FOLDER: its sources.
unpack() {
    (cd "$work" && apt source --download-only "$1")
    dpkg-source --no-check -x "$work/$1"_*.dsc "$2"
}

python() {
    version=python$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    (cd "$work" && apt download "lib$version-testsuite")
    mkdir -p "$work/unpacked" "$new"
    cp -r "/usr/lib/$version/test" "$new"
    dpkg-deb -x "$work/lib$version-testsuite"_*.deb "$work/unpacked"
    cp -r "$work/unpacked/usr/lib/$version/test" "$new"
}

tcl() {
    unpack tcl8.6 "$work/tcl"
    mv "$work/tcl/tests" "$new"
}

# The servers are those of Debian's packages.
redis() {
    unpack redis "$new"
    for program in server cli benchmark check-aof check-rdb; do
        ln -s "/usr/bin/redis-$program" "$new/src/redis-$program"
    done
}

# Debian's patches are newer than what autoconf made, which is nevertheless good.
libevent() {
    unpack libevent "$work/libevent"
    (
        cd "$work/libevent"
        ./configure --quiet --disable-openssl --disable-shared --disable-samples --disable-dependency-tracking
        for goal in include/event2/event-config.h test/regress; do
            make -s -j2 AUTOCONF=: AUTOMAKE=: ACLOCAL=: AUTOHEADER=: "$goal"
        done
    )
    mkdir "$new"
    cp "$work/libevent/test/regress" "$new"
}

folder=$1
shift
work=$folder/work
mkdir -p "$folder"
for suite; do
    [ ! -e "$folder/$suite" ] || continue
    if [ ! -e "$work/lists" ]; then
        rm -rf "$work"
        mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
        work=$(cd "$work" && pwd)
        all_sources >"$work/sources.list"
        apt update
    fi
    new=$work/$suite.new
    rm -rf "$new"
    echo "Making $folder/$suite"
    "$suite"
    mv "$new" "$folder/$suite"
done
rm -rf "$work"
