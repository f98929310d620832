#!/bin/sh
# SPDX-License-Identifier: MIT
# Becomes systemd, as PID 1 of namespaces that field.bash has made for it. Its root is a tmpfs with the programs below
# PROGRAMS read-only, the host's /etc, the product in /usr/local, and units of its own alone.
#     boot.sh MACHINE CGROUP BUILD PROGRAMS SHOWN...
# MACHINE, a folder, gets units/ and console; CGROUP becomes systemd's root. MACHINE's parent is shown there for
# writing, SHOWN, files or folders, for reading, all by their own names.
set -eu

# The cgroup namespace begins where the process that makes it is.
if [ "$1" != --inside ]; then
    echo 0 >"$2/cgroup.procs"
    exec unshare --cgroup sh "$0" --inside "$@"
fi
machine=$2
build=$4
programs=${5%/}
shift 5

# show ro|rw FILE [BELOW]: FILE of the host, below that folder if one is given, by the name FILE in the root, which is
# the current folder.
show() {
    if [ -d "${3:-}$2" ]; then
        mkdir -p ".$2"
    else
        mkdir -p ".${2%/*}"
        [ -e ".$2" ] || : >".$2"
    fi
    mount --bind "${3:-}$2" ".$2"
    [ "$1" = rw ] || mount -o remount,bind,ro ".$2"
}

mount --make-rprivate /
mount -t tmpfs -o mode=755 root "$machine/root"
cd "$machine/root"
mkdir -p proc sys dev run tmp root var/tmp var/log var/lib old
ln -s /run var/run
chmod 1777 tmp var/tmp
for name in usr bin sbin lib lib32 lib64 libx32; do
    if [ -L "$programs/$name" ]; then
        cp -P "$programs/$name" .
    elif [ -d "$programs/$name" ]; then
        show ro "/$name" "$programs"
    fi
done
show ro /etc
mount -t tmpfs -o mode=755 local usr/local
mkdir -p usr/local/bin usr/local/lib
cp "$build/reuseport" "$build/examples/server" usr/local/bin
cp "$build/libreuseport.so" usr/local/lib

mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=755 dev dev
for name in null zero full random urandom tty; do show rw "/dev/$name"; done
for shown; do show ro "$shown"; done
show rw "${machine%/*}"
# What systemd says to the kernel's log, which is the host's.
mkfifo dev/kmsg
ln -s pts/ptmx dev/ptmx

ip link set lo up
# What a test's own questions leave in TIME_WAIT would keep the first replacement waiting for a minute.
echo 0 >proc/sys/net/ipv4/tcp_max_tw_buckets
pivot_root . old
umount -l old
cat <>/dev/kmsg >>"$machine/console" 2>&1 &
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=field \
    SYSTEMD_UNIT_PATH="$machine/units" SYSTEMD_GENERATOR_PATH=/nowhere SYSTEMD_LOG_TARGET=kmsg \
    /lib/systemd/systemd --unit=field.target --show-status=no --default-standard-output=null </dev/null >/dev/null 2>&1
