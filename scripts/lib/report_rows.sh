# shellcheck shell=bash
# Where the rows of a report come from, to be sourced by emsn-report:
#
#   prepare_source                  says what is wrong with the source, and exits; then:
#   fetch_rows KIND DAY STATION     prints the rows of the period that holds DAY as one JSON array; exits when it cannot
#   first_detection STATION         prints the day of the first detection, or nothing when there is none
#
# The source is the server that EMSN_PG names, or the birds.db in local_db. The folder scratch takes what is in between.

# shellcheck source=scripts/lib/conninfo.sh
. "$EMSN_ROOT/scripts/lib/conninfo.sh"
# shellcheck source=scripts/lib/interruptible.sh
. "$EMSN_ROOT/scripts/lib/interruptible.sh"

readonly kPatience=660 # s, for all of an answer
local_db=''

prepare_source() {
    if [[ -n $local_db ]]; then
        [[ -f $local_db && -r $local_db ]] || die 1 "read $local_db: not a readable file"
        [[ $local_db == /* ]] || local_db=$PWD/$local_db
        return
    fi
    ! has_password "${EMSN_PG:-}" ||
        wrong_use 'the connection string holds a password, which everybody could see in the list of processes: put it into ~/.pgpass or a service file'
    command -v psql >/dev/null || die 1 'psql is not there: install postgresql-client'
    export PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-10} PGAPPNAME=emsn-report PGCLIENTENCODING=UTF8
    export PGOPTIONS="${PGOPTIONS:-} -c statement_timeout=600s"
}

# psql: 2 is no connection, or one that was lost; timeout(1): 124, or 137 when psql had to be killed.
# shellcheck disable=SC2154  # scratch is the folder of whoever sources this
ask_server() { # ARGS of psql
    local status=0 kind=failed
    local -a server=()
    [[ -z ${EMSN_PG:-} ]] || server=(-d "$EMSN_PG")
    interruptible timeout -k 5 "$kPatience" psql -X -q -A -t -w -v ON_ERROR_STOP=1 "${server[@]}" "$@" 2>"$scratch/err" || status=$?
    case $status in
    0) return ;;
    2) kind=$(kind_of_refusal "$scratch/err") ;;
    124 | 137) kind=away && printf 'the server did not answer within %d s\n' "$kPatience" >"$scratch/err" ;;
    esac
    sed -E 's/^psql:( error:)? *//; s/^[^ ]*\.sql:[0-9]+: *//; /^CONTEXT:/,$ d' "$scratch/err" | sed 's/^/emsn-report: /' >&2
    case $kind in
    words) exit 2 ;;
    away) exit 75 ;;
    esac
    exit 1
}

read_local() { # ARGS of sqlite3
    local status=0
    run_sqlite -readonly "$local_db" '.timeout 10000' "$@" || status=$?
    ((status == 0 || status > 128)) || die "$status" "$local_db could not be read"
    ((status == 0)) || exit "$status"
}

ask_local() { # KIND DAY STATION
    # first a statement, which says why the file cannot be read: .parameter would not
    read_local 'SELECT 1 FROM detections LIMIT 0' ".parameter set @kind $1" ".parameter set @day \"'$2'\"" \
        ".parameter set @station \"$(sql_text "$3")\"" ".parameter set @today \"'$(date +%F)'\"" \
        ".read '$EMSN_ROOT/sql/report_local.sql'"
}

fetch_rows() {
    if [[ -n $local_db ]]; then
        ask_local "$1" "$2" "${3:-${EMSN_STATION:-$HOSTNAME}}"
    else
        ask_server -v "kind=$1" -v "day=$2" -v "station=$3" -f "$EMSN_ROOT/sql/report.sql"
    fi
}

first_detection() {
    if [[ -n $local_db ]]; then
        read_local "SELECT min(Date) FROM detections WHERE Date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'"
    else
        ask_server -v "station=$1" -f "$EMSN_ROOT/sql/report_first.sql"
    fi
}
