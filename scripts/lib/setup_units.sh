# shellcheck shell=bash disable=SC2034,SC2154  # the variables are those of emsn-install
# What emsn-install says to systemd of this machine; to be sourced after changes.sh:
#
#   write_drop_ins     UNIT.d/emsn-install.conf for each job of emsn: as whom it runs and where it may write
#   wanted_timers      prints the timers of the jobs in ${jobs[@]}
#
# The units themselves belong to the package. Names that end in - are optional there: a disk that is away is the script's to
# notice, not a reason not to start it.

# A path as a word of a unit file: quoted, and no specifier.
unit_word() {
    local word=${1//\\/\\\\}
    word=${word//\"/\\\"}
    printf '"%s"' "${word//%/%%}"
}

may_write() { # PATH...
    local path
    for path in "$@"; do
        [[ -z $path ]] || printf 'ReadWritePaths=%s\n' "$(unit_word "-$path")"
    done
}

drop_in() { # UNIT LINE...
    local unit=$1
    shift
    (($# > 0)) || return 0
    {
        printf '# written by emsn-install, which takes it away again with --uninstall\n[Service]\n'
        printf '%s\n' "$@"
    } | put_file "$kDropIns/$unit.d/emsn-install.conf" 644 root:root
}

write_drop_ins() {
    local wal=''
    local -a lines=() group=()
    # to read a database in WAL mode SQLite needs birds.db-shm beside it
    [[ -z $source || $(journal_mode "$source") != wal ]] || wal=${source%/*}
    if has_job mirror; then
        mapfile -t lines < <(may_write "${mirror%/*}" "$wal")
        drop_in emsn-mirror.service "${lines[@]}"
    fi
    if has_job publish; then
        # whose ~/.pgpass and service file hold
        mapfile -t lines < <(printf '%s\n' "User=$user" && may_write "$wal")
        drop_in emsn-publish.service "${lines[@]}"
    fi
    if [[ -n $backup_dir ]]; then
        mapfile -t lines < <(may_write "$backup_dir" "$wal")
        drop_in emsn-backup@.service "${lines[@]}"
        drop_in emsn-cleanup.service "${lines[0]}"
    fi
    ((centre)) || return 0
    # /etc/emsn/emsn.conf can be read by the user of the station, if there is one
    [[ $conf_group == "$(id -gn "$centre_user")" ]] || group=("SupplementaryGroups=$conf_group")
    drop_in emsn-learn.service "User=$centre_user" "${group[@]}"
    drop_in emsn-report.service "User=$centre_user" "${group[@]}"
    # a drop-in of the same name: that of the template does not count
    has_job centre || return 0
    mapfile -t lines < <(may_write "$backup_dir")
    drop_in emsn-backup@centre.service "User=$centre_user" "${group[@]}" "${lines[@]}"
}

timer_of() { # JOB
    case $1 in
    daily | weekly | hourly | centre) printf 'emsn-backup@%s.timer\n' "$1" ;;
    *) printf 'emsn-%s.timer\n' "$1" ;;
    esac
}

has_job() { [[ " ${jobs[*]} " == *" $1 "* ]]; }
