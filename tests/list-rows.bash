#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Binds as every row of list.table says, in a network namespace of its own, and prints the rows whose
# result differs, then how many there were. Arguments: the words that start a program under a list; the
# word LIST in them stands for it.
set -euo pipefail

if [ "${1:-}" != inside ]; then
    if unshare -n true 2>/dev/null; then exec unshare -n "$0" inside "$@"; fi
    exec unshare -rn "$0" inside "$@"
fi
shift
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind
echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind

# What the option is after a bind with it off at first, and with it on at first.
declare -A names=([11]=on [00]=off [01]=untouched)
rows=0
while IFS='|' read -r list where port expected; do
    [[ $list != '#'* ]] || continue
    read -r kind address <<<"$where"
    read -r port expected <<<"$port $expected"
    list=$(printf %b. "${list%"${list##*[! ]}"}")
    list=${list%.}
    out=$("${@//LIST/$list}" socket "$kind" bind "$address" "$port" get close \
        socket "$kind" reuseport 1 bind "$address" "$port" get 2>&1) || true
    [ "$(grep -c bind=ok <<<"$out")" = 2 ] || echo "$list | $where | $port: $out"
    options=$(sed -n 's/^reuseport=//p' <<<"$out" | tr -d '\n')
    [ "${names[${options:-none}]-$out}" = "$expected" ] ||
        echo "$list | $where | $port: expected $expected, got ${names[${options:-none}]-$out}"
    rows=$((rows + 1))
done <"$(dirname "$0")/list.table"
echo "$rows rows"
