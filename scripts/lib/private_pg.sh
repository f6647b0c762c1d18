# shellcheck shell=bash
# A PostgreSQL server of one's own in a folder, for tests and the demo; to be sourced:
#
#   private_pg_start DIR [LINE...]   makes a cluster in DIR/data (once), adds the LINEs to its postgresql.conf and
#                                    starts it. Then: psql -h DIR -U postgres
#   private_pg_stop DIR              stops it at once; nothing to do when it does not run
#
# It listens on a Unix socket in DIR only, trusts everyone who can reach that, and keeps nothing safe from a power
# cut (fsync is off). DIR is short (a socket's path ends at 107 bytes) and its parents can be entered by the user
# postgres, as whom all of it runs when the caller is root: PostgreSQL refuses root. An ordinary user runs it as itself.
# EMSN_STAGE: the tree with the built extension (BUILD/stage), copied to DIR/stage; nothing is installed.
# PRIVATE_PG_ENV: words NAME=value for the server's environment, such as what a sanitizer needs.
# PRIVATE_PG_MODE: the mode of DIR, 755 unless set; 700 keeps all others away from the server.
# Says nothing when it works; the log goes to DIR/server.log and, on failure, to stderr.

private_pg_bindir() {
    if command -v pg_config >/dev/null && [[ -x $(pg_config --bindir)/initdb ]]; then
        pg_config --bindir
        return 0 # said, because in an EXIT trap a bare return gives the status that the script ends with
    fi
    local bin
    for bin in /usr/lib/postgresql/*/bin; do
        [[ -x $bin/initdb ]] && printf '%s\n' "$bin" && return 0
    done
    echo 'no PostgreSQL server found: install postgresql-15' >&2
    return 1
}

# Runs a program as the server's user, from a folder that this user can enter.
private_pg_as() {
    if ((EUID == 0)); then
        (cd / && exec runuser -u postgres -- "$@")
    else
        (cd / && exec "$@")
    fi
}

private_pg_init() {
    local dir=$1 bin=$2
    shift 2
    ((EUID != 0)) || chown postgres: "$dir" || return
    private_pg_as "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N \
        --no-instructions </dev/null >"$dir/server.log" 2>&1 || return
    {
        printf "%s\n" "listen_addresses = ''" "unix_socket_directories = '$dir'" 'fsync = off' \
            'full_page_writes = off' 'shared_buffers = 16MB' 'max_connections = 20'
        # the second is for shared_preload_libraries, which the first does not reach
        [[ -z ${EMSN_STAGE:-} ]] || printf "extension_destdir = '%s'\ndynamic_library_path = '%s:\$libdir'\n" \
            "$dir/stage" "$dir"/stage/usr/lib/postgresql/*/lib
        (($# == 0)) || printf '%s\n' "$@"
    } >>"$dir/data/postgresql.conf"
}

private_pg_start() {
    local dir=$1 bin
    shift
    local -a env_words=()
    read -ra env_words <<<"${PRIVATE_PG_ENV:-}"
    bin=$(private_pg_bindir) || return
    mkdir -p "$dir" && chmod "${PRIVATE_PG_MODE:-755}" "$dir" || return
    : >>"$dir/server.log" && chmod 644 "$dir/server.log" || return
    if [[ -n ${EMSN_STAGE:-} ]]; then
        rm -rf "$dir/stage" && cp -a "$EMSN_STAGE" "$dir/stage" || return
    fi
    ((EUID != 0)) || chown postgres: "$dir/server.log" || return
    # pg_ctl's output must not be a pipe: the server would keep it open
    if { [[ -e $dir/data/PG_VERSION ]] || private_pg_init "$dir" "$bin" "$@"; } &&
        private_pg_as env "${env_words[@]}" "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 start \
            </dev/null >/dev/null 2>&1; then
        return 0
    fi
    printf 'start PostgreSQL in %s: failed; its log:\n' "$dir" >&2
    cat "$dir/server.log" >&2
    return 1
}

private_pg_stop() {
    local dir=$1 bin
    [[ -e $dir/data/postmaster.pid ]] || return 0
    bin=$(private_pg_bindir) || return
    private_pg_as "$bin/pg_ctl" -D "$dir/data" -m immediate -w -t 30 stop </dev/null >/dev/null
}
