#!/bin/sh
# Sets up what the benchmarks and the tests need from the system: packages, then daemons. Idempotent; says one line each.
#
#   benchmarks/provision.sh            install what is missing, start what does not run
#   benchmarks/provision.sh stop       stop the daemons that an earlier call started, and only those
#
# Nothing here is fatal but a missing Python: a part that cannot be had is named, with the remedy, and the rest goes on.
# Reads PROVISION_SKIP (words: packages daemons), PROVISION_SYSTEMD (the folder that is there while systemd runs) and PYTHON.
# shellcheck disable=SC2317  # the tests given to `install` and `daemon` are called through eval
set -u

state_dir=${XDG_STATE_HOME:-$HOME/.local/state}/envbench
started=$state_dir/daemons-started
failed=0

say() { printf 'provision: %s\n' "$*"; }
missing() { failed=$((failed + 1)); printf 'provision: %s: MISSING: %s\n' "$1" "$2" >&2; }
skips() { case " ${PROVISION_SKIP:-} " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# Daemons and engines live in sbin, which is not on every user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH DEBIAN_FRONTEND=noninteractive

# --- who may do what ------------------------------------------------------------------------------------------------

if [ "$(id -u)" -eq 0 ]; then
  as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  as_root="sudo -n"
elif command -v sudo >/dev/null 2>&1 && [ -t 0 ] && sudo -v; then
  as_root="sudo"
else
  as_root="none"
fi

can_install() { [ "$as_root" != none ] && command -v apt-get >/dev/null 2>&1; }

why_not() {
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "this is not Debian or Ubuntu (no apt-get); install it with the system's own package tool"
  else
    echo "not root and no sudo; ask an administrator for: apt-get install $*"
  fi
}

# --- packages -------------------------------------------------------------------------------------------------------

lists_fresh=no
refresh_lists() {
  [ $lists_fresh = yes ] && return 0
  lists_fresh=yes
  $as_root apt-get update -qq >/dev/null 2>&1 || say "package lists: could not be refreshed, going on with the old ones"
}

# install WHAT TEST PACKAGE...: unless TEST holds, install the packages and test again.
install() {
  what=$1 holds=$2
  shift 2
  if eval "$holds" >/dev/null 2>&1; then
    say "$what: already there"
    return 0
  fi
  if ! can_install; then
    missing "$what" "$(why_not "$@")"
    return 1
  fi
  refresh_lists
  say "$what: installing $* (apt-get)"
  log=$(mktemp)
  # What was installed need not lie in apt's cache as well.
  if $as_root apt-get install -y --no-install-recommends -o APT::Keep-Downloaded-Packages=false "$@" >"$log" 2>&1 &&
    eval "$holds" >/dev/null 2>&1; then
    say "$what: installed"
    rm -f "$log"
    return 0
  fi
  missing "$what" "apt-get install $* failed: $(grep -m1 '^E:' "$log" || tail -n 1 "$log")"
  rm -f "$log"
  return 1
}

has() { command -v "$1" >/dev/null 2>&1; }

qemu_package() {
  case $(uname -m) in
    x86_64) echo "qemu-system-x86" ;;
    aarch64) echo "qemu-system-arm qemu-efi-aarch64" ;;
    s390x | ppc64le) echo "qemu-system-misc" ;;
    *) echo "qemu-system" ;;
  esac
}

packages() {
  install "certificates" "test -e /etc/ssl/certs/ca-certificates.crt" ca-certificates
  install "Docker engine" "has dockerd" docker.io
  install "runc" "has runc" runc
  install "crun" "has crun" crun
  # shellcheck disable=SC2046  # one word a package
  install "QEMU" "has qemu-system-$(uname -m)" $(qemu_package) qemu-utils
  install "libvirt daemon" "{ has libvirtd || has virtqemud; } && has virsh" libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients
  install "libvirt headers" "has pkg-config && pkg-config --exists libvirt && has gcc" libvirt-dev pkg-config gcc libc6-dev
  install "Python headers" "ls /usr/include/python3*/Python.h || ${PYTHON:-python3} -c 'import sysconfig, pathlib; assert pathlib.Path(sysconfig.get_path(\"include\"), \"Python.h\").exists()'" python3-dev
  install "disk tools" "has mke2fs && has debugfs && has mcopy" e2fsprogs mtools
  install "process tools" "has pgrep" procps
  install "static busybox" "busybox_is_static" busybox-static
  # The rest is for single experiments and the distro profile; without it they say what they lack.
  install "UEFI firmware" "ls /usr/share/OVMF/OVMF_CODE*.fd /usr/share/AAVMF/AAVMF_CODE*.fd 2>/dev/null | grep -q ." "$(firmware_package)"
  install "Debian bootstrap" "has mmdebstrap" mmdebstrap
  [ "$(uname -m)" != x86_64 ] ||
    install "boot loaders" "has syslinux && has mcopy && ls /usr/lib/syslinux/mbr/mbr.bin /usr/lib/systemd/boot/efi/systemd-bootx64.efi" syslinux syslinux-common systemd-boot-efi mtools
  install "speed tools" "has sysbench && has stress-ng && has openssl" sysbench stress-ng openssl
  install "foreign binaries" "ls /usr/bin/qemu-*-static" qemu-user-static
  image_registry
}

