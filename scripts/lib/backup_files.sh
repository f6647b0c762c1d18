# shellcheck shell=bash disable=SC2154  # folder, scratch and the like are locals of emsn-backup's main
# emsn-backup weekly and hourly, to be sourced: one compressed file, read back and compared before it has a name.

readonly kFatLimit='4 GiB' # of one file on FAT

# An unfinished stream cannot be gone on with.
forget_unfinished() {
    rm -rf -- *.partial || die 1 "remove unfinished files in $folder: failed"
    [[ $(findmnt -no FSTYPE -T .) != @(vfat|msdos) ]] || say "$folder is on FAT, where a file ends at $kFatLimit"
}

backup_hourly() {
    local name work status=0
    printf -v name 'birds-%(%Y-%m-%d-%H)T.db.zst'
    stop_if_there "$name"
    forget_unfinished
    work=${name%.zst}.partial
    mkdir -- "$work" || die 1 "make $folder/$work: failed"
    run_sqlite -readonly "$source" ".load '${extension%.so}'" \
        "SELECT emsn_snapshot($(sql_text "$PWD/$work/birds.db"), json_object('verify', '$level', 'mode', 'full'))" \
        >/dev/null || status=$?
    if [[ -e $work/birds.db.corrupt ]]; then # the last one only: a damaged source is met every hour
        mv -fT -- "$work/birds.db.corrupt" birds.db.corrupt && say "that copy is now $folder/birds.db.corrupt"
    fi
    ((status == 0)) || exit "$status"
    zstd -q -T0 -o "$name.partial" -- "$work/birds.db" 2>"$scratch/zstd" || die_of "$(cat "$scratch/zstd")" "$scratch/zstd"
    zstd -dcq -- "$name.partial" | cmp -s -- - "$work/birds.db" || die 1 "$folder/$name.partial does not read back as it was written"
    rm -rf -- "$work"
    publish "$name.partial" "$name" true
}

# Standard output of a command into PARTIAL, compressed; what comes back from the disk is compared with what went in.
# Returns the command's status.
compress_output() { # PARTIAL ZSTD-OPTION COMMAND...
    local partial=$1 option=$2 reader
    local -a ended=(0 0 0)
    shift 2
    mkfifo "$scratch/read"
    sha256sum <"$scratch/read" >"$scratch/went_in" &
    reader=$!
    "$@" 2>"$scratch/tool" | tee -- "$scratch/read" | zstd -q -T0 "$option" -o "$partial" 2>"$scratch/zstd" ||
        ended=("${PIPESTATUS[@]}")
    wait "$reader"
    cat -- "$scratch/tool" >&2
    ((ended[2] == 0)) || die_of "$(cat "$scratch/zstd")" "$scratch/zstd"
    zstd -dcq -- "$partial" | sha256sum | cmp -s -- - "$scratch/went_in" ||
        die 1 "$folder/$partial does not read back as it was written"
    return "${ended[0]}"
}

# The patterns of rsync as those of tar, for the member names ./...: anchored ones into one file, others into a second.
tar_patterns() { # ANCHORED FLOATING
    local line
    : >"$1" && : >"$2"
    while IFS= read -r line || [[ -n $line ]]; do
        [[ -n $line && $line != [#\;]* ]] || continue
        line=${line#- }
        line=${line/%'/**'/'/*'}
        # only a folder: tar cannot say that, but what is below one; the folder itself stays, empty
        line=${line/%'/'/'/*'}
        [[ $line != '+ '* && $line != '!' && $line != *'**'* ]] ||
            die 1 "$excludes: '$line' can be used for daily only, not for an archive"
        if [[ $line == /* ]]; then
            printf '.%s\n' "$line" >>"$1"
        else
            printf '%s\n' "$line" >>"$2"
        fi
    done
}

size_of() { # DEVICE or file
    if [[ -b $1 ]]; then blockdev --getsize64 "$1"; else stat -c %s -- "$1"; fi
}

backup_image() { # NAME
    local bytes
    bytes=$(size_of "$device") || die 1 "size of $device: failed"
    compress_output "$1.partial" "--stream-size=$bytes" cat -- "$device" ||
        die 1 "read $device: failed"
    publish "$1.partial" "$1" true
}

backup_archive() { # NAME
    local complete=true pattern status=0
    pattern=$(own_folder_pattern) || exit 1
    {
        [[ -z $pattern ]] || printf '%s\n' "$pattern"
        [[ -z $excludes ]] || cat -- "$excludes"
    } >"$scratch/patterns"
    tar_patterns "$scratch/anchored" "$scratch/floating" <"$scratch/patterns"
    compress_output "$1.partial" -q env LC_ALL=C tar --create --one-file-system --numeric-owner --xattrs --acls --sparse \
        --no-wildcards-match-slash --anchored --exclude-from="$scratch/anchored" \
        --no-anchored --exclude-from="$scratch/floating" --directory="$tree" . || status=$?
    case $status in
    0) ;;
    1) say 'files that changed while they were read are as tar met them' ;;
    2)
        complete=false
        problems+=("$(grep -m 1 . "$scratch/tool")")
        ;;
    *) die 1 "tar ended with $status" ;;
    esac
    publish "$1.partial" "$1" "$complete"
}

backup_weekly() {
    local name
    # what was readable for some is in here for whoever reads the file
    umask 077
    printf -v name '%s-%(%Y-%m-%d)T' "${station:-$HOSTNAME}"
    if [[ -n $device ]]; then
        name+=.img.zst
    else
        name+=.tar.zst
    fi
    stop_if_there "$name"
    forget_unfinished
    if [[ -n $device ]]; then
        backup_image "$name"
    else
        backup_archive "$name"
    fi
}
