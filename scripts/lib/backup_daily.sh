# shellcheck shell=bash disable=SC2154  # tree, folder and the like are locals of emsn-backup's main
# emsn-backup daily, to be sourced: a tree by rsync, and the databases in it whole.

readonly -a kOtherTests=(apptype cdf compress csv elf encoding json tar text tokens) # of file(1), besides the magic
readonly kLinkedTrees=3 # unchanged files are looked for in so many earlier backups: one may lack what could not be read

# What the file system here cannot keep, found by trying; fills lost, and sets nanoseconds where times are kept so exactly.
probe_file_system() {
    local probe name
    { probe=$(mktemp -d .emsn.probe.XXXXXX) && : >"$probe/a"; } || die 1 "write into $folder: failed"
    ln -- "$probe/a" "$probe/b" 2>/dev/null || lost+=('hard links')
    ln -s a "$probe/c" 2>/dev/null || lost+=(symlinks)
    chmod 640 "$probe/a" 2>/dev/null || true
    [[ $(stat -c %a "$probe/a") == 640 ]] || lost+=(permissions)
    if ((EUID == 0)); then
        chown 65534:65534 "$probe/a" 2>/dev/null || true
        [[ $(stat -c %u:%g "$probe/a") == 65534:65534 ]] || lost+=(owners)
    fi
    touch -d @1234567890.123456789 -- "$probe/a"
    [[ $(stat -c %.9Y -- "$probe/a") != *.123456789 ]] || nanoseconds=1
    mkfifo "$probe/d" 2>/dev/null || lost+=('special files')
    attribute_kept "$probe/a" user.emsn 01 || lost+=('extended attributes')
    # version 2, then tag, permissions and id of: owner, user 65534, group, mask, others
    attribute_kept "$probe/a" system.posix_acl_access \
        0200000001000600ffffffff02000400feff000004000400ffffffff10000400ffffffff20000400ffffffff || lost+=(ACLs)
    for name in 'a:b' 'a?"*<>|' 'a\b' 'dot.' $'a\nb'; do
        { : >"$probe/$name" && [[ -e $probe/$name ]]; } 2>/dev/null || { lost+=('files with unusual names') && break; }
    done
    [[ ! -e $probe/A ]] || lost+=('names that differ in case only')
    rm -rf -- "$probe"
}

attribute_kept() { # FILE NAME HEXADECIMAL
    setfattr -n "$2" -v "0x$3" -- "$1" 2>/dev/null
}

lacks() { # WORDS: whether the file system cannot keep them
    local each
    for each in "${lost[@]}"; do [[ $each != "$1" ]] || return 0; done
    return 1
}

