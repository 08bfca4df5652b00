#!/bin/bash
# Runs a command, .ci/run unless told otherwise, in a fresh clone on a bare Debian: nothing is installed but git, make
# and certificates, HOME is empty. What passes here needs nothing that the project does not install itself.
#
#   tests/e2e/bare.sh [--keep] SUITE [COMMAND...]       SUITE: bookworm (Debian 12), trixie (Debian 13)
#
# The tree has its own mounts, processes, network, host name and cgroups, so that its daemons share nothing with this
# machine's. The last commit is what runs; what is not committed stays out. Ends with the command's own exit status.
# --keep leaves the tree where it is, and the next call with --keep goes on in it; its clone is made anew.
# Needs root, mmdebstrap and slirp4netns.
set -euo pipefail

keep=
[ "${1:-}" != --keep ] || { keep=yes; shift; }
suite=${1:?usage: tests/e2e/bare.sh [--keep] bookworm|trixie [COMMAND...]}
shift
[ $# -gt 0 ] || set -- bash .ci/run
project=$(cd "$(dirname "$0")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/envinspect-e2e
packed=$cache/bare-$suite.tar

say() { printf 'bare %s: %s\n' "$suite" "$*" >&2; }
[ "$(id -u)" -eq 0 ] || { say "needs root: mounts and namespaces of its own (try: sudo $0)"; exit 2; }
for program in mmdebstrap slirp4netns; do
  command -v "$program" >/dev/null || { say "no $program (try: apt-get install $program)"; exit 2; }
done

# --- a tree ----------------------------------------------------------------------------------------------------------

if [ ! -e "$packed" ]; then
  say "making the tree, once (half a minute)"
  mkdir -p "$cache"
  mmdebstrap --quiet --variant=minbase --include=git,make,ca-certificates "$suite" "$packed.part.tar" >&2
  mv "$packed.part.tar" "$packed"
fi
if [ "$keep" ]; then
  root=$cache/bare-$suite
else
  root=$(mktemp -d "$cache/bare-$suite-XXXXXX")
fi
cgroup=bare-$suite-$$
network=
outer=

# shellcheck disable=SC2317  # called by the trap
clean_up() {
  status=$?
  [ -z "$network" ] || kill "$network" 2>/dev/null || true
  # With it goes process 1 of the tree, and with that all of them; their cgroups are free a moment later.
  if [ "$outer" ]; then
    kill "$outer" 2>/dev/null || true
    wait "$outer" 2>/dev/null || true
    sleep 1
  fi
  for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ ! -d "$hierarchy/$cgroup" ] || find "$hierarchy/$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  [ "$keep" ] || rm -rf --one-file-system "$root"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

if [ ! -d "$root/etc" ]; then
  mkdir -p "$root"
  tar -C "$root" -xpf "$packed"
fi
# Certificates that this machine's administrator added belong to the way out, as the name server does.
cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
echo "nameserver 10.0.2.3" >"$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 bare-%s\n' "$suite" >"$root/etc/hosts"
rm -rf "$root/srv/project"
git clone --quiet --no-hardlinks "$project" "$root/srv/project"

# --- namespaces ------------------------------------------------------------------------------------------------------

# cgroup v1: a folder in each hierarchy; cgroup v2: one. What is put there sees it as its root.
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ -e "$hierarchy/cgroup.procs" ] || continue
  mkdir "$hierarchy/$cgroup"
  for inherited in cpuset.cpus cpuset.mems; do
    [ ! -e "$hierarchy/$inherited" ] || cat "$hierarchy/$inherited" >"$hierarchy/$cgroup/$inherited"
  done
done

# shellcheck disable=SC2016  # for the shell that will be process 1 of the tree
inside='
set -euo pipefail
root=$1
shift
hostname "bare-$(sed -n "s/^VERSION_CODENAME=//p" "$root/etc/os-release")"
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
sed -nE "s#^[^ ]+ (/sys/fs/cgroup[^ ]*) (tmpfs|cgroup2?) ([^ ]+) .*#\1 \2 \3#p" /proc/self/mounts |
  while read -r folder kind options; do
    mkdir -p "$root$folder"
    mount -t "$kind" -o "$options" "$kind" "$root$folder"
  done
# Nodes of its own: whom a device belongs to is decided anew in there.
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
find /dev -mindepth 1 -maxdepth 1 ! -name pts ! -name shm ! -name mqueue ! -name ptmx -exec cp -a {} "$root/dev/" ";"
# On a whole system udev gives it to the group kvm, which a bare one does not have yet.
[ ! -e "$root/dev/kvm" ] || chmod 666 "$root/dev/kvm"
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir "$root/run/lock"
cd "$root"
pivot_root . mnt
umount -l /mnt
cd /srv/project
# The network is plugged in from outside, a moment later.
for _ in $(seq 100); do
  ! grep -q tap0 /proc/net/route || break
  sleep 0.1
done
update-ca-certificates >/dev/null 2>&1
# Not exec: process 1 takes in what daemons leave behind.
status=0
"$@" || status=$?
exit "$status"
'
# shellcheck disable=SC2016  # for the shell that joins the cgroups
joined='
for procs in /sys/fs/cgroup/"$1"/cgroup.procs /sys/fs/cgroup/*/"$1"/cgroup.procs; do
  [ ! -e "$procs" ] || echo $$ >"$procs"
done
shift
exec unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child "$@"
'
env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
  ENVINSPECT_E2E_AROUND=container ${ENVINSPECT_E2E_HOST+ENVINSPECT_E2E_HOST="$ENVINSPECT_E2E_HOST"} \
  bash -c "$joined" joined "$cgroup" bash -c "$inside" inside "$root" "$@" &
outer=$!
until first=$(pgrep -P "$outer"); do
  kill -0 "$outer" || break
  sleep 0.1
done
slirp4netns --configure --mtu=65520 --disable-host-loopback "$first" tap0 >/dev/null 2>"$cache/bare-$suite.network.log" &
network=$!
wait "$outer"