# The package alone: envbench starts a registry of its own where it needs one, and the package's service is neither started
# nor left for the next boot. A policy that is there already (invoke-rc.d(8)) decides by itself whether it is started.
image_registry() {
  policy=/usr/sbin/policy-rc.d made=no
  if ! has docker-registry && can_install; then
    if [ ! -e $policy ]; then
      printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null && $as_root chmod 755 $policy && made=yes
    fi
    install "image registry" "has docker-registry" docker-registry && {
      $as_root update-rc.d docker-registry disable
      $as_root deb-systemd-helper disable docker-registry.service
    } >/dev/null 2>&1
    [ $made = no ] || $as_root rm -f $policy
  else
    install "image registry" "has docker-registry" docker-registry
  fi
}

firmware_package() { [ "$(uname -m)" = aarch64 ] && echo qemu-efi-aarch64 || echo ovmf; }

busybox_is_static() { has busybox && ! LC_ALL=C ldd "$(command -v busybox)" 2>/dev/null | grep -q '=>'; }

# --- daemons --------------------------------------------------------------------------------------------------------

systemd_runs() { [ -d "${PROVISION_SYSTEMD:-/run/systemd/system}" ]; }

# wait_for SECONDS TEST
wait_for() {
  left=$(($1 * 5))
  while [ $left -gt 0 ]; do
    eval "$2" >/dev/null 2>&1 && return 0
    sleep 0.2
    left=$((left - 1))
  done
  return 1
}

# What is noted in $started: "BOOT unit NAME" or "BOOT pid PID NAME". A note of an earlier boot says nothing of this one.
boot_id=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown)
note() { mkdir -p "$state_dir" && echo "$boot_id $*" >>"$started"; }

# The units that starting a daemon may bring along, sockets before what they start.
units="docker.socket docker.service containerd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd.service
virtqemud.socket virtqemud-ro.socket virtqemud-admin.socket virtqemud.service virtlogd.socket virtlogd-admin.socket virtlogd.service
virtlockd.socket virtlockd-admin.socket virtlockd.service"
active_units() { for unit in $units; do ! systemctl is-active --quiet "$unit" || echo "$unit"; done; }
active_before=

# Notes the units that run now and did not when this call began: a package's own scripts start its daemon, too.
note_units() {
  for unit in $(active_units); do
    printf "%s\n" "$active_before" | grep -qx "$unit" || note unit "$unit"
  done
  active_before=$(active_units)
}

# under_systemd UNIT: start it; says why in $reason where it does not come up.
under_systemd() {
  if reason=$($as_root systemctl start "$1" 2>&1); then
    return 0
  fi
  reason="systemctl start $1: $(echo "$reason" | head -n 1) (try: journalctl --unit $1)"
  return 1
}

# by_itself NAME: start the program in a session of its own, so that it outlives the terminal.
by_itself() {
  mkdir -p "$state_dir"
  $as_root setsid "$1" >"$state_dir/$1.log" 2>&1 </dev/null &
  pid=$!
  # Under sudo the process to stop is the child of sudo, not sudo: its name says which it was.
  note pid "$pid" "$1"
  reason="it wrote nothing; see $state_dir/$1.log"
}

