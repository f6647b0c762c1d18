# shellcheck shell=bash disable=SC2154  # the variables are those of emsn-doctor
# The files of a station, for emsn-doctor: configuration, birds.db, mirror, backups.

look_at_configuration() {
    local file=${EMSN_CONF:-/etc/emsn/emsn.conf} mode
    if ! load_config 2>"$scratch/words"; then
        wrong configuration "$file" "$(<"$scratch/words")" "chmod 640 and the group of who needs it, or mend the line: emsn-install writes it anew"
        return 0
    fi
    [[ ! -s $scratch/words ]] || wrong configuration "$file" "$(<"$scratch/words")" 'remove that line, or mend the name'
    if [[ ! -e $file ]]; then
        wrong configuration "$file" 'is not there' 'emsn-install --help'
        return 0
    fi
    mode=$(stat -L -c %a -- "$file")
    if ((0$mode & 0022)); then
        wrong configuration "$file" "others than its owner can write it (mode $mode)" "chmod 640 $file"
    else
        right configuration "$file" "mode $mode"
    fi
    ! has_password "${EMSN_PG:-}" ||
        wrong configuration EMSN_PG 'holds a password, which everybody can see in the list of processes' 'put it into ~/.pgpass'
}

# Whether a job can read it: SQLite is asked, as the user of the job, and it opens read-only as the job does.
look_at_source() {
    local db=${EMSN_SOURCE_DB:-} unit user seen=''
    [[ -n $db ]] || return 0
    if ! check_source "$db" 2>"$scratch/words" && [[ ! -s $db || $(<"$scratch/words") == *'no table'* ]]; then
        wrong source "$db" "$(sed 's/^[^:]*: //' "$scratch/words")" 'emsn-install --source FILE'
        return 0
    fi
    for unit in emsn-mirror.service emsn-publish.service; do
        user=$(user_of "$unit")
        ((EUID == 0)) || user=$(id -un)
        [[ $seen != *" $user "* ]] || continue
        seen+=" $user "
        look_at_journal "$db" "$user" "$unit"
    done
}

look_at_journal() { # DB USER UNIT
    local db=$1 user=$2 unit=$3 words mode
    mode=$(journal_mode "$db")
    if words=$(as_user "$user" sqlite3 -batch -init /dev/null -cmd '.timeout 5000' -readonly "$db" 'SELECT count(*) FROM sqlite_schema' 2>&1); then
        if [[ $mode == wal && $user != root ]] && ! as_user "$user" test -w "${db%/*}"; then
            wrong source "$db" "in WAL mode, and user $user cannot write ${db%/*}: when the recorder is stopped, birds.db-shm cannot be made" \
                "let $user write that folder, or set User= of $unit to the owner of birds.db: emsn-install --user"
        elif [[ $mode == wal && -e $kDropIns/$unit.d/emsn-install.conf ]] &&
            ! grep -qF -- "-${db%/*}\"" "$kDropIns/$unit.d/emsn-install.conf"; then
            wrong source "$db" "in WAL mode, and $unit may not write birds.db-shm beside it" 'emsn-install again, with the options as before'
        else
            right source "$db" "$user can read it ($mode journal)"
        fi
    elif [[ -s $db-journal && $mode == rollback && $words == *@(readonly|read-only)* ]]; then
        wrong source "$db" "a hot journal is beside it: the recorder died in the middle of a write, and a reader may not roll it back" \
            "start the recorder, which does; or, as the owner: sqlite3 '$db' 'PRAGMA schema_version'"
    elif [[ $mode == wal ]] && as_user "$user" test -r "$db"; then
        wrong source "$db" "in WAL mode, and user $user can neither use nor make birds.db-shm: ${words#*: }" \
            "let $user write ${db%/*} and birds.db-shm, or run $unit as the owner of birds.db: emsn-install --user"
    else
        wrong source "$db" "user $user cannot read it: ${words#*: }" "give $user the right to read it and to enter its folders, or emsn-install --user"
    fi
}

# A disk that something is written to: there, mounted, writable, and with room for BYTES more.
look_at_place() { # CHECK FOLDER BYTES
    local check=$1 folder=$2 bytes=$3 mount_point available
    mount_point=$(nearest_mount "$folder") || mount_point=/
    if [[ ${EMSN_REQUIRE_MOUNT:-1} == 1 && $mount_point == / ]]; then
        wrong "$check" "$folder" 'nothing is mounted there' 'plug in the disk and mount it (mount -a, /etc/fstab); or EMSN_REQUIRE_MOUNT=0'
        return 0
    elif [[ ! -d $folder ]]; then
        wrong "$check" "$folder" 'no such folder' "mkdir $folder"
        return 0
    elif [[ ,$(findmnt -nro OPTIONS --target "$folder" | tail -n 1), == *,ro,* ]]; then
        wrong "$check" "$folder" "the disk at $mount_point is read-only, as after an error" "dmesg | tail; then fsck, and mount -o remount,rw $mount_point"
        return 0
    elif ((EUID == 0)) && [[ ! -w $folder ]]; then
        wrong "$check" "$folder" 'cannot be written to' "look at the disk at $mount_point"
        return 0
    fi
    available=$(df -B1 --output=avail -- "$folder" | tail -n 1)
    if ((available < bytes)); then
        wrong "$check" "$folder" "$((available / 1000000)) MB left, less than the $((bytes / 1000000)) MB that a new copy takes" 'emsn-cleanup, or a bigger disk'
    else
        right "$check" "$folder" "mounted at $mount_point, $((available / 1000000)) MB left"
    fi
}

source_bytes() { stat -L -c %s -- "${EMSN_SOURCE_DB:-}" 2>/dev/null || echo 0; }

look_at_mirror() {
    local mirror=${EMSN_MIRROR_DB:-} state=${EMSN_STATE_DIR:-$kStateDir}/mirror.json words
    [[ -n $mirror ]] || return 0
    look_at_place mirror "${mirror%/*}" "$(source_bytes)"
    if [[ ! -r $state ]]; then
        wrong mirror "$mirror" 'no run is remembered' 'emsn-mirror, once by hand'
        return 0
    fi
    words=$(sqlite3 -batch -init /dev/null :memory: "WITH s (j) AS (SELECT CAST(readfile($(sql_text "$state")) AS TEXT))
        SELECT coalesce('the last run failed: ' || (j ->> 'last_error'),
            iif(julianday('now') - julianday(j ->> 'last_success') > 1.0 / 24, 'the last success was at ' || (j ->> 'last_success'), '')) FROM s" 2>&1) ||
        words="cannot be read: $words"
    if [[ -n $words ]]; then
        wrong mirror "$mirror" "$words" 'emsn-mirror, once by hand; systemctl status emsn-mirror.timer'
    else
        right mirror "$mirror" 'the last run was good'
    fi
}

look_at_backups() {
    [[ -z ${EMSN_BACKUP_DIR:-} ]] || look_at_place backups "$EMSN_BACKUP_DIR" "$(source_bytes)"
}
