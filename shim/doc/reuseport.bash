# Completion of reuseport(1) for bash 4.3 and later, with or without the package bash-completion. Its
# words are those of each --help; tests/documentation.bats compares them. It runs nothing.
# shellcheck shell=bash

# Offers those of the words that begin like the value, with prefix in front.
_reuseport_offer() { # WORDS VALUE [PREFIX]
    mapfile -t COMPREPLY < <(compgen ${3:+-P "$3"} -W "$1" -- "$2")
    # What takes its value after "=" gets no blank.
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

# Offers files (-f) or directories (-d); readline has a try where quotes or backslashes hide them.
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
    --on-exit) _reuseport_offer "keep stop" "$2" "${3-}" ;;
    --library) _reuseport_offer_files -f "$2" "${3-}" ;;
    esac
}

# Offers what would be offered without all that stands before COMP_WORDS[index].
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

# Sets words to those of COMP_WORDS up to the cursor, with what stands together on the line, such as
# --on-exit=keep and 127.0.0.1:80, in one; and starts to the index of the first part of each.
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
    1,*) _reuseport_offer "run check list adopt replace install-lib" "$cur" ;;
    *,run)
        options="-p --ports= -n --copies= -m --method= -I --on-exit= --library= -v --verbose -q --quiet -h --help -V --version"
        argument='command line'
        ;;
    *,check)
        options="-p --ports= -m --method= --library= -h --help -V --version"
        argument='command'
        ;;
    *,list) options="--json -h --help -V --version" ;;
    *,adopt) options="--undo -h --help -V --version" ;;
    *,replace)
        options="-p --ports= -n --copies= -m --method= -I -s --signal= --drain= --start-timeout= --stop-timeout= --kill --strict --foreground --library= -h --help -V --version"
        ;;
    *,install-lib)
        options="--library= -h --help -V --version"
        argument='directory'
        ;;
    esac
    [[ $options ]] || return 0

    # Step over the options: i becomes the first argument, or more than last where a value is missing.
    for (( ; i < last && !${#ended}; i++)); do
        case ${words[i]} in
        --) ended=yes ;;
        --ports | --copies | --method | --on-exit | --library | --signal | --drain | --*-timeout) ((++i)) ;;
        --*) ;;
        -*) [[ ! ${words[i]} =~ ^-[^pnmIs]*[pnmIs]$ ]] || ((++i)) ;;
        *) break ;;
        esac
    done

    if ((i > last)); then
        _reuseport_offer_value "${words[last - 1]}" "$cur"
    elif ((i == last)) && [[ ! $ended && $cur == --*=* ]]; then
        # The part before "=" stays on the line where "=" parts words, as it does by default.
        [[ ${COMP_WORDS[COMP_CWORD]} != --*=* ]] || prefix=${cur%%=*}=
        _reuseport_offer_value "${cur%%=*}" "${cur#*=}" "$prefix"
    elif ((i == last)) && [[ ! $ended && $cur == -* ]]; then
        _reuseport_offer "$options" "$cur"
    elif [[ $argument == 'command line' ]] || { [[ $argument == command ]] && ((i == last)); }; then
        _reuseport_offer_command "${starts[i]}" "$cur"
    elif ((i == last)); then
        [[ $argument != directory ]] || _reuseport_offer_files -d "$cur"
    fi
}

complete -F _reuseport reuseport
