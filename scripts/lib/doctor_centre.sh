# shellcheck shell=bash disable=SC2154  # the variables are those of emsn-doctor
# The way to the centre and what is there, for emsn-doctor.

readonly kClockSeconds=60

# libpq passes by a ~/.pgpass that others may read, and says so only where nobody looks.
look_at_secrets() { # USER
    local home file mode service
    home=$(getent passwd "$1" | cut -d : -f 6)
    file=$home/.pgpass
    if as_user "$1" test -e "$file"; then
        mode=$(stat -L -c %a -- "$file" 2>/dev/null) || return 0
        if ((0$mode & 0077)); then
            wrong pgpass "$file" "mode $mode: libpq does not use what others may read" "chmod 600 $file"
        elif ! as_user "$1" test -r "$file"; then
            wrong pgpass "$file" "user $1 cannot read it" "chown $1 $file"
        else
            right pgpass "$file" "mode $mode"
        fi
    fi
    [[ $EMSN_PG =~ (^|[[:space:]])service[[:space:]]*=[[:space:]]*([^[:space:]]+) ]] || return 0
    service=${BASH_REMATCH[2]//\'/}
    for file in "${PGSERVICEFILE:-$home/.pg_service.conf}" "${PGSYSCONFDIR:-/etc/postgresql-common}/pg_service.conf"; do
        if as_user "$1" grep -qsF "[$service]" "$file"; then
            right service "$file" "has [$service]"
            return 0
        fi
    done
    file=$home/.pg_service.conf
    if as_user "$1" test -e "$file" && ! as_user "$1" test -r "$file"; then
        wrong service "$file" "user $1 cannot read it" "chown $1 $file"
    else
        wrong service "$file" "no [$service] in it, nor in /etc/postgresql-common/pg_service.conf" "write it: docs/operations.md, \"Password and TLS\""
    fi
}

look_at_centre() {
    local user=root unit status=0 words server default installed seconds remedy
    command -v psql >/dev/null && [[ -n ${EMSN_PG:-} ]] && ! has_password "$EMSN_PG" || return 0
    for unit in emsn-publish emsn-learn; do
        [[ $user != root ]] || user=$(user_of "$unit.service")
    done
    ((EUID == 0)) || user=$(id -un)
    look_at_secrets "$user"
    as_user "$user" env PGCONNECT_TIMEOUT="${PGCONNECT_TIMEOUT:-10}" PGAPPNAME=emsn-doctor timeout -k 5 30 psql -XqAtw -F '|' -v ON_ERROR_STOP=1 \
        -d "$EMSN_PG" -c "SELECT pg_catalog.current_setting('server_version_num'), e.default_version, e.installed_version,
            extract(epoch FROM pg_catalog.clock_timestamp())::bigint
            FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_available_extensions AS e ON e.name = 'emsn_health'" \
        >"$scratch/answer" 2>"$scratch/words" || status=$?
    if ((status != 0)); then
        words=$(tr -s '[:space:]' ' ' <"$scratch/words")
        case $(kind_of_refusal "$scratch/words") in
        words) remedy='mend EMSN_PG in /etc/emsn/emsn.conf, or the service file' ;;
        person) remedy="the role, its password in ~/.pgpass of $user, and pg_hba.conf at the centre" ;;
        *) remedy='is the server up, and reachable from here? What is not published is caught up later' ;;
        esac
        wrong centre "$EMSN_PG" "user $user gets no connection: ${words:-no answer in 30 s}" "$remedy"
        return 0
    fi
    IFS='|' read -r server default installed seconds <"$scratch/answer"
    if ((server < 150000)); then
        wrong centre "$EMSN_PG" "PostgreSQL $((server / 10000)): emsn_health needs 15" 'upgrade the server'
    else
        right centre "$EMSN_PG" "PostgreSQL $((server / 10000)).$((server % 10000))"
    fi
    if [[ -z $default ]]; then
        wrong extension emsn_health 'not installed on the server' 'there: apt install postgresql-15-emsn-health'
    elif [[ -z $installed ]]; then
        wrong extension emsn_health 'not in this database' 'as a superuser, there: CREATE EXTENSION emsn_health'
    elif [[ $installed != "$default" ]]; then
        wrong extension emsn_health "the database has version $installed, the server's files are $default" 'as a superuser, there: ALTER EXTENSION emsn_health UPDATE'
    else
        right extension emsn_health "version $installed"
    fi
    seconds=$((seconds - $(date +%s)))
    if ((${seconds#-} > kClockSeconds)); then
        wrong clock here "${seconds#-} s $( ((seconds < 0)) && echo ahead of || echo behind) the server's" 'timedatectl set-ntp true, on both machines'
    else
        right clock here "as the server's"
    fi
}
