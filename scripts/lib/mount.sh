# shellcheck shell=bash
# Which disk is written to, to be sourced:
#
#   nearest_mount PATH   prints the mount point that PATH lies below, or would lie below; "/" also where a part of the
#                        root file system is mounted onto itself, which is what a service's sandbox does with each
#                        folder that may be written to (ReadWritePaths= of systemd.exec(5)): no disk is there

nearest_mount() {
    local folder=$1 target root device root_of_all device_of_all
    while [[ ! -e $folder ]]; do folder=$(dirname -- "$folder"); done
    # raw: no blank in a name, and / at the end of none but /
    read -r target root device < <(findmnt -nro TARGET,FSROOT,MAJ:MIN -T "$folder") || return
    read -r root_of_all device_of_all < <(findmnt -nro FSROOT,MAJ:MIN -T /) || true
    [[ $device != "${device_of_all:-}" || $root != "${root_of_all%/}$target" ]] || target=/
    printf '%s\n' "$target"
}
