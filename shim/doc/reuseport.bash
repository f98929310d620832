# SPDX-License-Identifier: MIT
# Completion of reuseport(1) for bash 4.3 and later, with or without the package bash-completion. Runs
# ss(8) for ports and PIDs, nothing else.
# shellcheck shell=bash

# Offers the words that begin with VALUE, each with PREFIX in front.
_reuseport_offer() { # WORDS VALUE [PREFIX]
    mapfile -t COMPREPLY < <(compgen ${3:+-P "$3"} -W "$1" -- "$2")
    # No blank after an option that ends with "=".
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

# Offers files (-f) or directories (-d); leaves quoted and escaped names to readline.
_reuseport_offer_files() { # -f|-d VALUE [PREFIX]
    mapfile -t COMPREPLY < <(compgen ${3:+-P "$3"} "$1" -- "$2")
    compopt -o filenames 2>/dev/null
    [[ ${#COMPREPLY[@]} != 0 ]] || compopt -o "$([[ $1 = -d ]] && echo dirnames || echo default)" 2>/dev/null
}

_reuseport_offer_value() { # OPTION VALUE [PREFIX]
    case $1 in
    -*n | --copies) _reuseport_offer auto "$2" "${3-}" ;;
    -*m | --method) _reuseport_offer "auto preload seccomp" "$2" "${3-}" ;;
    -*s | --signal) _reuseport_offer "HUP INT QUIT TERM USR1 USR2 WINCH KILL" "$2" "${3-}" ;;
    --on-exit) _reuseport_offer "keep stop restart" "$2" "${3-}" ;;
    --rolling) _reuseport_offer "HUP USR1 USR2 WINCH" "$2" "${3-}" ;;
    --ready) _reuseport_offer "listen notify" "$2" "${3-}" ;;
    --library | --output) _reuseport_offer_files -f "$2" "${3-}" ;;
    --to)
        _reuseport_offer_pids "$2"
        COMPREPLY=("${COMPREPLY[@]/#/${3-}}")
        ;;
    esac
}

