# shellcheck shell=bash disable=SC2034,SC2154  # the variables are those of emsn-install
# What emsn-install is to do, from its options, the configuration, and a person's answers; to be sourced after the other
# setup_*.sh. Works on the variables of emsn-install:
#
#   decide_jobs          fills in what was not said, and ${jobs[@]}; asks for it on a terminal
#   check_all            says everything that is in the way; fails when anything is
#   conflicting_jobs     prints the lines of find_old_jobs that do what our jobs do
#   may_replace          a person's yes
#   disable_all LINES    disables them
#   drop_unwanted        disables timers of ours that are not wanted any more
#   config_text          prints the new /etc/emsn/emsn.conf

kConfig=/etc/emsn/emsn.conf

may_ask() { ((!yes)) && [[ -t 0 && -t 1 ]]; }

# Sets NAME, when it is empty, to what a person types.
ask() { # NAME QUESTION [DEFAULT]
    local -n answer=$1
    [[ -z $answer ]] && may_ask || return 0
    read -r -e -p "$2${3:+ [$3]}: " answer || true
    answer=${answer:-${3:-}}
}

# What an option says, else the configuration.
settle() { # KEY
    settings[$1]=${settings[$1]:-${!1:-}}
}

decide_source() {
    local -a found=()
    [[ -z $source ]] || return 0
    mapfile -t found < <(find_source)
    if ((${#found[@]} == 1)); then
        source=${found[0]}
        return 0
    fi
    ((${#found[@]} == 0)) || printf 'found: %s\n' "${found[@]}" >&2
    ask source 'Which birds.db?' "${found[0]:-}"
    [[ -n $source ]] || wrong_use "--source FILE: which birds.db? ${#found[@]} found in BirdNET-Pi's place"
}

decide_station() {
    [[ -n $station ]] || return 0
    decide_source
    ((no_mirror)) || ask mirror 'Where is the mirror kept? A file on a USB stick or a NAS'
    ((no_publish)) || ask pg 'Where is the centre, as in "service=emsn"?'
    [[ -n $mirror ]] || ((no_mirror)) || wrong_use '--mirror FILE: where is the mirror kept? Or --no-mirror'
    [[ -n $pg ]] || ((no_publish)) || wrong_use '--pg CONNINFO: where is the centre? Or --no-publish'
    user=${user:-$(stat -L -c %U -- "$source" 2>/dev/null || echo root)}
    ((no_mirror)) || jobs+=(mirror)
    ((no_publish)) || jobs+=(publish)
}

decide_backups() {
    local kind kinds=''
    [[ -n $backup_dir ]] || return 0
    [[ -z $station ]] || kinds=${backups//,/ }
    ((!centre)) || kinds+=' centre'
    for kind in $kinds; do
        [[ $kind =~ ^(daily|weekly|hourly|centre)$ ]] || wrong_use "--backups takes daily, weekly and hourly, not '$kind'"
        jobs+=("$kind")
    done
    [[ -z ${settings[EMSN_KEEP]} ]] || jobs+=(cleanup)
}

decide_jobs() {
    local key
    for key in EMSN_STATION EMSN_SOURCE_DB EMSN_MIRROR_DB EMSN_BACKUP_DIR EMSN_PG EMSN_KEEP EMSN_REQUIRE_MOUNT; do
        settle "$key"
    done
    station=${settings[EMSN_STATION]} source=${settings[EMSN_SOURCE_DB]} mirror=${settings[EMSN_MIRROR_DB]}
    backup_dir=${settings[EMSN_BACKUP_DIR]} pg=${settings[EMSN_PG]} require_mount=${settings[EMSN_REQUIRE_MOUNT]:-1}
    ((centre)) || ask station 'The name of this station'
    [[ -n $station ]] || ((centre)) || wrong_use 'what is this machine? --station NAME, --centre, or both'
    decide_station
    ((!centre)) || jobs+=(learn report)
    decide_backups
    jobs+=(health)
    settings[EMSN_STATION]=$station settings[EMSN_SOURCE_DB]=$source settings[EMSN_MIRROR_DB]=$mirror settings[EMSN_PG]=$pg
    # the jobs that are tried read the new configuration, and no environment
    # shellcheck disable=SC2086  # words
    unset $EMSN_CONFIG_KEYS
    conf_group=$(id -gn "${user:-$centre_user}" 2>/dev/null || echo root)
}

check_users() {
    local name wrong=0
    local -a names=()
    [[ -z $user ]] || names+=("$user")
    ((!centre)) || names+=("$centre_user")
    for name in "${names[@]}"; do
        getent passwd "$name" >/dev/null || {
            printf 'there is no user %s\n' "$name" >&2
            wrong=1
        }
    done
    return "$wrong"
}

check_units() {
    local job timer wrong=0
    command -v systemctl >/dev/null || {
        echo 'there is no systemctl: install systemd' >&2
        wrong=1
    }
    for job in "${jobs[@]}"; do
        timer=$(timer_of "$job")
        [[ -e $EMSN_UNITS/$timer ]] || {
            printf 'there is no %s in %s: install the package emsn\n' "$timer" "$EMSN_UNITS" >&2
            wrong=1
        }
    done
    return "$wrong"
}

check_all() {
    local wrong=0
    check_users || wrong=1
    check_units || wrong=1
    if has_password "$pg"; then
        echo 'the connection string holds a password, which everybody could see in the list of processes: put it into ~/.pgpass or a service file' >&2
        wrong=1
    fi
    [[ -z $station ]] || check_source "$source" || wrong=1
    ! has_job mirror || check_place 'the mirror' "$mirror" "$require_mount" || wrong=1
    if has_job mirror && [[ -e $mirror && $mirror -ef $source ]]; then
        printf 'the mirror %s is birds.db itself\n' "$mirror" >&2
        wrong=1
    fi
    [[ -z $backup_dir ]] || check_place 'the folder of backups' "$backup_dir" "$require_mount" || wrong=1
    return "$wrong"
}

conflicting_jobs() {
    local job rest
    while IFS=$'\t' read -r job rest; do
        if has_job "$job" || [[ $job == backup && " ${jobs[*]} " =~ ' '(daily|weekly|hourly)' ' ]]; then
            printf '%s\t%s\n' "$job" "$rest"
        fi
    done < <(find_old_jobs)
}

may_replace() {
    local reply=''
    ask reply 'Disable them, and use emsn instead? (y/N)'
    [[ $reply =~ ^[yY] ]]
}

disable_all() { # LINES
    local kind where
    while IFS=$'\t' read -r _ kind where _; do
        [[ -z $kind ]] || disable_old_job "$kind" "$where"
    done <<<"$1"
}

drop_unwanted() {
    local timer job wanted=' '
    [[ -e $kManifest ]] || return 0
    for job in "${jobs[@]}"; do
        wanted+="$(timer_of "$job") "
    done
    while IFS= read -r timer; do
        [[ $wanted == *" $timer "* ]] || disable_timer "$timer"
    done < <(awk -F '\t' '$1 == "timer" { print $2 }' "$kManifest")
}

# As load_config reads it: blanks at the end and quotes around a value would be lost.
config_line() { # KEY VALUE
    local value=$2
    if [[ $value =~ [[:space:]]$ || $value =~ ^\".*\"$ || $value =~ ^\'.*\'$ ]]; then value="\"$value\""; fi
    printf '%s=%s\n' "$1" "$value"
}

# The lines of a file that is there stay as they are, but for the keys that are set now.
config_text() {
    local line key
    local -A left=()
    for key in "${!settings[@]}"; do
        [[ -z ${settings[$key]} ]] || left[$key]=1
    done
    if [[ -r $kConfig ]]; then
        while IFS= read -r line || [[ -n $line ]]; do
            if [[ $line =~ ^[[:space:]]*([A-Z_]+)= && -n ${left[${BASH_REMATCH[1]}]+set} ]]; then
                key=${BASH_REMATCH[1]}
                config_line "$key" "${settings[$key]}"
                left[$key]=''
            else
                printf '%s\n' "$line"
            fi
        done <"$kConfig"
    else
        printf '# Read by the emsn scripts: KEY=value. The keys: docs/operations.md\n'
    fi
    for key in $EMSN_CONFIG_KEYS; do
        [[ -z ${left[$key]:-} ]] || config_line "$key" "${settings[$key]}"
    done
}
