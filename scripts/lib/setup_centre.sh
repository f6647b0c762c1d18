# shellcheck shell=bash disable=SC2034,SC2154  # the variables are those of emsn-install
# What emsn-install does in the database of the centre; to be sourced after changes.sh:
#
#   at_centre SQL         runs it as the centre's user; prints what it answers
#   prepare_centre        the extension, and the table of detections: named, or made where there is none
#   make_dump_folder      where emsn-backup centre writes, as the centre's user
#
# Nothing of this is taken back by --uninstall: it is data.

at_centre() {
    (cd / && as_user "$centre_user" env PGCONNECT_TIMEOUT=10 PGAPPNAME=emsn-install psql -XqAtw -v ON_ERROR_STOP=1 \
        -v detections="$detections" ${pg:+-d "$pg"} <<<"$1")
}

prepare_centre() {
    local there named
    there=$(at_centre "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'emsn_health'") || return
    if [[ -z $there ]]; then
        [[ -n $(at_centre "SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = 'emsn_health'") ]] || {
            echo 'the extension emsn_health is not installed on the server: apt install postgresql-15-emsn-health' >&2
            return 1
        }
        ! said_change 'create the extension emsn_health' || at_centre 'CREATE EXTENSION emsn_health' || return
        ((!dry_run)) || return 0
    fi
    named=$(at_centre "SELECT value FROM emsn.settings WHERE name = 'detections'" 2>/dev/null) || named=''
    [[ -z $named ]] || return 0
    if [[ -n $(at_centre "SELECT pg_catalog.to_regclass(:'detections')") ]]; then
        ! said_change "use the table of detections $detections" || at_centre "SELECT emsn.use_detections(:'detections')" >/dev/null
    else
        ! said_change "make the table of detections $detections" || at_centre "SELECT emsn.create_detections(:'detections')" >/dev/null
    fi
}

make_dump_folder() {
    local place=$backup_dir${station:+/$station}
    make_folder "$place" 755 root:root
    make_folder "$place/centre" 700 "$centre_user:$(id -gn "$centre_user")"
}
