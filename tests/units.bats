#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Functions that a program calls itself: those whose answers no process can be made to give at will. The compiler's
# sanitizers end it where it reads what is not there, or forgets memory.

load helpers

# unit NAME [ARGUMENT]: that program found nothing, and has checked something.
unit() {
    run "$BUILT_IN/units/$1" "${@:2}"
    echo "$output"
    [ "$status" = 0 ]
    [[ $output =~ ^[1-9][0-9]*\ checks,\ 0\ failed$ ]]
}

@test "a thread that comes second reads the settings by itself, and what stands in for libc does what libc would" {
    unit preload
}

@test "lists, settings, lines and tables of the kernel are read to the last byte that they may have, and not beyond" {
    unit core
}

@test "of sockets on a port those in the way are told from others, and the one that explains most is named" {
    unit holder
}

@test "processes and their sockets are found within the budget, and users that a namespace maps are told from others" {
    need_root
    need_unshare -U
    unit owners
}

@test "a message is one line in one write, a step takes its line on a terminal, and hurrying leaves signals as they were" {
    unit base
}

@test "a service manager gets each message once, or the errno says why not; a barrier waits for it, and no longer than told" {
    unit sd_notify "$BATS_TEST_TMPDIR/manager"
}

@test "a process is who it is, whatever it is called, and so are its parent and its descendants" {
    unit processes
}

@test "a group's members have the numbers that a model gives them, and what is not known is not taken for known" {
    unit members
}

@test "a group's program chooses the members that it should, evenly, and keeps each flow together" {
    unit program
}

@test "members join in the order that the kernel shows; programs, visits and invisible members do as promised" {
    unit group
}

@test "what a look at two servers' sockets tells: groups, who is up, where to steer, what is under way" {
    unit handover
}

@test "what a look tells of handshakes, connected UDP sockets, and addresses that a new server covers" {
    unit arrival
}

@test "a copy's states lead where they should, and the delay before it is started again doubles, and begins anew" {
    unit life
}

@test "--balance passes over long queues and copies that accept nothing, never all, and not all but the shortest under load" {
    unit balance
}

@test "while copies leave, connections go to members whose numbers are known and stay" {
    unit choice
}

@test "an excluded copy whose queue grows has another number: of the next one tried, after more time each round" {
    unit exclusion
}

@test "what follows from a copy's end: its status, a restart, the end of a renewal or of all; when KILL is due" {
    unit copies
}

@test "a renewal goes step by step: old copies that do not serve first, the last that serves not before another does" {
    unit renewal
}

@test "a copy drains while anything waits for it to be accepted or read, and while it has connections, in its time" {
    unit drain
}

@test "a copy hangs that accepts nothing while connections wait that cannot all be others', whoever accepts in it" {
    unit hung
}

@test "a listener belongs to the copy whose processes hold it, and one that nobody shows to those that hide theirs" {
    unit ownership
}

@test "a copy listens once it has the ports of those that are ready; a look finds groups, members and queues" {
    unit listening
}

@test "who keeps the old server's sockets open once it has ended: neither itself nor a worker; searches are rationed" {
    unit remains
}

@test "which server gets the connections and datagrams that begin, but for those from before and a few stragglers" {
    unit evidence
}

@test "two servers are steered to, hidden and given back what they had; one address is a guest; their order is a guess" {
    unit servers
}

@test "the control process of a unit's reload serves on after a signal, and leaves no process that it has named" {
    unit control
}

@test "who serves once COMMAND has ended, what is passed on to it, but no signal of this command's own, and how it ends" {
    unit successor
}

@test "where /proc shows another PID namespace, nobody is taken for the one that serves, and nobody is signalled" {
    need_root
    need_unshare -p
    unit successor blind
}

@test "a unit's main process is the one that it names, else the eldest in its control group; NOTIFY_SOCKET counts within" {
    need_root
    need_unshare -m
    mkdir "$BATS_TEST_TMPDIR/groups"
    run unshare -m "$BUILT_IN/units/unit" "$BATS_TEST_TMPDIR/groups"
    echo "$output"
    [[ $status == 0 && $output =~ ^[1-9][0-9]*\ checks,\ 0\ failed$ ]]
}

@test "a group of more than 1024 members: numbers are known, none is hidden, and the steward still detaches" {
    [ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 1100 ] || missing "1100 open files"
    unit steward
}

@test "a descriptor that its owner replaces by a lingering connection, while it is duplicated, makes nobody wait" {
    unit taking
}

@test "both ends of a socket are given as addresses of one form, from sock_diag and from /proc/net" {
    unit sockets
    run "$PROBES/without" netlink "$BUILT_IN/units/sockets" without
    [[ $output == *", 0 failed" ]]
}

@test "without sock_diag the tables of /proc/net tell the same of the sockets that are wanted" {
    need_root
    need_unshare -m
    mkdir "$BATS_TEST_TMPDIR/net"
    run unshare -m "$BUILT_IN/units/table" "$BATS_TEST_TMPDIR/net"
    echo "$output"
    [[ $status == 0 && $output =~ ^[1-9][0-9]*\ checks,\ 0\ failed$ ]]
}

@test "what this process may do to others is tried without a descriptor or a child left behind" {
    unit rights
}

@test "a script's first line is split as the kernel does it; a program is searched for Go, but not all of a large one" {
    unit executable
}

@test "a question has the environment and signal mask of before, and an end; what it leaves behind ends with it" {
    unit question
}

@test "READY=1 is a line of its own, of one of the server's processes; of others it is told once" {
    unit notify
}

@test "a supervisor's front process passes on signals and texts, the last one, too, and wakes only for them" {
    unit apart
}

@test "what cannot be known of a process is unknown: it has ended, has another network, or /proc is another's" {
    unit unknown
}

@test "what a process holds: a socket that was asked for twice is one, and another is no longer the one found" {
    unit holding
}

@test "a process is locked once, and not by a file that is mounted over its environ" {
    need_root
    need_unshare -pfm --mount-proc
    echo x >"$BATS_TEST_TMPDIR/file"
    run unshare -pfm --mount-proc "$BUILT_IN/units/lock" "$BATS_TEST_TMPDIR/file"
    echo "$output"
    [[ $status == 0 && $output =~ ^[1-9][0-9]*\ checks,\ 0\ failed$ ]]
}

@test "whose calls held watchers up has less patience for a minute, or none; a sleeping guard wakes in time" {
    unit patience
}

@test "a socket made for a target differs by security label and cgroup: as each module writes them, missing, unknown" {
    unit labels
}

# bats test_tags=sanitized
@test "addresses are read as inet_pton(3) and written as inet_ntop(3) does" {
    run "$PROBES/core" addresses 300000
    echo "$output"
    [ "$output" = "valid=many differences=0" ]
}

@test "addresses are read as inet_pton(3) of musl does" {
    need musl-gcc
    run "$PROBES/musl/core" addresses 300000
    echo "$output"
    [ "$output" = "valid=many differences=0" ]
}

# bats test_tags=sanitized
@test "explaining a refusal keeps errno, and neither it nor a failure counts where nothing can be said" {
    run "$PROBES/core" errno
    [ "$output" = "errno=4242 told=0 failure=0 told=0" ]
}
