# shellcheck shell=bash disable=SC2154  # the variables are those of emsn-doctor
# The machine itself, for emsn-doctor: programs, clock, disks, units, and jobs of others.

readonly kFullPercent=95

# How a person asks sqlite3 for emsn.
ask_emsn() { # SQL
    sqlite3 -batch -bail -init /dev/null :memory: ".load '${module%.so}'" "$1"
}

look_at_programs() {
    local version words pg_module
    if ! command -v sqlite3 >/dev/null; then
        wrong programs sqlite3 'is not there' 'apt install sqlite3'
        return 0
    fi
    version=$(sqlite3 -version | cut -d ' ' -f 1)
    if [[ $(printf '%s\n' 3.40 "$version" | sort -V | head -n 1) == 3.40 ]]; then
        right programs sqlite3 "$version"
    else
        wrong programs sqlite3 "version $version, emsn needs 3.40" 'upgrade to Debian 12 or later'
    fi
    module=$(find_extension emsn)
    if words=$(ask_emsn 'SELECT emsn_version()' 2>&1); then
        right programs emsn.so "$words"
    else
        wrong programs emsn.so "cannot be loaded: $words" 'apt install --reinstall emsn'
        module=''
    fi
    pg_module=$(find_extension emsn_pg "${EMSN_PG_SO:-}")
    if words=$(sqlite3 -batch -bail -init /dev/null :memory: ".load '${pg_module%.so}' sqlite3_emsnpg_init" 2>&1); then
        right programs emsn_pg.so loads
    else
        wrong programs emsn_pg.so "cannot be loaded: $words" 'apt install --reinstall emsn libpq5'
    fi
    if command -v psql >/dev/null; then
        right programs psql "$(psql -V | cut -d ' ' -f 3)"
    else
        wrong programs psql 'is not there' 'apt install postgresql-client'
    fi
}

look_at_clock() {
    local synchronised
    # the scripts were written before now
    if [[ $(date +%s) -lt $(stat -L -c %Y -- "$EMSN_ROOT/scripts/emsn-doctor") ]]; then
        wrong clock "$(date -u +%FT%TZ)" 'earlier than the files of emsn: detections and backups get wrong dates' \
            'set it, and see that time is synchronised: timedatectl set-ntp true'
        return 0
    fi
    # in a container it is the host's to keep
    booted && command -v timedatectl >/dev/null && ! systemd-detect-virt --quiet --container || return 0
    synchronised=$(timedatectl show -p NTPSynchronized --value 2>/dev/null) || return 0
    if [[ $synchronised == no ]]; then
        wrong clock "$(date -u +%FT%TZ)" 'not synchronised with a time server' 'timedatectl set-ntp true, or look at your time service'
    else
        right clock "$(date -u +%FT%TZ)" 'synchronised'
    fi
}

# What SQL says of each thing: a line WORDS|NAME for what is wrong, |NAME for what is right.
judge() { # CHECK SQL WHAT-IS-RIGHT REMEDY: %s in it is the name
    local words name remedy
    if ! ask_emsn "$2" >"$scratch/answer" 2>"$scratch/words"; then
        words=$(<"$scratch/words")
        wrong "$1" all "cannot be asked for: ${words#*: }" 'run emsn-doctor as root'
        return 0
    fi
    while IFS='|' read -r words name; do
        # shellcheck disable=SC2059  # the remedy is ours
        printf -v remedy "$4" "$name"
        if [[ -n $words ]]; then wrong "$1" "$name" "$words" "$remedy"; else right "$1" "$name" "$3"; fi
    done <"$scratch/answer"
}

look_at_disks() {
    [[ -n $module ]] || return 0
    judge disk "SELECT CASE WHEN error IS NOT NULL THEN replace(error, '|', '/')
                            WHEN used_percent >= $kFullPercent THEN printf('%.0f%% used, %.1f GB left', used_percent, available_bytes / 1e9)
                            WHEN inodes_used * 100.0 / nullif(inodes_total, 0) >= $kFullPercent THEN 'no inodes left'
                       END, mount_point
        FROM emsn_filesystems
        WHERE error IS NOT NULL
           OR ((mount_point = '/' OR device LIKE '/%' OR fs_type LIKE 'nfs%' OR fs_type IN ('cifs', 'smb3'))
               AND fs_type NOT IN ('squashfs', 'iso9660', 'erofs'))" \
        'has room' "see what is big: SELECT * FROM emsn_dir_usage('%s'); where there is an error: is the disk or share alive?"
}

# Units of emsn that systemd may start at times of their own.
expected_timers() {
    [[ ! -r $kManifest ]] || awk -F '\t' '$1 == "timer" { print $2 }' "$kManifest"
}

look_at_units() {
    local timer
    if ! command -v systemctl >/dev/null || ! booted; then
        wrong systemd system 'does not run here: no timer starts anything' 'boot with systemd, or start the scripts from cron'
        return 0
    fi
    if [[ ! -e $kManifest ]]; then
        wrong timers emsn 'this machine was not set up' 'emsn-install --help'
    fi
    while IFS= read -r timer; do
        if ! systemctl --quiet is-enabled "$timer" 2>/dev/null; then
            wrong timers "$timer" 'not enabled' "systemctl enable --now $timer"
        elif ! systemctl --quiet is-active "$timer"; then
            wrong timers "$timer" 'enabled, but not started' "systemctl start $timer"
        else
            right timers "$timer" 'enabled and active'
        fi
    done < <(expected_timers)
    [[ -n $module ]] || return 0
    judge units "SELECT 'failed: ' || result || ', since ' || since, name FROM emsn_units WHERE active_state = 'failed'" '' \
        'journalctl -n 30 -u %s; when it is mended: systemctl start it, or SELECT emsn_reset_failed(...)'
    judge timers "SELECT 'overdue: should have run at ' || next_trigger, name FROM emsn_timers WHERE overdue" '' 'systemctl restart %s'
}

# Another job that does what a timer of ours does: two mirrors, two publishers, two deletions.
look_at_old_jobs() {
    local job kind where timers
    timers=$(expected_timers)
    while IFS=$'\t' read -r job kind where _; do
        [[ $job == backup || $job == daily || $job == weekly || $job == hourly ]] && job=backup@
        [[ $timers != *"emsn-$job"* ]] ||
            wrong jobs "$where" "a $kind of another's that does what emsn-${job%@} does" 'emsn-install --replace, with the options as before'
    done < <(find_old_jobs)
}
