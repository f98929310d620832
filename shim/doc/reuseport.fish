# SPDX-License-Identifier: MIT
# Completion of reuseport(1) for fish.

# Prints "SUBCOMMAND POSITION": how many arguments of the subcommand, options aside, stand before the cursor; then
# those arguments, one on a line.
function __reuseport_line
    set -l tokens (commandline -opc)
    set -l subcommand $tokens[2]
    set -l arguments
    set -l skip 0
    for token in $tokens[3..-1]
        if test $skip = 1
            set skip 0
        else if test (count $arguments) -gt 0
            # replace takes -- after its PID, too.
            test "$token" = -- -a $subcommand = replace -a (count $arguments) = 1; or set -a arguments $token
        else
            switch $token
                case -- '--*=*'
                case --ports --copies --method --on-exit --max --rolling --hung --library --output --signal --drain --ready '--*-timeout'
                    set skip 1
                case '--*'
                case '-*'
                    string match -qr '^-[^pnmIs]*[pnmIs]$' -- $token; and set skip 1
                case '*'
                    set -a arguments $token
            end
        end
    end
    echo $subcommand (count $arguments)
    string join \n -- $arguments
end

# Whether the cursor is at that argument, counted from 0, of one of the subcommands.
function __reuseport_at # POSITION SUBCOMMAND...
    set -l line (__reuseport_line)
    set -l words (string split ' ' -- $line[1])
    test "$words[2]" = $argv[1]; and contains -- "$words[1]" $argv[2..-1]
end

# Whether the cursor is in the command line that starts at that argument.
function __reuseport_in_command # POSITION SUBCOMMAND
    set -l line (__reuseport_line)
    set -l words (string split ' ' -- $line[1])
    test "$words[1]" = $argv[2]; and test "$words[2]" -ge $argv[1]
end

# What fish offers for the command line that starts at that argument.
function __reuseport_command # POSITION
    set -l line (__reuseport_line)
    set -l arguments $line[(math 2 + $argv[1])..-1]
    complete -C(string join ' ' -- (string escape -- $arguments) (commandline -ct))
end

function __reuseport_no_subcommand
    test (count (commandline -opc)) = 1
end

# Ports in use, with /tcp and /udp where a "/" has been typed.
function __reuseport_ports
    for port in (ss -Htuln 2>/dev/null | string replace -rf '^(?:\S+\s+){4}\S*:(\d+)\s.*' '$1' | sort -nu)
        if string match -q '*/*' -- (commandline -ct)
            printf '%s/tcp\n%s/udp\n' $port $port
        else
            echo $port
        end
    end
end

# Processes that hold the port that is the first argument, or any.
function __reuseport_pids
    set -l line (__reuseport_line)
    set -l filter
    set -q line[2]; and set filter "sport = :"(string replace -r '/.*' '' -- $line[2])
    for pid in (ss -Htulnp $filter 2>/dev/null | string match -arg 'pid=(\d+)' | sort -nu)
        read -l name </proc/$pid/comm 2>/dev/null
        printf '%s\t%s\n' $pid (string replace -ar '[^\w.+ -]' '?' -- "$name")
    end
end

complete -c reuseport -f
complete -c reuseport -n __reuseport_no_subcommand -a run -d 'Start a command, or copies of it, sharing ports'
complete -c reuseport -n __reuseport_no_subcommand -a check -d 'Say whether sharing can work for a command'
complete -c reuseport -n __reuseport_no_subcommand -a list -d 'Show who holds a port'
complete -c reuseport -n __reuseport_no_subcommand -a adopt -d 'Let others join a running server'
complete -c reuseport -n __reuseport_no_subcommand -a replace -d 'Put a new server in the place of a running one'
complete -c reuseport -n __reuseport_no_subcommand -a install-lib -d 'Copy the library into a directory'
complete -c reuseport -n __reuseport_no_subcommand -a help -d 'Explain a subcommand'
complete -c reuseport -n '__reuseport_at 0 help' -a 'run check list adopt replace install-lib help'

