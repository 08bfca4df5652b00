#!/bin/sh
# enter.sh TREE SCRATCH STAGE COMMAND...: run COMMAND in a Debian tree as on a machine of its own, the kernel apart.
#
# Called in new mount, pid, net, uts, ipc and cgroup namespaces (tree.py calls it). The tree stays as it is: what is written
# goes into SCRATCH. Engines get plain folders for what they store, because overlayfs cannot lie on overlayfs.
set -eu

tree=$1 scratch=$2 stage=$3
shift 3
root=$scratch/root

mkdir -p "$root" "$scratch/upper" "$scratch/work"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
for stored in var/lib/docker var/lib/containerd var/lib/containers home srv/stage; do
  mkdir -p "$root/$stored"
done
for stored in docker containerd containers; do
  mkdir -p "$scratch/$stored"
  mount --bind "$scratch/$stored" "$root/var/lib/$stored"
done
mkdir -p "$scratch/home"
mount --bind "$scratch/home" "$root/home"
mount --bind "$stage" "$root/srv/stage"

mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/net"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
# No /dev/kvm: whether KVM works is a question to the machine below, and asked there.
for node in null zero full random urandom tty; do
  : >"$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
# Open to everybody, as udev makes them: rootless engines need both.
mknod -m 666 "$root/dev/fuse" c 10 229
mknod -m 666 "$root/dev/net/tun" c 10 200

# The control groups of the kernel below, each hierarchy from this cgroup namespace on. A hybrid one is left out: crun refuses it.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  while IFS=: read -r number controllers _; do
    [ "$number" != 0 ] || continue
    folder=$root/sys/fs/cgroup/${controllers#name=}
    mkdir -p "$folder"
    case $controllers in name=*) controllers=none,$controllers ;; esac
    mount -t cgroup -o "$controllers" cgroup "$folder"
  done </proc/self/cgroup
fi

hostname platform
ip link set lo up
cd "$root"
mkdir -p "$root/mnt"
pivot_root . mnt
umount -l /mnt
cd /
exec "$@" </dev/null
