#!/bin/sh
# SPDX-License-Identifier: MIT
# Becomes the first process of a machine for podman, in namespaces that containers.bash has made for it: images and
# containers, podman's settings, networks and locks are the machine's own, the programs and all else the host's.
#     podman.sh MACHINE GROUP...
# MACHINE, a folder, has etc/ and storage/, and gets the file "ready". Each GROUP, a cgroup of its own in each of the
# host's hierarchies, becomes that hierarchy's root.
set -eu

# The cgroup namespace begins where the process that makes it is.
if [ "$1" != --inside ]; then
    machine=$1
    shift
    for group; do echo 0 >"$group/cgroup.procs"; done
    exec unshare --cgroup sh "$0" --inside "$machine" "$@"
fi
machine=$2
shift 2

# With version 1 each hierarchy is in a folder of /sys/fs/cgroup, and version 2 is that folder itself.
show_cgroups() {
    mkdir "$machine/cgroup"
    if [ "$(stat -f -c %T "$1")" = cgroup2fs ]; then
        mount --bind "$1" "$machine/cgroup"
    else
        mount -t tmpfs -o mode=755 cgroup "$machine/cgroup"
        for group; do
            hierarchy=${group%/*}
            mkdir "$machine/cgroup/${hierarchy##*/}"
            mount --bind "$group" "$machine/cgroup/${hierarchy##*/}"
        done
    fi
    mount --move "$machine/cgroup" /sys/fs/cgroup
}

# Where the folder is on an overlay itself, as in a container, another cannot stand upon it.
storage_driver() {
    mkdir "$machine/trial"
    cd "$machine/trial"
    mkdir lower upper work merged
    if mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged 2>/dev/null; then
        umount merged
        echo overlay
    else
        echo vfs
    fi
}

mount --make-rprivate /
show_cgroups "$@"
for group in /sys/fs/cgroup/operator /sys/fs/cgroup/*/operator; do
    [ ! -d "$group" ] || echo 0 >"$group/cgroup.procs"
done
cat >"$machine/etc/storage.conf" <<END
[storage]
driver = "$(storage_driver)"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
END
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=1777 tmp /var/tmp
mount --bind "$machine/etc" /etc/containers
[ ! -d /etc/cni ] || mount -t tmpfs none /etc/cni
mount --bind "$machine/storage" /var/lib/containers
mkdir /run/lock
ip link set lo up
: >"$machine/ready"
# Reaps what podman leaves.
exec env -i PATH="$PATH" tini -s -- sleep infinity
