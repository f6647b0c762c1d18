# shellcheck shell=bash
# Files that others read while they are written, to be sourced:
#
#   replace_file FILE   makes FILE what comes from standard input: readers find the old content or the new, whole and on
#                       disk, and its mode is that of any new file. Nothing but a regular file is replaced. Returns 1
#                       with a reason on stderr, and FILE as it was.

replace_file() {
    local part
    [[ ! -L $1 && (! -e $1 || -f $1) ]] || {
        printf 'not a regular file\n' >&2
        return 1
    }
    part=$(mktemp -- "$(dirname -- "$1")/.${1##*/}.XXXXXX") || return
    if cat >"$part" && chmod "$(printf '%o' "$((0666 & ~$(umask)))")" "$part" && sync -- "$part" && mv -fT -- "$part" "$1"; then
        return 0
    fi
    rm -f -- "$part"
    return 1
}
