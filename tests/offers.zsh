# SPDX-License-Identifier: MIT
# Prints what zsh offers at the end of "reuseport LINE", one on a line. Arguments: the folder of _reuseport, LINE, and
# a folder for its own files.
zmodload zsh/zpty || exit
export COMPLETION=$1 ZDOTDIR=$3
cat >$ZDOTDIR/.zshrc <<'END'
fpath=($COMPLETION $fpath)
autoload -Uz compinit
compinit -u -D
# Notes what is offered; calls that only fill arrays pass.
compadd() {
    local -a offered
    if (( ! ${argv[(I)-[OAD]]} )); then
        builtin compadd -A offered "$@"
        (( $#offered )) && print -rl -- $offered >>$ZDOTDIR/offers
    fi
    builtin compadd "$@"
}
offer() {
    _main_complete
    exit
}
zle -C offer complete-word offer
bindkey '^I' offer
END
: >$ZDOTDIR/offers
zpty shell zsh -i
zpty -n -w shell "reuseport $2"$'\t'
while zpty -r shell; do :; done >/dev/null
# "-" is a command of zsh.
grep -vxe - $ZDOTDIR/offers | sort -u
