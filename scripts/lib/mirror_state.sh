# shellcheck shell=bash
# What emsn-mirror remembers of its last run, for the host report; to be sourced after emsn.sh:
#
#   mirror_succeeded DESTINATION REPORT    REPORT: the JSON of emsn_snapshot
#   mirror_failed DESTINATION WORDS        keeps when that destination last succeeded
#
# It is the file mirror.json in EMSN_STATE_DIR, else in /var/lib/emsn, else, for who cannot write there, in
# ~/.local/state/emsn. It is replaced as a whole. That it cannot be written is a warning: the mirror is what counts.

mirror_state_dir() {
    local dir
    local -a places=(/var/lib/emsn "${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}/emsn")
    [[ -z ${EMSN_STATE_DIR:-} ]] || places=("$EMSN_STATE_DIR")
    for dir in "${places[@]}"; do
        if mkdir -p -- "$dir" 2>/dev/null && [[ -w $dir ]]; then
            printf '%s\n' "$dir"
            return 0
        fi
    done
    printf 'emsn-mirror: warning: what came of this run is not remembered: no folder to write to: %s\n' "${places[*]}" >&2
    return 1
}

# SQL: an expression for the new state; :old is the text of the one before, or NULL.
write_mirror_state() { # SQL
    local dir file partial=''
    dir=$(mirror_state_dir) || return 0
    file=$dir/mirror.json
    if ! { partial=$(mktemp -- "$file.XXXXXX") &&
        sqlite3 -batch -bail -init /dev/null :memory: \
            "WITH state (old) AS (SELECT iif(json_valid(t), t, '{}') FROM (SELECT CAST(readfile($(sql_text "$file")) AS TEXT) AS t))
             SELECT $1 FROM state" >"$partial" &&
        chmod 644 -- "$partial" && sync -- "$partial" && mv -fT -- "$partial" "$file"; } 2>/dev/null; then
        [[ -z $partial ]] || rm -f -- "$partial"
        printf 'emsn-mirror: warning: what came of this run is not remembered: write %s: failed\n' "$file" >&2
    fi
}

mirror_succeeded() { # DESTINATION REPORT
    local report now
    report=$(sql_text "$2")
    now="strftime('%Y-%m-%dT%H:%M:%SZ')"
    write_mirror_state "json_object('destination', $(sql_text "$1"), 'last_success', $now,
        'bytes', $report ->> 'bytes', 'held_ms', $report ->> 'held_ms', 'verify', $report ->> 'verify',
        'pages_written', $report ->> 'pages_written', 'last_error', NULL, 'last_attempt', $now)"
}

mirror_failed() { # DESTINATION WORDS
    local destination keep
    destination=$(sql_text "$1")
    keep="iif(old ->> 'destination' = $destination, old"
    write_mirror_state "json_object('destination', $destination, 'last_success', $keep ->> 'last_success', NULL),
        'bytes', $keep ->> 'bytes', NULL), 'held_ms', $keep ->> 'held_ms', NULL), 'verify', $keep ->> 'verify', NULL),
        'pages_written', $keep ->> 'pages_written', NULL), 'last_error', substr($(sql_text "$2"), 1, 1000),
        'last_attempt', strftime('%Y-%m-%dT%H:%M:%SZ'))"
}
