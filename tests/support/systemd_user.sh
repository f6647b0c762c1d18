#!/usr/bin/env bash
# A real systemd, as a user's manager, in namespaces of its own: nothing of the machine's is touched. As root.
#
#   systemd_user.sh DIR    units come from DIR/units; its bus is DIR/run/bus; DIR/ready says that it is up;
#                          DIR/stop, once it is there, ends it
set -eu

case $1 in
--in) dir=$2 ;;
--cgroup)
    dir=$2
    mount -t cgroup2 cgroup2 "$dir/cgroup"
    group=$dir/cgroup/emsn-test.$$
    mkdir "$group"
    status=0
    (
        echo "$BASHPID" >"$group/cgroup.procs"
        exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc --cgroup --ipc --uts -- \
            bash "$0" --in "$dir"
    ) || status=$?
    [[ ! -e $group/cgroup.kill ]] || echo 1 >"$group/cgroup.kill"
    for ((i = 0; i < 100; i++)); do
        find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
        [[ -d $group ]] || break
        sleep .05
    done
    umount "$dir/cgroup"
    exit "$status"
    ;;
*)
    mkdir -p "$1/cgroup" "$1/home/.config/systemd/user"
    mkdir -m 700 "$1/run"
    exec unshare --mount --propagation private -- bash "$0" --cgroup "$1"
    ;;
esac

mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system # sd_booted(3) must say yes, or systemd ends at once
! mountpoint -q /sys/fs/cgroup || umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export HOME=$dir/home XDG_RUNTIME_DIR=$dir/run DBUS_SESSION_BUS_ADDRESS=unix:path=$dir/run/bus
export SYSTEMD_IGNORE_CHROOT=1
unset XDG_CONFIG_HOME XDG_DATA_HOME
cp -a "$dir/units/." "$HOME/.config/systemd/user/"
SYSTEMD_LOG_TARGET=console /lib/systemd/systemd --user >"$dir/systemd.log" 2>&1 &
until [[ -S $XDG_RUNTIME_DIR/systemd/private ]]; do sleep .02; done
systemctl --user is-system-running --wait >/dev/null || true
systemctl --user start dbus.service
# it joins the bus a moment after that runs
until busctl --user --timeout=5 call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus GetNameOwner s \
    org.freedesktop.systemd1 >/dev/null 2>&1; do sleep .05; done
: >"$dir/ready"
until [[ -e $dir/stop ]]; do sleep .05; done
