#compdef reuseport
# SPDX-License-Identifier: MIT
# Completion of reuseport(1) for zsh, installed as _reuseport.

# Ports in use, and tcp and udp after "/".
_reuseport_ports() {
    local line port
    local -aU ports
    if compset -P '*/'; then
        compadd tcp udp
        return
    fi
    for line in ${(f)"$(ss -Htuln 2>/dev/null)"}; do
        port=${${=line}[5]##*:}
        [[ $port = <1-> ]] && ports+=($port)
    done
    _wanted -V ports expl 'port in use' compadd -o nosort -a ports
}

# PIDs of the processes that hold a port, or any port.
_reuseport_pids() { # [PORT[/PROTO]]
    local line pid name
    local -aU pids
    local -a descriptions
    for line in ${(f)"$(ss -Htulnp ${1:+"sport = :${1%%/*}"} 2>/dev/null)"}; do
        while [[ $line =~ 'pid=([0-9]+)' ]]; do
            line=${line#*pid=}
            pids+=($match[1])
        done
    done
    for pid in $pids; do
        name=
        read -r name 2>/dev/null </proc/$pid/comm
        descriptions+=("$pid:${name//[^[:alnum:]._+ -]/?}")
    done
    _describe 'process that holds a port' descriptions
}

_reuseport_commands_and_pids() {
    local ret=1
    _command_names -e && ret=0
    _reuseport_pids && ret=0
    return ret
}

_reuseport() {
    local curcontext=$curcontext context state state_desc line ret=1
    local -A opt_args
    local -a subcommands common copies ports number method library
    subcommands=(
        'run:start a command, or copies of it, sharing ports'
        'check:say whether sharing can work for a command'
        'list:show who holds a port'
        'adopt:let others join a running server'
        'replace:put a new server in the place of a running one'
        'install-lib:copy the library into a directory'
        'help:explain a subcommand'
    )
    common=('(- : *)'{-h,--help}'[show help]' '(- : *)'{-V,--version}'[show the version]')
    ports=('(-p --ports)'{-p+,--ports=}'[ports to share]:list of ports: ')
    method=('(-m --method)'{-m+,--method=}'[how to share them]:method:(auto preload seccomp)')
    copies=('(-n --copies)'{-n+,--copies=}'[number of copies]:number:(auto)')
    number=('-I+[replaced by the number of the copy]:string: ')
    library=('--library=[library file]:file:_files')

    _arguments -C -A '-*' $common '1:subcommand:->subcommand' '*::argument:->argument' && return
    if [[ $state = subcommand ]]; then
        _describe subcommand subcommands
        return
    fi
    case $words[1] in
    run)
        _arguments -s -S -A '-*' $common $ports $method $copies $number $library \
            '--on-exit=[when a copy ends]:action:(keep stop restart)' '--max=[most copies that TTIN leads to]:number: ' \
            '--ready=[what makes a copy ready]:when:(listen notify)' \
            '--rolling=[signal that renews the copies]:signal:(HUP USR1 USR2 WINCH)' \
            '--in-place[stop the old copy before the new one starts]' '--balance[send connections to copies that are free]' \
            '--drain=[how long to wait for connections]:seconds: ' '--start-timeout=[how long to wait until a renewed copy is ready]:seconds: ' \
            '--stop-timeout=[how long to wait from TERM to KILL]:seconds: ' '--hung=[end a copy that accepts nothing for so long]:seconds: ' \
            '(-v --verbose -q --quiet)'{-v,--verbose}'[say more]' \
            '(-v --verbose -q --quiet)'{-q,--quiet}'[say nothing]' '(-)1:command:_command_names -e' '*::argument:_normal' && ret=0
        ;;
    check)
        _arguments -s -S -A '-*' $common $ports $method $library '(-)1: :_reuseport_commands_and_pids' \
            '*::argument:_normal' && ret=0
        ;;
    list)
        _arguments -s -S -A '-*' $common '--json[print JSON]' '--watch[show load every second]' \
            '*:port: _reuseport_ports' && ret=0
        ;;
    adopt)
        _arguments -s -S -A '-*' $common '(--unsteer)--undo[switch it off again]' \
            '(--undo 2)--unsteer[detach the BPF program instead]' '1:port: _reuseport_ports' \
            '2:PID: _reuseport_pids $line[1]' && ret=0
        ;;
    replace)
        _arguments -s -S -A '-*' $common $ports $method $copies $number $library \
            '(-s --signal)'{-s+,--signal=}'[signal for PID]:signal:(HUP INT QUIT TERM USR1 USR2 WINCH KILL)' \
            '--drain=[how long to wait for connections]:seconds: ' '--start-timeout=[how long to wait until the command is ready]:seconds: ' \
            '--ready=[what makes the command ready]:when:(listen notify)' \
            '--stop-timeout=[how long to wait for PID to end]:seconds: ' '--kill[send KILL after --stop-timeout]' \
            '--strict[refuse where a connection could be lost]' '--allow-uncovered[allow fewer addresses than before]' \
            '--no-steer[let the kernel choose who gets connections]' '--dry-run[check, and change nothing]' '--force-init[replace PID even if its container or unit ends]' '--foreground[stay until the new server ends]' \
            '--output=[file for the output of the command]:file:_files' '--to=[new server that is already running]:PID: _reuseport_pids' \
            '(-)1:PID: _reuseport_pids' '(-)2:command:_command_names -e' '*::argument:_normal' && ret=0
        ;;
    install-lib) _arguments -s -S -A '-*' $common $library '1:directory:_files -/' && ret=0 ;;
    help) _arguments '1:subcommand:{ _describe subcommand subcommands }' && ret=0 ;;
    esac
    return ret
}

_reuseport "$@"
