#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # variables that are set for replacement.bash
# reuseport replace under a client that opens connections as fast as it can from 32 threads, for the whole
# change: no connection fails, and none is delayed. make soak does each server in every form, address family and
# user.

load replacement

# storm_of SERVER FORM ROUNDS [FAMILY [USER]]: so many replacements in a row. FORM: 1-1, 1-3 or 3-3.
storm_of() {
    local server=$1 form=$2 rounds=$3 round
    AS=()
    [ "${5:-root}" = root ] || AS=(setpriv --reuid 64732 --regid 64732 --clear-groups)
    [ "${#AS[@]}" = 0 ] || need_root
    ADDRESS=127.0.0.1 HOST=127.0.0.1
    [ "${4:-4}" = 4 ] || ADDRESS=::1 HOST="[::1]"
    # A directory of its own: files of one user are not another's.
    cd "$(mktemp -d "$BATS_TEST_TMPDIR/XXXXXX")" || return
    chmod 777 .
    use "$server"
    [ "$form" = 1-1 ] || OPTIONS+=(-n 3)
    echo "$server, $form, $ADDRESS, ${AS[*]:-root}"
    start "${COPY[@]}"
    # Three, for three by three, without the storm: one by three has rounds of its own.
    [ "$form" != 3-3 ] || replace "${OPTIONS[@]}" -- "${COPY[@]}"
    storm "$REQUEST" ${ANSWER:+"$ANSWER"}
    for ((round = 1; round <= rounds; round++)); do
        replace "${OPTIONS[@]}" -- "${COPY[@]}"
        run ! grep -E 'reset|told apart|another address' replace.log
        if [ "$form" = 1-3 ] && [ "$round" -lt "$rounds" ]; then
            storm_over
            stop_server
            start "${COPY[@]}"
            storm "$REQUEST" ${ANSWER:+"$ANSWER"}
        fi
    done
    storm_over
    stop_server
}

# every_form SERVER: with every family and every kind of user.
every_form() {
    local form family user
    for form in 1-1 1-3 3-3; do
        for family in 4 6; do
            for user in root ordinary; do
                storm_of "$1" "$form" 10 "$family" "$user"
            done
        done
    done
}

@test "the example server, ten times one by one, three by three, and one by three" {
    own_network
    storm_of example 1-1 10 4 ordinary
    storm_of example 3-3 10 4 root
    storm_of example 1-3 3 4 root
    none_delayed
}

@test "Python's http.server, and without its queue of 5, which clients fill, none is delayed" {
    storm_of http.server 1-1 2 4 ordinary
    own_network
    storm_of long-queue 1-1 8 6 root
    storm_of long-queue 3-3 10 4 ordinary
    storm_of long-queue 1-3 2 4 root
    none_delayed
}

@test "nginx, master and workers, by QUIT" {
    own_network
    storm_of nginx 1-1 10 4 root
    storm_of nginx 3-3 10 6 ordinary
    storm_of nginx 1-3 2 4 root
    none_delayed
}

@test "redis-server, by requests on fresh connections" {
    own_network
    storm_of redis-server 1-1 10 4 ordinary
    storm_of redis-server 3-3 10 6 root
    storm_of redis-server 1-3 2 6 ordinary
    none_delayed
}

@test "Node's http" {
    own_network
    storm_of node 1-1 10 6 ordinary
    storm_of node 3-3 10 4 root
    storm_of node 1-3 2 4 root
    none_delayed
}

@test "memcached" {
    own_network
    storm_of memcached 1-1 10 4 ordinary
    storm_of memcached 3-3 2 6 root
    storm_of memcached 1-3 2 4 root
    none_delayed
}

@test "lighttpd" {
    own_network
    storm_of lighttpd 1-1 10 6 root
    storm_of lighttpd 3-3 10 4 ordinary
    storm_of lighttpd 1-3 2 4 root
    none_delayed
}

@test "a static server and a Go server, by seccomp: one by one, one by three, three by three" {
    own_network
    local server
    for server in static rclone; do
        storm_of $server 1-1 3 4 root
        storm_of $server 3-3 2 4 ordinary
        storm_of $server 1-3 1 6 root
    done
    none_delayed
}

# bats test_tags=long
@test "1 000 replacements under as many connections as the machine makes" {
    own_network
    storm_of example 1-1 1000 4 root
    none_delayed
}

# bats test_tags=long
@test "the example server in every form" {
    own_network
    every_form example
    none_delayed
}

# bats test_tags=long
@test "Python's http.server in every form" {
    own_network
    every_form long-queue
    none_delayed
}

# bats test_tags=long
@test "nginx in every form" {
    own_network
    every_form nginx
    none_delayed
}

# bats test_tags=long
@test "redis-server in every form" {
    own_network
    every_form redis-server
    none_delayed
}

# bats test_tags=long
@test "Node in every form" {
    own_network
    every_form node
    none_delayed
}

# bats test_tags=long
@test "memcached in every form" {
    own_network
    every_form memcached
    none_delayed
}

# bats test_tags=long
@test "lighttpd in every form" {
    own_network
    every_form lighttpd
    none_delayed
}
