# shellcheck shell=bash disable=SC2154,SC2034  # kind, worker_status and the like are locals of emsn-backup's main
# What all kinds of backup share, to be sourced: the folder and its lock, a run that a signal ends as a whole, and the
# way from NAME.partial to a backup with its receipt. Everything happens inside the kind's folder, by relative names:
# when the disk goes away in the middle, nothing lands on the file system below.

utc_now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

say() { printf 'emsn-backup: %s\n' "$*" >&2; }

# Into the folder of this kind below the mounted disk, alone.
enter_folder() {
    local mount_point status=0
    local -A folders=([daily]=daily [weekly]=images [hourly]=database [centre]=centre)
    [[ -d $to ]] || die "$((require_mount ? 75 : 1))" "$to: no such folder$( ((!require_mount)) || echo ': is the disk mounted?')"
    to=$(realpath -- "$to")
    if ((require_mount)); then
        mount_point=$(nearest_mount "$to") || die 1 "$to: its mount point is not to be found"
        [[ $mount_point != / ]] || die 75 "$to: nothing is mounted there"
    fi
    folder=$to${station:+/$station}/${folders[$kind]}
    { mkdir -p -- "$folder" && cd -- "$folder"; } || die 1 "make the folder $folder: failed"
    # a tree has the owners of what it copies: they must not reach in and turn a folder into a symlink while this runs,
    # nor change what is verified
    [[ $kind != daily ]] || chmod 700 . 2>/dev/null || true
    exec {lock}>>.emsn.lock || die 1 "lock $folder: failed"
    flock -n -E 75 "$lock" || status=$?
    ((status != 75)) || die 75 "another run is at work in $folder"
    ((status == 0)) || die 1 "lock $folder: flock failed with $status"
}

end_group() { [[ -z $worker ]] || kill -TERM -- "-$worker" 2>/dev/null || true; }

# A whole run in a process group of its own: a signal to this script stops all that belongs to it.
run_in_group() { # FUNCTION; sets worker_status
    local worker='' signal=0
    trap 'signal=15; end_group' TERM
    trap 'signal=2; end_group' INT
    trap 'signal=1; end_group' HUP
    set -m
    "$@" </dev/null &
    worker=$!
    set +m
    ((signal == 0)) || end_group
    while :; do
        worker_status=0
        # bash itself reports a child that a signal ended
        { wait "$worker"; } 2>/dev/null || worker_status=$?
        kill -0 "$worker" 2>/dev/null || break
    done
    trap '' TERM INT HUP
    if ((signal != 0)); then
        worker_status=$((128 + signal))
        say 'ended by a signal; nothing unfinished counts as a backup'
    fi
}

# An unfinished tree stays, because the next run goes on with it; an unfinished stream only takes space.
clear_up() {
    private_pg_stop "$scratch/pg" || true
    rm -rf -- "$scratch"
    [[ $kind == daily ]] || rm -rf -- *.partial
}

# What a tool said goes on to stderr; it stays in a file, because its words decide what happened.
failed_for_space() { grep -qE 'No space left on device|Disk quota exceeded' "$1"; }

die_of() { # WORDS FILE: a tool failed, FILE is what it said
    ! failed_for_space "$2" || die 1 "$1: no space left on the file system of $folder, $(df -h --output=avail . | tail -n 1 | tr -d ' ') available now"
    die 1 "$1"
}

# A name is given once. Ends the run when there is a backup of that name.
stop_if_there() { # NAME
    local receipt=$1.emsn.json
    [[ -e $1 || -L $1 ]] || return 0
    [[ -e $receipt ]] || die 1 "$folder/$1 is there already, without a receipt: it is left alone"
    if ! jq -e '.complete and .verified' "$receipt" >/dev/null 2>&1; then
        die 1 "$folder/$1 is there already, but not good: $(jq -r .verify "$receipt" 2>&1); it is left alone"
    fi
    say "$folder/$1 is there already"
    cat -- "$receipt"
    exit 0
}

# PARTIAL becomes NAME. All of it is on the disk before its receipt is, and the receipt before the name: no cut of the
# power leaves a backup without receipt, and a receipt without its backup says nothing.
publish() { # PARTIAL NAME COMPLETE
    local partial=$1 name=$2 complete=$3 bytes files verified=true verify=ok more=$((${#problems[@]} - 1))
    if ((${#problems[@]} > 0)); then
        verified=false
        verify=${problems[0]}
        ((more == 0)) || verify+=" (and $more more)"
    fi
    if [[ -d $partial ]]; then
        sync -f -- "$partial" || die 1 "sync $folder/$partial: failed"
    else
        sync -- "$partial" || die 1 "sync $folder/$partial: failed"
    fi
    umask 022 # a receipt is for all, also of a backup that is not
    bytes=$(run_sqlite :memory: ".load '${extension%.so}'" "SELECT dir_size_safe($(sql_text "$partial"))") ||
        die 1 "size of $folder/$partial: failed"
    files=$(find "$partial" ! -type d -printf x | wc -c) || die 1 "count the files of $folder/$partial: failed"
    if ! { jq -nc --arg kind "$kind" --arg station "$station" --arg started "$started" --arg finished "$(utc_now)" \
        --argjson complete "$complete" --argjson verified "$verified" --arg verify "$verify" \
        --argjson bytes "$bytes" --argjson files "$files" \
        '{emsn: 1, kind: $kind, station: (if $station == "" then null else $station end), started: $started,
          finished: $finished, complete: $complete, verified: $verified, verify: $verify, bytes: $bytes, files: $files}
         + if $ARGS.positional == [] then {} else {lost: $ARGS.positional} end' \
        --args "${lost[@]}" >"$name.emsn.json.partial" && sync -- "$name.emsn.json.partial" &&
        mv -T -- "$name.emsn.json.partial" "$name.emsn.json" && sync -- .; }; then
        die 1 "write the receipt $folder/$name.emsn.json: failed"
    fi
    { mv -nT -- "$partial" "$name" && [[ ! -e $partial ]] && sync -- .; } ||
        die 1 "rename $folder/$partial to $name: failed"
    cat -- "$name.emsn.json"
    [[ $verified == true ]] || die 1 "$folder/$name is kept, but not verified: $verify"
}
