# shellcheck shell=bash disable=SC2034,SC2154  # the variables are those of emsn-install
# Jobs of others that do what emsn's would: units of systemd and lines of cron. To be sourced after changes.sh:
#
#   find_old_jobs             prints a line each: JOB<TAB>KIND<TAB>WHERE<TAB>WORDS, where JOB is mirror, publish, cleanup, daily,
#                             weekly, hourly, backup (any of the three), learn or report; KIND is unit, line or script
#   disable_old_job KIND WHERE
#
# Only what runs is looked at: units that are enabled or active, lines that are not comments. Units of users' own managers
# are not seen.

# What a name or a command is for; nothing when it is none of ours.
job_of() { # WORDS
    local words=${1,,}
    if [[ $words =~ backup.*(clean|prune|retention)|(clean|prune).*backup ]]; then
        echo cleanup
    elif [[ $words =~ sd[-_]?backup[-_]?(hourly|database|db) ]]; then
        echo hourly
    elif [[ $words =~ sd[-_]?backup[-_]?daily ]]; then
        echo daily
    elif [[ $words =~ sd[-_]?backup[-_]?(weekly|image) ]]; then
        echo weekly
    elif [[ $words =~ sd[-_]?backup ]]; then
        echo backup
    elif [[ $words =~ db[-_]?mirror|mirror[^[:space:]]*birds|birds[^[:space:]]*mirror|(rsync|cp|sqlite3)\ .*birds\.db ]]; then
        echo mirror
    elif [[ $words =~ baseline[-_]?learn|learn[-_]?baseline|anomaly[-_]baseline ]]; then
        echo learn
    elif [[ $words =~ (monthly|weekly)[-_]report ]]; then
        echo report
    elif [[ $words =~ lifetime[-_]?sync|(birds?|detections?)[-_]?(sync|publish|push)|(sync|publish|push)[-_]?(birds?|detections?) ]]; then
        echo publish
    fi
}

kUnitFolders=(/etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /lib/systemd/system)

unit_file() { # NAME
    local folder name
    for name in "$1" "${1%%@*}@.${1##*.}"; do
        for folder in "${kUnitFolders[@]}"; do
            [[ -e $folder/$name ]] && printf '%s\n' "$folder/$name" && return
        done
    done
}

live_units() {
    {
        find /etc/systemd/system -mindepth 2 -type l \( -path '*.wants/*' -o -path '*.requires/*' \) -printf '%f\n' 2>/dev/null
        ! booted || systemctl list-units --plain --no-legend --state=active '*.timer' '*.service' | awk '{ print $1 }'
    } | grep -E '\.(timer|service)$' | sort -u
}

unit_commands() { # NAME
    local file service
    file=$(unit_file "$1")
    [[ -n $file ]] || return 0
    if [[ $1 == *.timer ]]; then
        service=$(sed -nE 's/^[[:space:]]*Unit[[:space:]]*=[[:space:]]*//p' "$file" | tail -n 1)
        file=$(unit_file "${service:-${1%.timer}.service}")
        [[ -n $file ]] || return 0
    fi
    sed -nE 's/^[[:space:]]*ExecStart[[:space:]]*=[[:space:]]*//p' "$file"
}

find_old_units() {
    local name commands job
    while IFS= read -r name; do
        [[ ! -e $EMSN_UNITS/$name && ! -e $EMSN_UNITS/${name%%@*}@.${name##*.} ]] || continue # ours
        commands=$(unit_commands "$name")
        job=$(job_of "$name")
        [[ -n $job ]] || job=$(job_of "$commands")
        [[ -z $job ]] || printf '%s\tunit\t%s\t%s\n' "$job" "$name" "${commands%%$'\n'*}"
    done < <(live_units)
}

find_old_cron() {
    local file number line job
    for file in /etc/crontab /etc/cron.d/* /var/spool/cron/crontabs/*; do
        [[ -f $file && -r $file ]] || continue
        number=0
        while IFS= read -r line || [[ -n $line ]]; do
            number=$((number + 1))
            [[ ! $line =~ ^[[:space:]]*(#|$|[A-Za-z_]+[[:space:]]*=) ]] || continue
            job=$(job_of "$line")
            [[ -z $job || $line =~ /emsn-(mirror|publish|cleanup|backup|learn|report|health)\  ]] ||
                printf '%s\tline\t%s:%d\t%s\n' "$job" "$file" "$number" "${line//$'\t'/ }"
        done <"$file"
    done
    for file in /etc/cron.{hourly,daily,weekly,monthly}/*; do
        [[ -f $file && -x $file ]] || continue
        job=$(job_of "${file##*/}")
        [[ -z $job ]] || printf '%s\tscript\t%s\t\n' "$job" "$file"
    done
}

find_old_jobs() {
    find_old_units
    find_old_cron
}

disable_old_job() { # KIND WHERE
    case $1 in
    unit) disable_unit "$2" ;;
    line) comment_out "${2%:*}" "${2##*:}" ;;
    script) forbid_execution "$2" ;;
    esac
}