# daemon NAME UNIT ANSWERS: unless ANSWERS holds, start NAME (by its unit under systemd) and remember that we did.
daemon() {
  name=$1 unit=$2 answers=$3 pid=
  has "$name" || return 1
  if eval "$answers" >/dev/null 2>&1; then
    say "$name: already running"
    return 0
  fi
  if [ "$as_root" = none ]; then
    missing "$name" "not running, and starting it needs root (try: sudo systemctl start $unit)"
    return 1
  fi
  say "$name: starting it"
  reason="it does not answer"
  if systemd_runs; then
    under_systemd "$unit" || { missing "$name" "$reason"; return 1; }
    note_units
  else
    by_itself "$name"
  fi
  # Whoever has ended by then will not answer any more.
  if wait_for 30 "$answers || { [ -n '$pid' ] && ! test -e /proc/$pid; } || { [ -z '$pid' ] && systemctl is-failed --quiet $unit; }" &&
    eval "$answers" >/dev/null 2>&1; then
    say "$name: started (stop it with: benchmarks/provision.sh stop)"
    return 0
  fi
  [ -z "$pid" ] || last=$(tail -n 1 "$state_dir/$name.log" 2>/dev/null)
  missing "$name" "was started and does not answer: ${last:-$reason}"
  return 1
}

# Asked over its socket: the client is a package of its own on some releases.
docker_answers() {
  $(plain_root) "${PYTHON:-python3}" -c '
import socket
asked = socket.socket(socket.AF_UNIX)
asked.settimeout(5)
asked.connect("/var/run/docker.sock")
asked.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
assert b" 200 " in asked.recv(4096)'
}
libvirt_answers() { $(plain_root) virsh -c qemu:///system version; }
virtlogd_answers() { [ -S /run/libvirt/virtlogd-sock ] && pgrep -x virtlogd; }
# libvirt is one daemon, or one for each driver (Fedora): virsh asks whichever is there.
libvirt_is_modular() {
  has virtqemud && { ! has libvirtd || { systemd_runs && ! systemctl cat libvirtd.service >/dev/null 2>&1; }; }
}
libvirt_daemon() {
  if libvirt_is_modular; then
    daemon virtqemud virtqemud.socket libvirt_answers
  else
    daemon libvirtd libvirtd.service libvirt_answers
  fi
}
plain_root() { [ "$as_root" = none ] || echo "$as_root"; }

# Where no udev runs, /dev/kvm belongs to root alone. libvirt's QEMU user may then not open what libvirt's own probe could,
# and libvirt probes QEMU anew at every start: tens of seconds each.
kvm_device() {
  [ "$(stat -c '%a %G' /dev/kvm 2>/dev/null)" = "600 root" ] && getent group kvm >/dev/null || return 0
  [ "$as_root" != none ] && $as_root chgrp kvm /dev/kvm && $as_root chmod 660 /dev/kvm &&
    say "/dev/kvm: opened to the group kvm, as udev would"
}

daemons() {
  kvm_device
  daemon dockerd docker.service docker_answers
  # Under systemd libvirt's units bring their log daemon along, by its socket.
  systemd_runs || libvirt_answers >/dev/null 2>&1 || daemon virtlogd virtlogd.socket virtlogd_answers
  libvirt_daemon
  if [ "$(id -u)" -ne 0 ]; then
    [ ! -S /var/run/docker.sock ] || [ -w /var/run/docker.sock ] ||
      say "Docker's socket is not writable for you: run 'sudo usermod -aG docker $(id -un)' and log in again"
    [ ! -e /dev/kvm ] || [ -w /dev/kvm ] ||
      say "/dev/kvm is not writable for you: run 'sudo usermod -aG kvm $(id -un)' and log in again"
  fi
}

stop() {
  [ -s "$started" ] || { say "no daemon was started from here"; return 0; }
  while read -r boot how what name; do
    [ "$boot" = "$boot_id" ] || continue
    case $how in
      unit)
        # Those that its own socket would start anew, and what depended on it, may have gone with an earlier one.
        ! systemctl is-active --quiet "$what" || { $as_root systemctl stop "$what" && say "$what: stopped"; }
        ;;
      pid)
        # The recorded process or its only child (sudo's), and only if it still is that daemon.
        for pid in $what $(pgrep -P "$what" 2>/dev/null); do
          if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ]; then
            $as_root kill "$pid" && say "$name: stopped"
            wait_for 20 "! test -e /proc/$pid"
          fi
        done
        ;;
    esac
  done <<EOF
$(grep ' unit ' "$started"; sed -n '1!G;h;$p' "$started" | grep ' pid ')
EOF
  rm -f "$started"
}

case ${1:-all} in
  all)
    ! systemd_runs || active_before=$(active_units)
    skips packages || packages
    ! systemd_runs || note_units
    skips daemons || daemons
    [ $failed -eq 0 ] || say "$failed part(s) missing, going on without: 'envbench doctor' lists what each backend needs"
    ;;
  stop) stop ;;
  *) echo "usage: benchmarks/provision.sh [all|stop]" >&2; exit 2 ;;
esac
exit 0
