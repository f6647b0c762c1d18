# shellcheck shell=bash
# What the emsn scripts share, to be sourced:
#
#   die STATUS WORDS...    says why on stderr and exits
#   find_extension NAME [PATH]
#                          prints what sqlite3's .load takes for the module NAME (emsn; emsn_pg): PATH (EMSN_SO),
#                          else this checkout's build, else the bare name of the installed module
#   sql_text VALUE         prints VALUE as an SQL expression that can be nothing but that text
#   run_sqlite ARGS...     sqlite3 ARGS..., interrupted cleanly by SIGTERM, SIGINT and SIGHUP; returns the exit code of the
#                          contract: 0, 1, 75 for "try again later", 128+N for signal N

EMSN_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

die() {
    local status=$1
    shift
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit "$status"
}

find_extension() {
    local name=$1 given=${EMSN_SO:-} built
    (($# < 2)) || given=$2
    [[ $given != */* ]] || given=$(realpath -m -- "$given") # for who goes to another folder later
    if [[ -n $given ]]; then
        printf '%s\n' "$given"
        return
    fi
    for built in "$EMSN_ROOT"/build/{release,dev}/sqlite_ext/"$name".so; do
        [[ -e $built ]] && printf '%s\n' "$built" && return
    done
    printf '%s\n' "$name"
}

# As hexadecimal: no quote in a path can end it.
sql_text() {
    printf "CAST(x'%s' AS TEXT)" "$(printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n')"
}

run_sqlite() {
    local child status signal=0
    sqlite3 -batch -bail -init /dev/null "$@" &
    child=$!
    # the sqlite3 program turns SIGINT into sqlite3_interrupt(): emsn clears up and it ends by itself
    trap 'signal=15; kill -INT "$child" 2>/dev/null' TERM
    trap 'signal=2; kill -INT "$child" 2>/dev/null' INT
    trap 'signal=1; kill -INT "$child" 2>/dev/null' HUP
    while :; do
        status=0
        wait "$child" || status=$?
        kill -0 "$child" 2>/dev/null || break
    done
    trap - TERM INT HUP
    ((signal == 0)) || return $((128 + signal))
    case $status in
    0) return 0 ;;
    5) return 75 ;; # SQLITE_BUSY: locked, another run, mount absent, deadline
    *) ((status > 128)) && return "$status" ;;
    esac
    return 1
}
