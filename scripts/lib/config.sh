# shellcheck shell=bash
# Configuration of the scripts, to be sourced:
#
#   load_config   reads the file named by EMSN_CONF, else /etc/emsn/emsn.conf, and exports what it sets.
#
# The file holds KEY=value lines, comments (# or ; first) and empty lines; a value may stand in single or double
# quotes. It is parsed, never run. A variable that the environment has already wins, even when it is empty.
# Returns 2 with a reason on stderr when the file cannot be used: EMSN_CONF names one that is not there, it cannot be
# read, or a line is not KEY=value. A key that is not ours is named on stderr and left out.

EMSN_CONFIG_KEYS="EMSN_STATION EMSN_SOURCE_DB EMSN_MIRROR_DB EMSN_BACKUP_DIR EMSN_PG EMSN_REQUIRE_MOUNT \
EMSN_BACKUP_TREE EMSN_BACKUP_EXCLUDES EMSN_BACKUP_DEVICE EMSN_KEEP EMSN_STATE_DIR \
EMSN_ALERT_MAIL EMSN_DEADMAN_URL"

load_config() {
    local file=${EMSN_CONF:-/etc/emsn/emsn.conf} line key value number=0
    if [[ ! -e $file ]]; then
        [[ -z ${EMSN_CONF:-} ]] && return 0
        printf 'read %s: no such file (named by EMSN_CONF)\n' "$file" >&2
        return 2
    fi
    if [[ ! -f $file || ! -r $file ]]; then
        printf 'read %s: not a readable file\n' "$file" >&2
        return 2
    fi
    while IFS= read -r line || [[ -n $line ]]; do
        number=$((number + 1))
        line=${line%$'\r'}
        [[ $line =~ ^[[:space:]]*([#\;].*)?$ ]] && continue
        if [[ ! $line =~ ^[[:space:]]*([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]]; then
            printf '%s:%d: not a KEY=value line\n' "$file" "$number" >&2
            return 2
        fi
        key=${BASH_REMATCH[1]}
        value=${BASH_REMATCH[2]}
        value=${value%"${value##*[![:space:]]}"}
        if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then
            value=${BASH_REMATCH[1]}
        fi
        if [[ " $EMSN_CONFIG_KEYS " != *" $key "* ]]; then
            printf '%s:%d: unknown key %s left out\n' "$file" "$number" "$key" >&2
        elif [[ ! -v $key ]]; then
            export "$key=$value"
        fi
    done <"$file"
}
