#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts programs and libcs that this machine does not have into FOLDER/NAME, one for each NAME that is not there yet, all
# at once. Requires root, and half a minute.
#     roots.sh FOLDER NAME...
# NAME is a release of Debian: its minimal system, unpacked and not configured, which is enough for chroot(8), and to
# boot (boot.sh); dpkg there takes it for installed. Or it is "foreign", for all CPUs: musl, in folders named as Debian
# names the CPUs, and the glibc of Debian 11, an old one, in folders named as those in /usr for cross-compilers.
set -eu

folder=$1
shift
cpus='amd64 arm64 armhf i386 mips64el ppc64el s390x' # riscv64 came later

# The host's own mirror, if it has one of Debian.
find_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep '/debian/$' | head -n 1
}

# packages RELEASE: what is in it besides: a systemd that knows Type=notify-reload, as the one of Debian 12 does not; and
# the newest compiler.
packages() {
    case $1 in
    trixie) echo --include=systemd ;;
    sid) echo --include=gcc,libc6-dev,make ;;
    esac
}

# fetch_release NAME FOLDER
fetch_release() {
    # shellcheck disable=SC2046 # an option or none
    debootstrap --foreign --variant=minbase $(packages "$1") "$1" "$2" "$mirror" || return 1
    for package in "$2"/var/cache/apt/archives/*.deb; do
        dpkg-deb --extract "$package" "$2" || return 1
        dpkg-deb --field "$package" | sed '/^Package:/a Status: install ok installed' >>"$2.status" || return 1
        echo >>"$2.status"
    done
    mv "$2.status" "$2/var/lib/dpkg/status"
    mkdir -p "$2/usr/local"
    rm -rf "$2/var/cache/apt" "$2/debootstrap" "$2"/usr/share/doc "$2"/usr/share/locale "$2"/usr/share/man
}

# An apt of its own, which does not change the host's.
configure_apt() {
    mkdir -p "$1/lists/partial" "$1/archives/partial"
    : >"$1/status"
    key=signed-by=/usr/share/keyrings/debian-archive-keyring.gpg
    cat >"$1/sources.list" <<END
deb [$key arch=$(echo "$cpus" | tr ' ' ,)] $mirror bookworm main
deb [$key arch=riscv64] $mirror trixie main
deb [$key arch=amd64] $mirror bullseye main
END
    cat >"$1/apt.conf" <<END
Dir::Etc { sourcelist "$1/sources.list"; sourceparts "-"; };
Dir::State "$1";
Dir::State::status "$1/status";
Dir::Cache "$1";
APT::Architecture "amd64";
APT::Architectures { "$(echo "$cpus riscv64" | sed 's/ /"; "/g')"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
END
}

# fetch_foreign FOLDER
fetch_foreign() {
    to=$1
    apt=$(cd "$to" && pwd)/apt
    configure_apt "$apt" && APT_CONFIG=$apt/apt.conf apt-get update || return 1
    shift
    for cpu in $cpus riscv64; do
        set -- "$@" "musl:$cpu" "musl-dev:$cpu" "libc6-$cpu-cross/bullseye"
    done
    (cd "$apt" && APT_CONFIG=$apt/apt.conf apt-get download "$@") || return 1
    for package in "$apt"/*.deb; do
        cpu=${package##*_}
        case ${package##*/} in
        musl*) dpkg-deb --extract "$package" "$to/${cpu%.deb}" || return 1 ;;
        *) dpkg-deb --extract "$package" "$apt/glibc" || return 1 ;;
        esac
    done
    [ -e "$to/riscv64/lib" ] || ln -s usr/lib "$to/riscv64/lib" # as the package base-files would
    mv "$apt"/glibc/usr/*-linux-* "$to" && rm -rf "$apt"
}

fetch() {
    case $1 in
    foreign) fetch_foreign "$2" ;;
    *) fetch_release "$1" "$2" ;;
    esac
}

# provide NAME: fetches it; three attempts.
provide() {
    new=$folder/$1.new
    for try in 1 2 3; do
        rm -rf "$new" "$new.status"
        mkdir -p "$new"
        if fetch "$1" "$new" >"$new.log" 2>&1; then
            rm -rf "$new.log" "${folder:?}/$1"
            mv "$new" "$folder/$1"
            return 0
        fi
        tail -n 5 "$new.log" >&2
        sleep "$try"
    done
    return 1
}

# is_there NAME: as this script makes it; an earlier one left no list of packages to dpkg.
is_there() {
    if [ "$1" = foreign ]; then
        [ -e "$folder/$1" ]
    else
        grep -qsx 'Package: libc6' "$folder/$1/var/lib/dpkg/status"
    fi
}

missing=
for name; do
    is_there "$name" || missing="$missing $name"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "roots.sh: requires root, as make field does" >&2
    exit 1
fi
mirror=$(find_mirror)
mirror=${mirror:-http://deb.debian.org/debian}
mkdir -p "$folder"
echo "Unpacking into $folder:$missing"
jobs=
for name in $missing; do
    provide "$name" &
    jobs="$jobs $!"
done
status=0
for job in $jobs; do
    wait "$job" || status=1
done
exit $status
