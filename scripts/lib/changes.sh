# shellcheck shell=bash disable=SC2034,SC2154  # the variables are those of emsn-install
# Changes to a system that can be shown, made, and taken back; to be sourced after machine.sh:
#
#   make_folder PATH MODE OWNER      each does nothing where it is so already; with dry_run=1 it says what it would do.
#   put_file PATH MODE OWNER         the content from stdin. A file that somebody else made is kept for the undoing
#   enable_timer NAME
#   disable_unit NAME                an old job's: its links are remembered one by one
#   comment_out FILE PATTERN         lines of a crontab
#   forbid_execution FILE            a script of /etc/cron.daily and the like
#   undo_changes                     takes back all of them, the last first; what cannot be is said, and stays in the manifest
#
# What was done is in the manifest, a line each, written before it is done: a run that is killed can be taken back, too.

kBefore=$kStateDir/before # what was replaced
kPartial=.emsn-partial # behind the name of a file that is being written
kCronMark='#emsn-install: '
kWants=/etc/systemd/system/timers.target.wants

said_change() { # WORDS...: true when it is to be done
    if ((dry_run)); then
        printf 'would %s\n' "$*"
        return 1
    fi
    printf '%s\n' "$*"
}

record() { # KIND VALUE...
    local line
    line=$(IFS=$'\t' && printf '%s' "$*")
    [[ ! -e $kManifest ]] || ! grep -qxF -- "$line" "$kManifest" || return 0
    printf '%s\n' "$line" >>"$kManifest"
    sync -- "$kManifest"
}

forget() { # KIND VALUE
    local rest
    rest=$(awk -F '\t' -v kind="$1" -v value="$2" '!($1 == kind && $2 == value)' "$kManifest")
    printf '%s' "${rest:+$rest$'\n'}" >"$kManifest"
}

recorded() { # KIND VALUE
    [[ -e $kManifest ]] && awk -F '\t' -v kind="$1" -v value="$2" '$1 == kind && $2 == value { found = 1 } END { exit !found }' "$kManifest"
}

begin_changes() {
    ((!dry_run)) || return 0
    [[ -d $kStateDir ]] || install -d -m 755 "$kStateDir"
    [[ -e $kManifest ]] || install -m 600 /dev/null "$kManifest"
}

make_folder() { # PATH MODE OWNER
    [[ ! -d $1 ]] || return 0
    said_change "make the folder $1 ($2, $3)" || return 0
    record folder "$1"
    install -d -m "$2" -o "${3%:*}" -g "${3#*:}" -- "$1"
}

put_file() { # PATH MODE OWNER
    local path=$1 mode=$2 owner=$3 content part=$1$kPartial
    content=$(cat && printf x)
    content=${content%x}
    if [[ -f $path ]] && printf '%s' "$content" | cmp -s - "$path"; then
        [[ $(stat -c '%a %U:%G' -- "$path") != "${mode#0} $owner" ]] || return 0
    fi
    make_folder "${path%/*}" 755 root:root
    said_change "write $path ($mode, $owner)" || {
        printf '%s' "$content" | sed 's/^/    | /'
        return 0
    }
    if [[ -e $path ]] && ! recorded file "$path" && ! recorded replaced "$path"; then
        [[ -d $kBefore ]] || mkdir -m 700 "$kBefore"
        cp -a --parents -- "$path" "$kBefore"
        record replaced "$path"
    elif recorded file "$path"; then
        forget file "$path"
    fi
    recorded replaced "$path" || record file "$path" "$(printf '%s' "$content" | sha256sum | cut -d ' ' -f 1)"
    rm -f -- "$part"
    (umask 077 && printf '%s' "$content" >"$part")
    chown "$owner" "$part" && chmod "$mode" "$part" && sync -- "$part" && mv -fT -- "$part" "$path"
}

enable_timer() { # NAME
    [[ ! -L $kWants/$1 ]] || return 0
    said_change "enable $1" || return 0
    [[ -d $kWants ]] || record folder "$kWants"
    record timer "$1"
    systemctl --quiet enable "$1"
}

disable_timer() { # NAME
    [[ -L $kWants/$1 ]] || return 0
    said_change "disable $1" || return 0
    undo_timer "$1"
    forget timer "$1"
}

