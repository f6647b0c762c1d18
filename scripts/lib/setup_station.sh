# shellcheck shell=bash disable=SC2034,SC2154  # the variables are those of emsn-install
# What emsn-install finds out about a station's files before anything is changed; to be sourced after mount.sh:
#
#   find_source            prints the birds.db of each BirdNET-Pi on this machine
#   check_source FILE      why FILE is no birds.db of a station, on stderr; fails then
#   check_place WHAT FILE-OR-FOLDER REQUIRE-MOUNT
#                          whether it can lie there
#   journal_mode FILE      wal or rollback

find_source() {
    local home file
    while IFS=: read -r _ _ _ _ _ home _; do
        file=$home/BirdNET-Pi/scripts/birds.db
        [[ -s $file ]] && printf '%s\n' "$file"
    done < <(getent passwd) | sort -u
}

# SQLite's file format: byte 18 is 2 in WAL mode.
journal_mode() {
    if [[ $(od -An -tu1 -j18 -N1 -- "$1" 2>/dev/null) -eq 2 ]]; then echo wal; else echo rollback; fi
}

check_source() {
    local answer
    if [[ ! -f $1 ]]; then
        printf '%s: no such file\n' "$1" >&2
    elif [[ ! -s $1 ]]; then
        printf '%s: an empty file: is the name right?\n' "$1" >&2
    elif ! answer=$(sqlite3 -batch -init /dev/null -cmd '.timeout 5000' -readonly "$1" \
        "SELECT count(*) FROM pragma_table_info('detections') WHERE name IN ('Date', 'Time', 'Sci_Name', 'Com_Name', 'Confidence')" 2>&1); then
        printf '%s: cannot be read: %s\n' "$1" "$answer" >&2
    elif [[ $answer != 5 ]]; then
        printf '%s: has no table detections as BirdNET-Pi writes it\n' "$1" >&2
    else
        return 0
    fi
    return 1
}

check_place() {
    local what=$1 path=$2 require_mount=$3 folder mount_point
    folder=$path
    [[ $what == 'the folder of backups' ]] || folder=${path%/*}
    if [[ ! -d ${folder:-/} ]]; then
        printf '%s %s: there is no folder %s\n' "$what" "$path" "$folder" >&2
        return 1
    fi
    ((require_mount)) || return 0
    mount_point=$(nearest_mount "${folder:-/}") || return
    [[ $mount_point == / ]] || return 0
    printf '%s %s: nothing is mounted there. Mount the disk first, or say --no-require-mount\n' "$what" "$path" >&2
    return 1
}
