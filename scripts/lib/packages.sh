# shellcheck shell=bash
# Debian packages that emsn is built, run and tested with; to be sourced:
#
#   ensure_packages NAME...   installs those that are missing, and says which; asks apt for nothing when none is.
#                             As root, or through sudo; never asks a question.
#
# shellcheck disable=SC2034  # the lists are for whoever sources this
PACKAGES_BUILD=(g++ cmake ninja-build pkg-config libsqlite3-dev libxxhash-dev nlohmann-json3-dev postgresql-server-dev-15
    libpq-dev)
PACKAGES_RUN=(sqlite3 libpq5 python3 postgresql-15 rsync zstd jq file attr gnuplot-nox)
PACKAGES_MACHINE=(systemd systemd-container dbus)
PACKAGES_TEST=(libgtest-dev openssl clang clang-format clang-tidy shellcheck git btrfs-progs xfsprogs
    exfat-fuse exfatprogs postgresql-15-cron prometheus-postgres-exporter dbus-user-session
    curl iproute2 chromium fonts-dejavu-core "${PACKAGES_MACHINE[@]}")
# for packages, and to look at them
PACKAGES_PACKAGE=(dpkg-dev file help2man lintian)
PACKAGES_BENCH=(check-postgres pg-activity pgbouncer python3-psycopg2)

ensure_packages() {
    local name clusters=/etc/postgresql-common/createcluster.d
    local -a missing=() root=()
    for name in "$@"; do
        [[ $(dpkg-query -W -f='${Status}' "$name" 2>/dev/null) == 'install ok installed' ]] || missing+=("$name")
    done
    ((${#missing[@]} > 0)) || return 0
    printf 'Installing Debian packages: %s\n' "${missing[*]}" >&2
    if ((EUID != 0)); then
        command -v sudo >/dev/null || {
            printf 'neither root nor sudo: install them first, as root: apt-get install %s\n' "${missing[*]}" >&2
            return 1
        }
        root=(sudo)
    fi
    # the server package would otherwise make and start a cluster of its own; ours are private and temporary
    "${root[@]}" mkdir -p "$clusters"
    printf 'create_main_cluster = false\n' | "${root[@]}" tee "$clusters/emsn.conf" >/dev/null
    local status=0
    {
        "${root[@]}" apt-get -qq update &&
            "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 \
                install --no-install-recommends "${missing[@]}" </dev/null >/dev/null
    } || status=$?
    "${root[@]}" rm -f "$clusters/emsn.conf"
    # their services would listen from now on; the tests and benchmarks start their own
    for name in prometheus-postgres-exporter pgbouncer; do
        if [[ " ${missing[*]} " == *" $name "* && -d /run/systemd/system ]]; then
            "${root[@]}" systemctl --quiet disable --now "$name" || status=$?
        fi
    done
    return "$status"
}
