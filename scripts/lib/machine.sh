# shellcheck shell=bash
# shellcheck disable=SC2034  # for whoever sources this
# What emsn-install and emsn-doctor know of a machine; to be sourced:
#
#   booted                     whether systemd runs here
#   as_user NAME COMMAND...    with that user's home, where libpq looks for passwords; as ourselves when we are not root
#   user_of UNIT               as whom a job of ours runs

EMSN_UNITS=/lib/systemd/system   # where the package has put the units
kDropIns=/etc/systemd/system     # and emsn-install what it says of this machine: UNIT.d/emsn-install.conf
kStateDir=/var/lib/emsn
kManifest=$kStateDir/install.manifest

booted() { [[ -d /run/systemd/system ]]; }

as_user() {
    local name=$1 home
    shift
    home=$(getent passwd "$name" | cut -d : -f 6)
    if ((EUID == 0)); then
        runuser -u "$name" -- env HOME="$home" "$@"
    else
        "$@"
    fi
}

user_of() {
    local file=$kDropIns/$1.d/emsn-install.conf name=''
    [[ ! -r $file ]] || name=$(sed -n 's/^User=//p' "$file")
    printf '%s\n' "${name:-root}"
}
