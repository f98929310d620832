#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a command in a network namespace of its own, where any port is free, with room for many connections and
# none in TIME_WAIT. Requires root.
exec unshare -n sh -ec '
    ip link set lo up
    sysctl -qw net.ipv4.ip_local_port_range="1024 19999" net.ipv4.tcp_max_tw_buckets=0
    exec "$@"' sh "$@"
