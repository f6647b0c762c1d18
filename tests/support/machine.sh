#!/usr/bin/env bash
# A machine with a real systemd as its first process: the root of this one, copy on write, in namespaces of its own.
# Nothing of this one is touched, and its services do not run. emsn is there as the package puts it. As root.
#
#   machine.sh DIR SOURCE BINARY    DIR is /shared inside; SOURCE: the checkout, BINARY: its build. DIR/leader has the
#                                   number of that first process, as seen here, when it runs. SIGTERM ends all of it
set -eu

if [[ $1 != --in ]]; then
    # ends with whoever started it
    exec unshare --mount --propagation private -- setpriv --pdeathsig TERM bash "$0" --in "$@"
fi
dir=$2 source=$3 binary=$4
root=$dir/root
mkdir -p "$root" "$dir/layers"
mount -t tmpfs -o mode=755 tmpfs "$dir/layers"
mkdir "$dir/layers/upper" "$dir/layers/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/layers/upper,workdir=$dir/layers/work" "$root"
# a pure version 2, which the first process of the machine may divide
mkdir -p "$dir/cgroup"
mount -t cgroup2 cgroup2 "$dir/cgroup"
! mountpoint -q /sys/fs/cgroup || umount -R /sys/fs/cgroup
mount --move "$dir/cgroup" /sys/fs/cgroup 2>/dev/null || mount -t cgroup2 cgroup2 /sys/fs/cgroup
group=/sys/fs/cgroup/emsn-machine.$$
mkdir "$group"

# none of the services that this machine starts, nor its timers
rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/systemd/system/*.requires "$root"/var/lib/systemd/timers
rm -rf "$root"/usr/share/emsn "$root"/usr/bin/emsn-* "$root"/etc/emsn "$root"/var/lib/emsn "$root"/run/emsn
mkdir -p "$root"/usr/share/emsn "$root"/usr/lib/emsn "$root"/etc/emsn "$root"/etc/systemd/{system,system.conf.d} "$root"/mnt/usb
cp -a "$source/scripts" "$source/sql" "$root/usr/share/emsn"
cp "$binary"/sqlite_ext/emsn{,_pg}.so "$root/usr/lib/emsn"
[[ ! -d $binary/stage ]] || cp -a "$binary/stage" "$root/usr/lib/emsn"
chmod -R go+rX "$root/usr/share/emsn" "$root/usr/lib/emsn"
for script in "$source"/scripts/emsn-*; do ln -s "/usr/share/emsn/scripts/${script##*/}" "$root/usr/bin"; done
cp "$source"/scripts/systemd/emsn-* "$root/etc/systemd/system"
printf '[Manager]\nDefaultEnvironment=EMSN_SO=/usr/lib/emsn/emsn.so EMSN_PG_SO=/usr/lib/emsn/emsn_pg.so\n' \
    >"$root/etc/systemd/system.conf.d/emsn.conf"
# DIR/bare: a test brings the package itself
[[ ! -e $dir/bare ]] || rm -rf "$root"/usr/{share,lib}/emsn "$root"/usr/bin/emsn-* "$root"/etc/emsn \
    "$root"/etc/systemd/system/emsn-* "$root"/etc/systemd/system.conf.d
echo emsn-machine >"$root/etc/hostname"
[[ ! -d $dir/etc ]] || cp -a "$dir/etc/." "$root/etc"

nspawn=
end() {
    trap '' TERM INT
    # all of them at once, wherever they are
    [[ ! -e $group/cgroup.kill ]] || echo 1 >"$group/cgroup.kill"
    [[ -z $nspawn ]] || wait "$nspawn" || true
    for ((i = 0; i < 100; i++)); do
        find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
        [[ -d $group ]] || break
        sleep .05
    done
}
trap end EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
(
    echo "$BASHPID" >"$group/cgroup.procs"
    exec systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit --private-network --console=pipe \
        --link-journal=no --resolv-conf=off --timezone=off --machine=emsn-machine --bind="$dir:/shared" \
        systemd.unit=basic.target systemd.show_status=no </dev/null
) &
nspawn=$!
# the outer child makes the inner one, and ends: what runs as process 1 of a namespace of its own is the leader
while kill -0 "$nspawn" 2>/dev/null; do
    children=()
    { read -ra children <"/proc/$nspawn/task/$nspawn/children"; } 2>/dev/null || true
    for child in "${children[@]}"; do
        if grep -qE '^NSpid:\s[0-9]+\s1$' "/proc/$child/status" 2>/dev/null &&
            [[ $(readlink "/proc/$child/exe") == */systemd ]]; then
            echo "$child" >"$dir/leader.partial" && mv "$dir/leader.partial" "$dir/leader"
            break 2
        fi
    done
    sleep .02
done
wait "$nspawn"
