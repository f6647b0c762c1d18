# shellcheck shell=bash disable=SC2154,SC2034  # form, scratch and the like are those of emsn-health
# What emsn-health --local asks: this machine, without PostgreSQL; to be sourced by emsn-health after emsn.sh:
#
#   ask_machine   the answer in the chosen form is in $scratch/out then
#
# Each check is a statement of its own, for sqlite3 with the emsn module, and ends with a deadline: a disk that hangs, or
# a systemd that is not there, is a row "unknown" or "ok" that says so, and hides nothing of the rest.

readonly kChecks='disk_usage failed_units overdue_timers mirror_age backup_age' kCheckSeconds=${EMSN_HEALTH_PATIENCE:-20}

# Where emsn-mirror may remember its last run, as a JSON array.
mirror_states() {
    local dir list='json_array('
    local -a dirs=(/var/lib/emsn "${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}/emsn")
    [[ -z ${EMSN_STATE_DIR:-} ]] || dirs=("$EMSN_STATE_DIR")
    for dir in "${dirs[@]}"; do list+="$(sql_text "$dir/mirror.json"),"; done
    printf '%s)\n' "${list%,}"
}

# One program, ended when its time is over; left alone when that does not end it: one in a system call on a dead share
# cannot even be killed.
within_deadline() { # PART COMMAND...; its output goes to PART, its words to PART.err: one that is left alone may write yet
    local code='' answer part=$1
    shift
    exec {answer}< <(timeout -k 1 "$kCheckSeconds" "$@" >"$part" 2>"$part.err" && echo 0 || echo "$?")
    child=$! # emsn-health ends it when a signal ends that
    read -r -t "$((kCheckSeconds + 3))" code <&"$answer" || code=124
    exec {answer}<&-
    [[ $code != 137 ]] || code=124 # timeout(1) had to kill it
    child=''
    return "$code"
}

without_answer() { # CHECK CODE WORDS-FILE
    local words status=unknown
    words=$(sed -nE 's/^(Runtime error|Parse error|Error)[^:]*: *(stepping, )?//; s/ \([0-9]+\)$//; /./{p;q}' "$3")
    (($2 != 124)) || words="hung: no answer within $kCheckSeconds s"
    if [[ $words == *'no systemd here'* ]]; then
        status=ok words='no systemd runs here'
    fi
    sqlite3 -batch -init /dev/null :memory: "SELECT json_object('check_name', '$1', 'subject', $(sql_text "$subject"),
        'status', '$status', 'message', $(sql_text "${words:-exit code $2}"), 'remedy', 'Ask by hand: emsn-doctor')"
}

ask_machine() {
    local check code part extension subject=${EMSN_STATION:-$(uname -n)} mirror=${EMSN_MIRROR_DB:-} place
    extension=$(find_extension emsn)
    [[ -z $mirror ]] || mirror=$(realpath -ms -- "$mirror")
    place="CREATE TEMP TABLE place AS SELECT $(sql_text "$subject") AS station, $(sql_text "$mirror") AS mirror,
        $(mirror_states) AS states, $(sql_text "${EMSN_BACKUP_DIR:-}") AS backups"
    : >"$scratch/rows"
    for check in $kChecks; do
        code=0 part=$scratch/$check
        within_deadline "$part" sqlite3 -batch -bail -init /dev/null :memory: ".load '${extension%.so}'" "$place" \
            ".read '$here/../sql/health_local/$check.sql'" || code=$?
        if ((code == 0)); then
            cat -- "$part"
        else
            without_answer "$check" "$code" "$part.err"
        fi >>"$scratch/rows"
    done
    { printf '[' && paste -sd, "$scratch/rows" && printf ']'; } >"$scratch/rows.json"
    sqlite3 -batch -bail -init /dev/null :memory: \
        "CREATE TEMP TABLE found AS SELECT CAST(readfile('$scratch/rows.json') AS TEXT) AS text" \
        ".read '$here/../sql/health_local/rows.sql'" ".read '$here/../sql/health_local/$form.sql'" \
        >"$scratch/out" 2>"$scratch/err" || fail "$(reason "$scratch/err")"
}
