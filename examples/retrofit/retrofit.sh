#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs copies of a well-known server on one port, each with files of its own in a directory that is
# removed at the end, and shows the line that it runs.
set -eu

usage="usage: retrofit.sh nginx|redis-server|memcached|dnsmasq|java [PORT [COPIES]]
Two copies on port 8080 of 127.0.0.1 if you do not say otherwise, until Ctrl-C or TERM."

PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}
port=${2:-8080}
copies=${3:-2}

die() {
    echo "retrofit.sh: $*" >&2
    exit 1
}

misused() {
    echo "$usage" >&2
    exit 2
}

find_reuseport() {
    if [ -n "${REUSEPORT:-}" ]; then
        echo "$REUSEPORT"
    elif [ -x "$build/reuseport" ]; then
        echo "$(cd "$build" && pwd)/reuseport"
    else
        command -v reuseport
    fi
}

make_directories() {
    copy=0
    while [ "$copy" -lt "$copies" ]; do
        mkdir "$work/$copy"
        copy=$((copy + 1))
    done
}

# The line, as you would type it; no word of ours has a quote in it.
show() {
    line=
    for word; do
        case $word in
        '' | *[!A-Za-z0-9_./:=,{}-]*) word="'$word'" ;;
        esac
        line="$line $word"
    done
    printf '+%s\n' "$line"
}

case $# in
[123]) ;;
*) misused ;;
esac
case $1 in
nginx | redis-server | memcached | dnsmasq | java) ;;
*) misused ;;
esac
case $port$copies in
*[!0-9]*) misused ;;
esac
command -v "$1" >/dev/null || die "$1 is not installed"
reuseport=$(find_reuseport) || die "there is no reuseport; run make first"

work=$(mktemp -d "${TMPDIR:-/tmp}/retrofit.XXXXXX")
trap '[ -z "${!:-}" ] || kill "$!" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
chmod 711 "$work" # nginx's workers are of another user

case $1 in
nginx)
    make_directories
    # What is not absolute is looked for below the directory that -p names.
    cat >"$work/nginx.conf" <<CONF
daemon off;
pid nginx.pid;
error_log stderr;
worker_processes 1;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:$port;
        location / { return 200 "\$pid says hello\n"; }
    }
}
CONF
    set -- nginx -e stderr -p "$work/{}" -c "$work/nginx.conf"
    ask="curl http://127.0.0.1:$port/"
    ;;
redis-server)
    make_directories
    set -- redis-server --bind 127.0.0.1 --port "$port" --dir "$work/{}" \
        --pidfile "$work/{}/redis.pid" --unixsocket "$work/{}/redis.sock"
    ask="redis-cli -p $port info server; copy 1: redis-cli -s $work/1/redis.sock"
    ;;
memcached)
    set -- memcached -u "$(id -un)" -l 127.0.0.1 -p "$port" -P "$work/memcached.{}.pid"
    ask="printf 'stats\r\nquit\r\n' | nc 127.0.0.1 $port"
    ;;
dnsmasq)
    echo "address=/hello.test/127.0.0.1" >"$work/dnsmasq.conf"
    set -- dnsmasq --keep-in-foreground --user="$(id -un)" --listen-address=127.0.0.1 --bind-interfaces \
        --port="$port" --conf-file="$work/dnsmasq.conf" --pid-file="$work/dnsmasq.{}.pid" \
        --txt-record="who.test,copy-{}"
    ask="dig -p $port @127.0.0.1 who.test txt"
    ;;
java)
    command -v javac >/dev/null || die "javac is not installed"
    javac -d "$work" "$here/Hello.java"
    set -- java -cp "$work" Hello "$port"
    ask="curl http://127.0.0.1:$port/"
    ;;
esac

set -- "$reuseport" run -n "$copies" -I '{}' -p "$port" "$@"
show "$@"
printf '%s\n' "Ask it, from another terminal: $ask"
# In a session of its own: Ctrl-C reaches this script alone, and the copies get one signal, not two.
setsid "$@" &
wait "$!"
