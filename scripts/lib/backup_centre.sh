# shellcheck shell=bash disable=SC2154  # folder, scratch and the like are locals of emsn-backup's main
# emsn-backup centre, to be sourced: a dump of the central database that was restored once.

# The dump and the counts of its rows, of one snapshot: pg_dump runs while psql holds it. Also the roles that the dump
# speaks of, without passwords.
dump_and_count() { # PARTIAL
    local status=0
    EMSN_DUMP=$1 EMSN_SCRATCH=$scratch psql "${server[@]}" -XAtqw -v ON_ERROR_STOP=1 -v roles="$scratch/roles.sql" \
        -v dumped="$scratch/dumped" -v count_rows="$EMSN_ROOT/sql/count_rows.sql" >/dev/null 2>"$scratch/psql" <<'SQL' || status=$?
SET idle_in_transaction_session_timeout = 0;
SET statement_timeout = 0;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot() AS snapshot \gset
\setenv EMSN_SNAPSHOT :snapshot
\! pg_dump ${EMSN_PG:+"--dbname=$EMSN_PG"} -Fc -w --snapshot="$EMSN_SNAPSHOT" -f "$EMSN_DUMP" 2>"$EMSN_SCRATCH/pg_dump"; echo $? >"$EMSN_SCRATCH/status"
\o :roles
SELECT format('CREATE ROLE %I;', rolname) FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres';
\o :dumped
\i :count_rows
SQL
    cat -- "$scratch/psql" >&2
    [[ ! -e $scratch/pg_dump ]] || cat -- "$scratch/pg_dump" >&2
    ((status == 0)) || no_connection "$status"
    [[ $(cat "$scratch/status") == 0 ]] || die_of "dump of the database into $folder/$1: failed" "$scratch/pg_dump"
}

# psql ends with 2 when there is no connection, or it broke.
no_connection() { # STATUS
    (($1 == 2)) || die 1 'the central database could not be read'
    case $(kind_of_refusal "$scratch/psql") in
    words) exit 2 ;;
    person) exit 1 ;;
    *) exit 75 ;;
    esac
}

# In a server of its own that nobody else can reach; the environment's PG variables lead to the real one.
restore_and_count() (
    local partial=$1
    unset "${!PG@}"
    local -a proof=(-h "$scratch/pg" -U postgres)
    PRIVATE_PG_MODE=700 private_pg_start "$scratch/pg" 'unix_socket_permissions = 0700' {lock}>&- || return
    psql "${proof[@]}" -Xqw -v ON_ERROR_STOP=1 -d postgres -f "$scratch/roles.sql" \
        -c 'CREATE DATABASE proof TEMPLATE template0' || return
    pg_restore "${proof[@]}" -w -d proof --exit-on-error --no-tablespaces --no-subscriptions "$partial" || return
    psql "${proof[@]}" -XAtqw -v ON_ERROR_STOP=1 -d proof -f "$EMSN_ROOT/sql/count_rows.sql" >"$scratch/restored"
)

# One line for each table whose rows differ.
differing_rows() {
    awk '{ bar = index($0, "|"); rows = substr($0, 1, bar - 1); name = substr($0, bar + 1) }
        NR == FNR { dumped[name] = rows; next }
        dumped[name] != rows { printf "%s: %d rows dumped, %d restored\n", name, dumped[name], rows }
        { delete dumped[name] }
        END { for (name in dumped) printf "%s: %d rows dumped, the table not restored\n", name, dumped[name] }' \
        "$scratch/dumped" "$scratch/restored"
}

backup_centre() {
    local name status=0 difference
    local -a server=()
    [[ -z ${EMSN_PG:-} ]] || server=(-d "$EMSN_PG") && export EMSN_PG
    export PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-10} PGAPPNAME=emsn-backup
    umask 077
    chmod 711 "$scratch" # the private server's user passes through
    name=$(psql "${server[@]}" -XAtqwc 'SELECT current_database()' 2>"$scratch/psql") || status=$?
    ((status == 0)) || { cat -- "$scratch/psql" >&2 && no_connection "$status"; }
    printf -v name '%s-%(%Y-%m-%d-%H%M%S)T.dump' "${name//[\/.[:cntrl:]]/_}"
    stop_if_there "$name"
    forget_unfinished
    dump_and_count "$name.partial"
    restore_and_count "$name.partial" >&2 2>"$scratch/proof" || status=$?
    cat -- "$scratch/proof" >&2
    if ((status != 0)); then
        problems+=("it could not be restored: $(grep -m 1 -E 'error|FATAL|failed' "$scratch/proof" || echo "status $status")")
    else
        while IFS= read -r difference; do
            problems+=("$difference")
        done < <(differing_rows)
    fi
    private_pg_stop "$scratch/pg" || true
    publish "$name.partial" "$name" true
}