set -l all 'run check list adopt replace install-lib'
complete -c reuseport -n "__reuseport_no_subcommand; or __reuseport_at 0 $all" -s h -l help -d 'Show help'
complete -c reuseport -n "__reuseport_no_subcommand; or __reuseport_at 0 $all" -s V -l version -d 'Show the version'
complete -c reuseport -n '__reuseport_at 0 run check replace' -s p -l ports -x -d 'Ports to share'
complete -c reuseport -n '__reuseport_at 0 run check replace' -s m -l method -x -a 'auto preload seccomp' -d 'How to share them'
complete -c reuseport -n '__reuseport_at 0 run replace' -s n -l copies -x -a auto -d 'Number of copies'
complete -c reuseport -n '__reuseport_at 0 run replace' -s I -x -d 'Replaced by the number of the copy'
complete -c reuseport -n '__reuseport_at 0 run check replace install-lib' -l library -r -F -d 'Library file'
complete -c reuseport -n '__reuseport_at 0 run' -l on-exit -x -a 'keep stop restart' -d 'When a copy ends'
complete -c reuseport -n '__reuseport_at 0 run' -l max -x -d 'Most copies that TTIN leads to'
complete -c reuseport -n '__reuseport_at 0 run' -l ready -x -a 'listen notify' -d 'What makes a copy ready'
complete -c reuseport -n '__reuseport_at 0 run' -l rolling -x -a 'HUP USR1 USR2 WINCH' -d 'Signal that renews the copies'
complete -c reuseport -n '__reuseport_at 0 run' -l in-place -d 'Stop the old copy before the new one starts'
complete -c reuseport -n '__reuseport_at 0 run' -l balance -d 'Send connections to copies that are free'
complete -c reuseport -n '__reuseport_at 0 run' -l drain -x -d 'How long to wait for connections'
complete -c reuseport -n '__reuseport_at 0 run' -l start-timeout -x -d 'How long to wait until a renewed copy is ready'
complete -c reuseport -n '__reuseport_at 0 run' -l stop-timeout -x -d 'How long to wait from TERM to KILL'
complete -c reuseport -n '__reuseport_at 0 run' -l hung -x -d 'End a copy that accepts nothing for so long'
complete -c reuseport -n '__reuseport_at 0 run' -s v -l verbose -d 'Say more'
complete -c reuseport -n '__reuseport_at 0 run' -s q -l quiet -d 'Say nothing'
complete -c reuseport -n '__reuseport_at 0 list' -l json -d 'Print JSON'
complete -c reuseport -n '__reuseport_at 0 list' -l watch -d 'Show load every second'
complete -c reuseport -n '__reuseport_at 0 adopt' -l undo -d 'Switch it off again'
complete -c reuseport -n '__reuseport_at 0 adopt' -l unsteer -d 'Detach the BPF program instead'
complete -c reuseport -n '__reuseport_at 0 replace' -s s -l signal -x -a 'HUP INT QUIT TERM USR1 USR2 WINCH KILL' -d 'Signal for PID'
complete -c reuseport -n '__reuseport_at 0 replace' -l drain -x -d 'How long to wait for connections'
complete -c reuseport -n '__reuseport_at 0 replace' -l start-timeout -x -d 'How long to wait until the command is ready'
complete -c reuseport -n '__reuseport_at 0 replace' -l ready -x -a 'listen notify' -d 'What makes the command ready'
complete -c reuseport -n '__reuseport_at 0 replace' -l stop-timeout -x -d 'How long to wait for PID to end'
complete -c reuseport -n '__reuseport_at 0 replace' -l kill -d 'Send KILL after --stop-timeout'
complete -c reuseport -n '__reuseport_at 0 replace' -l strict -d 'Refuse where a connection could be lost'
complete -c reuseport -n '__reuseport_at 0 replace' -l allow-uncovered -d 'Allow fewer addresses than before'
complete -c reuseport -n '__reuseport_at 0 replace' -l output -r -F -d 'File for the output of the command'
complete -c reuseport -n '__reuseport_at 0 replace' -l no-steer -d 'Let the kernel choose who gets connections'
complete -c reuseport -n '__reuseport_at 0 replace' -l dry-run -d 'Check, and change nothing'
complete -c reuseport -n '__reuseport_at 0 replace' -l force-init -d 'Replace PID even if its container or unit ends'
complete -c reuseport -n '__reuseport_at 0 replace' -l to -x -a '(__reuseport_pids)' -d 'New server that is already running'
complete -c reuseport -n '__reuseport_at 0 replace' -l foreground -d 'Stay until the new server ends'

complete -c reuseport -n '__reuseport_in_command 0 run' -x -a '(__reuseport_command 0)'
complete -c reuseport -n '__reuseport_in_command 0 check' -x -a '(__reuseport_command 0)'
complete -c reuseport -n '__reuseport_in_command 1 replace' -x -a '(__reuseport_command 1)'
complete -c reuseport -n '__reuseport_in_command 0 list; or __reuseport_at 0 adopt' -x -a '(__reuseport_ports)'
complete -c reuseport -n '__reuseport_at 1 adopt; or __reuseport_at 0 check replace' -x -a '(__reuseport_pids)'
complete -c reuseport -n '__reuseport_at 0 install-lib' -x -a '(__fish_complete_directories)'
