#!/usr/bin/env bats
# Functions of the command that a program calls itself: those whose answers no process can be made to give at will.

load helpers

# unit NAME: that program found nothing, and has checked something.
unit() {
    run "$BUILT_IN/units/$1"
    echo "$output"
    [ "$status" = 0 ]
    [[ $output =~ ^[1-9][0-9]*\ checks,\ 0\ failed$ ]]
}

@test "a process is who it is, whatever it is called, and so are its parent and its descendants" {
    unit processes
}

@test "what a look at two servers' sockets tells: groups, who is up, where to steer, what is under way" {
    unit handover
}
