# shellcheck shell=bash
# A throw-away copy of this machine's root, for what changes a system; to be sourced. As root.
#
#   overlay_root_run [--share DIR]... COMMAND...   runs COMMAND in it, returns its exit code
#   overlay_root_inside                            true for who runs in one
#
# It is this root with a layer in memory above (overlayfs), in mount and process namespaces of its own: whatever COMMAND
# writes or installs is gone afterwards, and what it started has ended. A folder that is shared is the real one. systemd does
# not run in it: systemctl changes links and starts nothing.

overlay_root_inside() { [[ -n ${EMSN_OVERLAY_ROOT:-} ]]; }

overlay_root_run() {
    local -a shares=()
    local layer status=0
    while [[ ${1:-} == --share ]]; do
        shares+=("$2")
        shift 2
    done
    layer=$(mktemp -d) || return
    # shellcheck disable=SC2016  # it is for the shell inside
    unshare --mount --propagation private --pid --fork --kill-child --uts -- bash -euc '
        layer=$1
        shift
        mount -t tmpfs -o mode=755 tmpfs "$layer"
        mkdir "$layer"/{upper,work,root}
        mount -t overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" overlay "$layer/root"
        mount -t proc proc "$layer/root/proc"
        mount --rbind /dev "$layer/root/dev"
        mount -t sysfs -o ro sysfs "$layer/root/sys" || true
        mount -t tmpfs -o mode=755 tmpfs "$layer/root/run"
        mount -t tmpfs -o mode=1777 tmpfs "$layer/root/tmp"
        mkdir -m 1777 "$layer/root/run/lock"
        # where other file systems hold what is needed here
        n=$1
        shift
        for ((i = 0; i < n; i++)); do
            mkdir -p "$layer/root$1"
            mount --rbind "$1" "$layer/root$1"
            shift
        done
        exec chroot "$layer/root" /usr/bin/env EMSN_OVERLAY_ROOT=1 "$@"
    ' overlay_root "$layer" "${#shares[@]}" "${shares[@]}" "$@" || status=$?
    rmdir "$layer"
    return "$status"
}
