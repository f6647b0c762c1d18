# shellcheck shell=bash
# The host report, to be sourced after emsn.sh:
#
#   send_host_report DB CONNINFO STATION   what this machine says of itself goes to the centre; DB: its birds.db, or
#                                          :memory: where that is not there. Returns as run_sqlite does.

send_host_report() {
    local module
    module=$(find_extension emsn_pg "${EMSN_PG_SO:-}")
    run_sqlite -readonly "$1" ".load '${module%.so}' sqlite3_emsnpg_init" \
        "SELECT emsn_report_host($(sql_text "$2"), $(sql_text "$3"))" >/dev/null
}