# Offers the ports in use, with /tcp and /udp once "/" has been typed.
_reuseport_offer_ports() { # VALUE
    local address port
    local -A ports=()
    while read -r _ _ _ _ address _; do
        port=${address##*:}
        [[ $1 != */* ]] || port="$port/tcp $port/udp"
        ports[$port]=
    done < <(ss -Htuln 2>/dev/null)
    _reuseport_offer "${!ports[*]}" "$1"
}

# Offers the processes that hold a port, or any, with their names where the shell lists several.
_reuseport_offer_pids() { # VALUE [PORT[/PROTO]]
    local line pid name
    local -A names=()
    while read -r line; do
        while [[ $line =~ pid=([0-9]+) ]]; do
            line=${line#*pid=}
            pid=${BASH_REMATCH[1]}
            # The kernel's word on the name, which is anybody's choice.
            [[ $pid != "$1"* ]] || { read -r name </proc/"$pid"/comm; } 2>/dev/null || continue
            [[ $pid != "$1"* ]] || names[$pid]=" (${name//[^[:alnum:]._+ -]/?})"
        done
    done < <(ss -Htulnp ${2:+"sport = :${2%%/*}"} 2>/dev/null)
    for pid in "${!names[@]}"; do
        # Menu completion (37, "%") would put the names onto the line.
        [[ ${#names[@]} != 1 && ${COMP_TYPE-} != 37 ]] || names[$pid]=''
        COMPREPLY+=("$pid${names[$pid]}")
    done
}

# Offers what would be offered if the line began at COMP_WORDS[INDEX].
_reuseport_offer_command() { # INDEX VALUE
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif ((COMP_CWORD > $1)); then
        _reuseport_offer_files -f "$2"
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$2")
        [[ $2 != */* ]] || compopt -o filenames 2>/dev/null
    fi
}

# Sets words to those up to the cursor, joining what bash parts at "=" and ":", such as --on-exit=keep and
# 127.0.0.1:80; and starts to the index in COMP_WORDS of each word's first part.
_reuseport_join() {
    local IFS=' ' word i
    local line=${COMP_LINE:-${COMP_WORDS[*]}}
    words=("${COMP_WORDS[0]}")
    starts=(0)
    line=${line#*"${COMP_WORDS[0]}"}
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $line == [[:blank:]]* ]]; then
            words+=("$word")
            starts+=("$i")
        else
            words[-1]+=$word
        fi
        line=${line#"${line%%[![:blank:]]*}"}
        line=${line#"$word"}
    done
}

_reuseport() {
    local words starts options='' argument='' ended='' prefix=''
    COMPREPLY=()
    _reuseport_join
    local last=$((${#words[@]} - 1)) i=2
    local cur=${words[last]}

    case $last,${words[1]} in
    0,*) return ;;
    1,-*) _reuseport_offer "-h --help -V --version" "$cur" ;;
    1,* | 2,help) _reuseport_offer "run check list adopt replace install-lib help" "$cur" ;;
    *,run)
        options="-p --ports= -n --copies= -m --method= -I --on-exit= --max= --ready= --rolling= --in-place --balance --drain= --start-timeout= --stop-timeout= --hung= --library= -v --verbose -q --quiet -h --help -V --version"
        argument='command line'
        ;;
    *,check)
        options="-p --ports= -m --method= --library= -h --help -V --version"
        argument='command line or pid'
        ;;
    *,list)
        options="--json --watch -h --help -V --version"
        argument='ports'
        ;;
    *,adopt)
        options="--undo --unsteer -h --help -V --version"
        argument='port and pid'
        ;;
    *,replace)
        options="-p --ports= -n --copies= -m --method= -I -s --signal= --drain= --ready= --start-timeout= --stop-timeout= --kill --strict --allow-uncovered --no-steer --dry-run --force-init --foreground --output= --library= --to= -h --help -V --version"
        argument='pid and command line'
        ;;
    *,install-lib)
        options="--library= -h --help -V --version"
        argument='directory'
        ;;
    esac
    [[ $options ]] || return 0

    # Step over the options: i becomes the first argument, or more than last if an option lacks its value.
    for (( ; i < last && !${#ended}; i++)); do
        case ${words[i]} in
        --) ended=yes ;;
        --ports | --copies | --method | --on-exit | --max | --rolling | --hung | --library | --output | --signal | --drain | --ready | --to | --*-timeout) ((++i)) ;;
        --*) ;;
        -*) [[ ! ${words[i]} =~ ^-[^pnmIs]*[pnmIs]$ ]] || ((++i)) ;;
        *) break ;;
        esac
    done

    if ((i > last)); then
        _reuseport_offer_value "${words[last - 1]}" "$cur"
        return
    elif ((i == last)) && [[ ! $ended && $cur == --*=* ]]; then
        # The part before "=" stays on the line where "=" parts words, as it does by default.
        [[ ${COMP_WORDS[COMP_CWORD]} != --*=* ]] || prefix=${cur%%=*}=
        _reuseport_offer_value "${cur%%=*}" "${cur#*=}" "$prefix"
        return
    elif ((i == last)) && [[ ! $ended && $cur == -* ]]; then
        _reuseport_offer "$options" "$cur"
        return
    fi

    # How many arguments stand before the cursor.
    case $argument,$((last - i)) in
    'command line or pid,0')
        _reuseport_offer_command "${starts[i]}" "$cur"
        _reuseport_offer_pids "$cur"
        ;;
    'command line'*) _reuseport_offer_command "${starts[i]}" "$cur" ;;
    ports,* | 'port and pid,0') _reuseport_offer_ports "$cur" ;;
    'port and pid,1') _reuseport_offer_pids "$cur" "${words[i]}" ;;
    'pid and command line,0') _reuseport_offer_pids "$cur" ;;
    'pid and command line',*)
        # replace takes -- after its PID, too.
        ((++i))
        [[ ${words[i]} != -- || $i = "$last" ]] || ((++i))
        _reuseport_offer_command "${starts[i]}" "$cur"
        ;;
    directory,0) _reuseport_offer_files -d "$cur" ;;
    esac
}

complete -F _reuseport reuseport
