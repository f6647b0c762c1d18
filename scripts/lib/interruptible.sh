# shellcheck shell=bash
# Programs that a signal ends at once, to be sourced:
#
#   interruptible ARGS...   runs ARGS... and returns its status
#   stop NUMBER             for the traps: ends what runs, and exits with 128+NUMBER
#
# In the background: a signal ends bash's wait at once, but not its wait for a program in the foreground.

child=''

interruptible() {
    local code=0
    "$@" &
    child=$!
    wait "$child" || code=$?
    child=''
    return "$code"
}

# shellcheck disable=SC2317  # the traps call it
stop() {
    [[ -z $child ]] || kill "$child" 2>/dev/null || :
    exit "$((128 + $1))"
}
