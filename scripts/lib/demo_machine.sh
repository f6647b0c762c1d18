# shellcheck shell=bash disable=SC2154  # work is the demo's
# The part of the demo on a machine of its own with a real systemd (tests/support/machine.sh): a stick is pulled and comes
# back, and nobody repairs anything. To be sourced:
#
#   heal_it       shows it, or says in one line why it cannot here
#   machine_end   ends that machine, also in the middle

machine=0

machine_end() {
    ((machine == 0)) || kill -TERM "$machine" 2>/dev/null || true
    ((machine == 0)) || wait "$machine" || true
    machine=0
}

inside() {
    # --root: in a chroot the root of that namespace is not that of the machine
    nsenter --target "$(<"$work/machine/leader")" --all --root --wd -- env -i HOME=/root \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin EMSN_SO=/usr/lib/emsn/emsn.so "$@"
}

machine_runs() { [[ -e $work/machine/leader && $(inside systemctl is-system-running) == running ]]; }
state_is() { [[ $(inside systemctl show --property=ActiveState --value emsn-mirror) == "$1" ]]; }
mirrored_since() { inside test /run/emsn/emsn-mirror/succeeded -nt "$1"; }

machine_start() {
    local etc=$work/machine/etc
    mkdir -p "$etc"/{emsn,systemd/system/emsn-mirror.{service,timer}.d}
    printf '%s\n' 'EMSN_STATION=zolder' 'EMSN_SOURCE_DB=/shared/zolder.db' 'EMSN_MIRROR_DB=/mnt/usb/mirror.db' >"$etc/emsn/emsn.conf"
    printf '%s\n' '[Service]' 'ReadWritePaths=-/mnt/usb' 'RestartSec=100ms' \
        'Environment=EMSN_RETRY_TRIES=3 EMSN_RETRY_WAIT=0.2' >"$etc/systemd/system/emsn-mirror.service.d/demo.conf"
    printf '%s\n' '[Timer]' 'OnCalendar=' 'OnCalendar=*:*:0/4' 'RandomizedDelaySec=0' 'AccuracySec=100ms' \
        >"$etc/systemd/system/emsn-mirror.timer.d/demo.conf"
    cp berging.db "$work/machine/zolder.db"
    bash "$EMSN_ROOT/tests/support/machine.sh" "$work/machine" "$EMSN_ROOT" "$EMSN_ROOT/build/release" >machine.log 2>&1 &
    machine=$!
    local try
    for ((try = 0; try < 100; try++)); do
        ! machine_runs >/dev/null 2>&1 || return 0
        kill -0 "$machine" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}

heal_it() {
    title 'A morning in December, on a machine of its own with a real systemd: the stick is pulled'
    if ((EUID != 0)) || ! command -v systemd-nspawn >/dev/null; then
        echo 'Left out: this part needs root and systemd-nspawn.'
        return
    fi
    if ! machine_start; then
        printf 'Left out: no machine can be started here: %s\n' "$(tail -n 1 machine.log)"
        machine_end
        return
    fi
    inside mount -t tmpfs tmpfs /mnt/usb
    typed 'systemctl start emsn-mirror.timer    # every 4 seconds here, instead of every 5 minutes'
    inside systemctl start emsn-mirror.timer
    wait_for 'the first mirror' inside test -e /run/emsn/emsn-mirror/succeeded
    typed 'umount /mnt/usb'
    inside umount /mnt/usb
    wait_for 'the failure' state_is failed
    typed 'journalctl -u emsn-mirror -o cat | grep emsn-retry'
    inside journalctl -q --no-pager -o cat -u emsn-mirror | grep 'emsn-retry:' | head -n 3
    typed 'emsn-health --local'
    inside emsn-health --local | cut -c1-150 | head -n 4
    inside touch /run/back
    typed 'mount /mnt/usb'
    inside mount -t tmpfs tmpfs /mnt/usb
    wait_for 'the next mirror' mirrored_since /run/back
    typed "sqlite3 :memory: '.load ./emsn' \"SELECT name, result FROM emsn_units WHERE active_state = 'failed'\""
    inside sqlite3 :memory: '.load /usr/lib/emsn/emsn' "SELECT name, result FROM emsn_units WHERE active_state = 'failed'"
    echo 'Nothing: its timer started it again, and nobody had to reset it.'
    machine_end
}