# Said before anything is copied. A system without owners, permissions or symlinks cannot be brought back as it was.
say_what_is_lost() {
    ((${#lost[@]} > 0)) || return 0
    local list
    printf -v list '%s, ' "${lost[@]}"
    say "$folder ($(findmnt -no FSTYPE -T .)) does not keep: ${list%, }"
    ! lacks 'hard links' || say 'without hard links every daily backup is a full copy'
    if ((!allow_loss)) && { lacks owners || lacks permissions || lacks symlinks; }; then
        die 1 'such a copy cannot be restored as a system: use a disk with ext4, an image (weekly), or --allow-loss'
    fi
}

# An interrupted run is gone on with, also one of an earlier day. What is hard-linked to earlier backups is linked anew:
# rsync would change owner and mode of those in place, and in the earlier backups with them.
take_over() { # PARTIAL
    local partial=$1 left
    rm -rf -- *.databases.partial
    for left in ????-??-??.partial; do
        [[ -d $left && ! -L $left ]] || continue
        [[ $left == "$partial" || -e $partial ]] || mv -T -- "$left" "$partial" || die 1 "take over $folder/$left: failed"
    done
    [[ -e $partial ]] || return 0
    say "going on with the interrupted $partial"
    find "$partial" -xdev ! -type d -links +1 -delete || die 1 "unlink in $folder/$partial: failed"
}

# The folder of backups, when it lies in the tree, as an anchored pattern of rsync.
own_folder_pattern() {
    local pattern
    [[ $to != "$tree" ]] || die 1 "$tree: is the folder of backups itself"
    [[ $folder != "$tree" && $kind-$tree != daily-$folder/* ]] || die 1 "$tree: lies in the folder of backups"
    [[ $to == "${tree%/}"/* ]] || return 0
    pattern=${to#"${tree%/}"}
    # a backslash is one only in a pattern with wildcards
    # shellcheck disable=SC2001
    if [[ $pattern == *[*?[]* ]]; then
        pattern=$(sed 's/[][*?\\]/\\&/g' <<<"$pattern")
    fi
    printf '%s\n' "$pattern"
}

# Whether all that rsync complained of is what vanished from the tree meanwhile: it ends with 23, not 24, for a file that
# went between its name and its attributes.
only_vanished() {
    ! grep -qvE '^$|^file has vanished: |^rsync: \[sender\] get_(xattr_names|xattr_data|acl): .*: No such file or directory \(2\)$|^rsync (error|warning): ' \
        "$scratch/rsync"
}

copy_tree() { # PARTIAL; sets complete
    local partial=$1 earlier pattern status=0
    local -a options=(-a -x --numeric-ids --sparse --delete --delete-excluded --no-devices --info=nonreg0)
    pattern=$(own_folder_pattern) || exit 1
    [[ -z $pattern ]] || options+=("--exclude=$pattern")
    [[ -z $excludes ]] || options+=("--exclude-from=$excludes")
    ((EUID != 0)) || lacks 'special files' || options+=(--devices)
    lacks ACLs || options+=(-A)
    lacks 'extended attributes' || options+=(-X)
    ! lacks 'special files' || options+=(--no-specials)
    ! lacks symlinks || options+=(--no-links)
    ! lacks permissions || options+=(--no-perms)
    ! lacks owners || options+=(--no-owner --no-group)
    # else a change within the same second, to the same size, is none
    ((!nanoseconds)) || options+=(--modify-window=-1)
    if ! lacks 'hard links'; then
        options+=(-H)
        while read -r earlier; do
            options+=("--link-dest=../$earlier")
        done < <(find . -maxdepth 1 -type d -name '????-??-??' -printf '%P\n' | LC_ALL=C sort -r | head -n "$kLinkedTrees")
    fi
    LC_ALL=C rsync "${options[@]}" -- "${tree%/}/" "$partial/" >&2 2>"$scratch/rsync" || status=$?
    cat -- "$scratch/rsync" >&2
    [[ -d $tree ]] || die 1 "$tree: is no longer there; $folder/$partial stays for the next run to go on with"
    ((status != 23)) || ! only_vanished || status=24
    case $status in
    0) ;;
    24) say 'files that vanished while they were to be copied are left out' ;;
    23)
        ! failed_for_space "$scratch/rsync" || die_of "copy into $folder/$partial" "$scratch/rsync"
        complete=false
        problems+=("$(grep -m 1 . "$scratch/rsync")")
        ;;
    *) die_of "rsync ended with $status; $folder/$partial stays for the next run to go on with" "$scratch/rsync" ;;
    esac
}

# The SQLite databases in a tree, by their first bytes: relative names, each ended by NUL. A file that is linked to an
# earlier backup was looked into when it was new; of those only whole numbers of the smallest page are opened again.
databases_in() { # TREE
    local line name size type
    printf '0\tstring\tSQLite\\ format\\ 3\\0\tdatabase\n' >"$scratch/magic"
    find "$1" -xdev -type f -size +511c -printf '%n %s %P\0' | while IFS= read -rd '' line; do
        name=${line#* }
        size=${name%% *}
        ((${line%% *} > 1 && size % 512)) || printf '%s\0' "${name#* }"
    done | (cd -- "$1" && xargs -0r file -E -m "$scratch/magic" -P bytes=16 -00 -r "${kOtherTests[@]/#/--exclude=}" --) |
        while IFS= read -rd '' name && IFS= read -rd '' type; do
            [[ $type != database ]] || printf '%s\0' "$name"
        done
}

# rsync's copy of a database may be torn. A snapshot of the source takes its place, with its owner, mode, times and
# attributes; the times are those from before the snapshot, so a later change is noticed. One that is equal stays, and
# stays linked to the earlier backup.
copy_database() { # PARTIAL NAME
    local copy=$1/$2 new=$work/db stamp=$work/stamp status=0 answer
    touch -r "$(dirname -- "$copy")" -- "$stamp"
    if [[ ! -e ${tree%/}/$2 ]]; then
        rm -f -- "$copy" "$copy"-{wal,shm,journal}
        return # gone meanwhile
    fi
    run_sqlite -readonly "${tree%/}/$2" ".load '${extension%.so}'" \
        "SELECT emsn_snapshot($(sql_text "$PWD/$new"), json_object('verify', '$level', 'mode', 'full'))" \
        >/dev/null 2>"$scratch/snapshot" || status=$?
    if ((status != 0)); then
        cat -- "$scratch/snapshot" >&2
        ((status < 128)) || exit "$status"
        ! failed_for_space "$scratch/snapshot" || die_of "copy the database $2" "$scratch/snapshot"
        problems+=("$2: copied without a snapshot: $(tail -n 1 "$scratch/snapshot")")
        return
    fi
    if ! cmp -s -- "$new" "$copy"; then
        # the mark by which emsn knows its mirrors
        setfattr -x user.emsn.mirror -- "$new" 2>/dev/null || true
        cp --attributes-only --preserve=all -- "$copy" "$new" 2>/dev/null ||
            cp --attributes-only --preserve=timestamps -- "$copy" "$new" || die 1 "attributes of $folder/$copy: failed"
        mv -fT -- "$new" "$copy" || die 1 "replace $folder/$copy: failed"
    fi
    rm -f -- "$copy"-{wal,shm,journal}
    touch -r "$stamp" -- "$(dirname -- "$copy")"
    answer=$(run_sqlite :memory: ".load '${extension%.so}'" "SELECT emsn_verify($(sql_text "$copy"), '$level')" 2>&1) || true
    [[ $answer == ok ]] || problems+=("$2: $answer")
}

copy_databases() { # PARTIAL
    local partial=$1 work=${1%.partial}.databases.partial name
    local -a names
    databases_in "$partial" >"$scratch/databases" || die 1 "look for databases in $folder/$partial: failed"
    mapfile -d '' -t names <"$scratch/databases"
    mkdir -- "$work" || die 1 "make $folder/$work: failed"
    for name in "${names[@]}"; do
        copy_database "$partial" "$name"
    done
    rm -rf -- "$work"
}

backup_daily() {
    local name complete=true nanoseconds=0
    printf -v name '%(%Y-%m-%d)T'
    stop_if_there "$name"
    probe_file_system
    say_what_is_lost
    take_over "$name.partial"
    copy_tree "$name.partial"
    copy_databases "$name.partial"
    publish "$name.partial" "$name" "$complete"
}