# The links that make systemd start it. systemctl would remove a unit file, too, that is itself a link.
disable_unit() { # NAME
    local link
    said_change "disable ${1}" || return 0
    while IFS= read -r -d '' link; do
        record old-link "$link" "$(readlink -- "$link")"
        rm -f -- "$link"
    done < <(find /etc/systemd/system -mindepth 2 -type l \( -path '*.wants/*' -o -path '*.requires/*' \) -name "$1" -print0)
    booted || return 0
    ! systemctl --quiet is-active "$1" || record old-active "$1"
    systemctl stop "$1"
}

# In place, so that owner, mode and links stay; cron looks at the times of the file and of its folder.
edit_lines() { # FILE SED-SCRIPT
    local text
    text=$(sed -E "$2" "$1" && printf x)
    printf '%s' "${text%x}" >"$1"
    touch -- "${1%/*}"
}

comment_out() { # FILE LINE-NUMBER...
    local file=$1 script
    shift
    said_change "comment out in $file: line $*" || return 0
    record cron "$file"
    printf -v script "%ss/^/$kCronMark/;" "$@"
    edit_lines "$file" "$script"
}

forbid_execution() { # FILE
    said_change "take the right to run from $1" || return 0
    record cron-mode "$1" "$(stat -c %a -- "$1")"
    chmod a-x -- "$1"
}

undo_timer() { # NAME
    if command -v systemctl >/dev/null && [[ -e $EMSN_UNITS/$1 ]]; then
        systemctl --quiet disable "$1" || return
        ! booted || systemctl --quiet stop "$1" "${1%.timer}.service" || return
    fi
    rm -f -- "$kWants/$1" "/var/lib/systemd/timers/stamp-$1"
}

undo_file() { # PATH SHA256
    rm -f -- "$1$kPartial"
    [[ -e $1 ]] || return 0
    if [[ $(sha256sum <"$1" | cut -d ' ' -f 1) == "$2" ]]; then
        rm -f -- "$1"
    else
        printf 'kept: %s was changed since it was written\n' "$1" >&2
    fi
}

undo_one() { # KIND VALUE [MORE]
    case $1 in
    folder) [[ ! -d $2 ]] || rmdir --ignore-fail-on-non-empty -- "$2" ;;
    file) undo_file "$2" "$3" ;;
    replaced) rm -f -- "$2$kPartial" && mv -fT -- "$kBefore$2" "$2" ;;
    timer) undo_timer "$2" ;;
    old-link)
        [[ -L $2 ]] || { mkdir -p -- "${2%/*}" && ln -s -- "$3" "$2"; }
        ;;
    old-active) ! booted || { systemctl daemon-reload && systemctl start "$2"; } ;;
    cron) [[ ! -e $2 ]] || edit_lines "$2" "s/^$kCronMark//" ;;
    cron-mode) [[ ! -e $2 ]] || chmod "$3" -- "$2" ;;
    *) printf 'unknown line in %s: %s\n' "$kManifest" "$1" >&2 && return 1 ;;
    esac
}

undo_changes() { # [KEPT-FILE]
    local kept=${1:-} line kind value more failed=0
    local -a lines=()
    mapfile -t lines < <(tac "$kManifest")
    for line in "${lines[@]}"; do
        IFS=$'\t' read -r kind value more <<<"$line"
        if [[ -n $kept && ($value == "$kept" || $value == "${kept%/*}") ]]; then
            continue
        fi
        said_change "undo: $kind $value" || continue
        if undo_one "$kind" "$value" "$more"; then
            forget "$kind" "$value"
        else
            failed=1
        fi
    done
    ((!dry_run)) || return 0
    # that they failed once is not to be seen for ever
    ! booted || { systemctl daemon-reload && systemctl --quiet reset-failed 'emsn-*' 2>/dev/null; } || true
    if ((failed)); then
        printf 'what could not be undone is still in %s\n' "$kManifest" >&2
        return 1
    fi
    # what the jobs remember of their last runs is no data; anything else in there stays
    rm -rf -- /run/emsn "$kManifest" "$kBefore" "$kStateDir"/{mirror.json,mirror.json.??????,alerts,words}
    rmdir -- "$kStateDir" 2>/dev/null || printf 'kept: %s: %s\n' "$kStateDir" "$(find "$kStateDir" -mindepth 1 -maxdepth 1 -printf '%f ')" >&2
}
