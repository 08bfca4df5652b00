#!/bin/sh
# Sets up what the matrix of environments needs: engines from the distribution's packages, and root trees in the user's cache.
# Idempotent; says one line each; a part that cannot be had is named and the rest goes on (the tests then say what is missing).
set -u

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH DEBIAN_FRONTEND=noninteractive
cache=${XDG_CACHE_HOME:-$HOME/.cache}/envinspect-e2e
suite=trixie
# The mirror that this Debian uses itself; elsewhere mmdebstrap's own default.
# shellcheck disable=SC2016  # apt's own variable, not the shell's
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 2>/dev/null | head -n 1)}
failed=0

say() { printf 'provision-e2e: %s\n' "$*"; }
missing() { failed=$((failed + 1)); printf 'provision-e2e: %s: MISSING: %s\n' "$1" "$2" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

if [ "$(id -u)" -ne 0 ]; then
  say "not root: nothing is installed, the matrix takes what is there (try: sudo make e2e)"
  exit 0
fi

# --- engines: program, package -------------------------------------------------------------------------------------

# What was installed need not lie in apt's cache as well: the disk of a machine that CI runs on may be small.
apt_install() { apt-get install -y --no-install-recommends -o APT::Keep-Downloaded-Packages=false "$@"; }

lists_fresh=no
engine() {
  has "$1" && return 0
  if ! has apt-get; then
    missing "$1" "this is not Debian or Ubuntu; install $2 with the system's own package tool"
    return 1
  fi
  if [ $lists_fresh = no ]; then
    lists_fresh=yes
    apt-get update -qq >/dev/null 2>&1 || say "package lists could not be refreshed, going on with the old ones"
  fi
  say "$1: installing $2 (apt-get)"
  log=$(mktemp)
  if apt_install "$2" >"$log" 2>&1 && has "$1"; then
    say "$1: installed"
  else
    missing "$1" "apt-get install $2 failed: $(grep -m1 '^E:' "$log" || tail -n 1 "$log")"
  fi
  rm -f "$log"
}

# offered PACKAGE: whether this release has it.
offered() { has apt-get && apt-cache show "$1" >/dev/null 2>&1; }

# unpacked PROGRAM PACKAGE: into the cache only, because installing these would start a service that listens.
unpacked() {
  { has "$1" || [ -x "$cache/tools/usr/bin/$1" ]; } && return 0
  has apt-get || { missing "$1" "this is not Debian or Ubuntu"; return 1; }
  folder=$(mktemp -d)
  mkdir -p "$cache"
  if (cd "$folder" && chmod 755 . && apt-get download -qq "$2" >log 2>&1 && dpkg-deb -x "$2"_*.deb "$cache/tools" 2>>log); then
    say "$1: unpacked"
  else
    missing "$1" "apt-get download $2: $(tail -n 1 "$folder/log")"
  fi
  rm -rf "$folder"
}

# Installed without its service: a test starts one of its own, on loopback (policy-rc.d, invoke-rc.d(8)).
ssh_server() {
  has sshd && return
  policy=
  [ -e /usr/sbin/policy-rc.d ] || {
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
  }
  engine sshd openssh-server
  [ -z "$policy" ] || rm -f "$policy"
}

# `provision.sh peers`: only what `make perf` compares with.
if [ "${1:-}" = peers ]; then
  engine virt-what virt-what
  engine hyperfine hyperfine
  ssh_server
  exit 0
fi

# What the labs of other releases need of this machine, benchmarks/provision.sh has installed.
[ "${1:-}" = platforms ] || while read -r program package; do
  engine "$program" "$package" </dev/null
done <<END
dockerd docker.io
docker docker-cli
podman podman
buildah buildah
containerd containerd
ctr containerd
runc runc
crun crun
lxc-start lxc
systemd-nspawn systemd-container
bwrap bubblewrap
fakechroot fakechroot
mksquashfs squashfs-tools
firejail firejail
flatpak flatpak
ostree ostree
dbus-run-session dbus
proot proot
ch-run charliecloud
linux.uml user-mode-linux
runsc runsc
newuidmap uidmap
slirp4netns slirp4netns
qemu-system-x86_64 qemu-system-x86
qemu-system-aarch64 qemu-system-arm
qemu-system-s390x qemu-system-misc
qemu-aarch64-static qemu-user-static
mmdebstrap mmdebstrap
cpio cpio
mksh mksh
toybox toybox
shellcheck shellcheck
ssh openssh-client
ip iproute2
chromium chromium
hyperfine hyperfine
mke2fs e2fsprogs
virt-what virt-what
systemd-detect-virt systemd
END
# No release after Debian 12 has it: there, its tests have no meaning.
[ "${1:-}" = platforms ] || ! offered yash || engine yash yash
# Of Debian 13 on, Docker builds with this, and Podman's networks are made by nft.
[ "${1:-}" = platforms ] || ! offered docker-buildx || [ -x /usr/libexec/docker/cli-plugins/docker-buildx ] ||
  apt_install docker-buildx >/dev/null 2>&1 || missing docker-buildx "apt-get install docker-buildx failed"
[ "${1:-}" = platforms ] || engine nft nftables
# Vagrant with its libvirt provider, which brings no program, and what libvirt gives its networks' machines addresses by.
if [ "${1:-}" != platforms ] && offered vagrant-libvirt; then
  engine vagrant vagrant
  engine dnsmasq dnsmasq-base
  [ -e /usr/share/vagrant-plugins/plugins.d/vagrant-libvirt.json ] || apt_install vagrant-libvirt >/dev/null 2>&1 ||
    missing vagrant-libvirt "apt-get install vagrant-libvirt failed"
fi
[ "${1:-}" = platforms ] || while read -r program package; do
  unpacked "$program" "$package" </dev/null
done <<END
prometheus prometheus
prometheus-node-exporter prometheus-node-exporter
prometheus-pushgateway prometheus-pushgateway
END
# It has a package of its own from Debian 13 on.
[ "${1:-}" = platforms ] || unpacked promtool "$(offered promtool && echo promtool || echo prometheus)"
# An older Ansible with its collections, the docker connection among them; the newest core is a development tool.
[ "${1:-}" = platforms ] || [ -x "$cache/ansible-9/bin/ansible" ] || {
  python3 -m venv "$cache/ansible-9" && "$cache/ansible-9/bin/pip" install --quiet 'ansible>=9,<10' 2>/dev/null && say "ansible 9: installed into the cache"
} || missing ansible-9 "pip install 'ansible>=9,<10' failed"
# It wants its own versions of what is beside it.
[ "${1:-}" = platforms ] || [ -x "$cache/otava/bin/otava" ] || {
  python3 -m venv "$cache/otava" && "$cache/otava/bin/pip" install --quiet 'apache-otava>=0.8,<0.9' 2>/dev/null && say "otava: installed into the cache"
} || missing otava "pip install 'apache-otava>=0.8,<0.9' failed"
[ "${1:-}" = platforms ] || ssh_server
# Chromium draws no letter without a font; these are the ones that its reviewed pictures were drawn with.
[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || apt_install fonts-dejavu-core >/dev/null 2>&1 ||
  missing fonts "apt-get install fonts-dejavu-core failed"
[ -e /usr/share/OVMF/OVMF_CODE.fd ] || [ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || apt_install ovmf >/dev/null 2>&1 ||
  missing OVMF "apt-get install ovmf failed"

# A busybox that is linked dynamically: its package excludes that of the static one, so it is unpacked only.
if [ ! -x "$cache/busybox-dynamic/busybox" ] && has apt-get && [ "${1:-}" != platforms ]; then
  unpacked=$(mktemp -d)
  if (cd "$unpacked" && chmod 755 . && apt-get download busybox >/dev/null 2>&1 && dpkg-deb -x busybox_*.deb .) &&
    mkdir -p "$cache/busybox-dynamic" && { cp "$unpacked/bin/busybox" "$cache/busybox-dynamic/" 2>/dev/null ||
    cp "$unpacked/usr/bin/busybox" "$cache/busybox-dynamic/"; }; then
    say "busybox-dynamic: unpacked"
  else
    missing busybox-dynamic "apt-get download busybox failed"
  fi
  rm -rf "$unpacked"
fi

# --- accounts: an ordinary user for rootless engines, and ids for root's own user namespaces -------------------------

if ! getent passwd envinspect-e2e >/dev/null; then
  if useradd --system --user-group --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin \
    --add-subids-for-system envinspect-e2e 2>/dev/null; then
    say "user envinspect-e2e: made, for rootless containers"
  else
    missing "user envinspect-e2e" "useradd failed; rootless containers are not tried"
  fi
fi
grep -q '^root:' /etc/subuid || usermod --add-subuids 100000-165535 --add-subgids 100000-165535 root

# --- root trees ------------------------------------------------------------------------------------------------------

# tree NAME MADE_OF MMDEBSTRAP-ARGUMENTS...: made once; MADE_OF is kept beside it and a change of it makes it anew.
tree() {
  name=$1
  shift
  made_of="$suite $*"
  if [ -d "$cache/$name" ] && [ "$(cat "$cache/$name.made-of" 2>/dev/null)" = "$made_of" ]; then
    say "tree $name: already there"
    return 0
  fi
  if ! has mmdebstrap; then
    missing "tree $name" "no mmdebstrap"
    return 1
  fi
  mkdir -p "$cache"
  rm -rf "${cache:?}/$name.new"
  if mmdebstrap --quiet --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$@" "$cache/$name.new" ${mirror:+"$mirror"} >"$cache/$name.log" 2>&1; then
    rm -rf "${cache:?}/$name"
    mv "$cache/$name.new" "$cache/$name"
    printf '%s\n' "$made_of" >"$cache/$name.made-of"
    say "tree $name: made ($(du -sh "$cache/$name" | cut -f1))"
  else
    missing "tree $name" "$(grep -m1 '^E:' "$cache/$name.log" || tail -n 1 "$cache/$name.log")"
    rm -rf "${cache:?}/$name.new"
    return 1
  fi
}

# python_in NAME: the environment that envbench needs, made by a tree's own Python; libvirt's module is Debian's.
python_in() {
  python=$cache/$1/opt/envbench
  needed="click>=8.1 psutil>=5.9 py-cpuinfo>=9.0 docker>=7.1 jinja2>=3.1 matplotlib>=3.8 msgspec>=0.20 pandas>=2.2 rich>=13.7 scipy>=1.11"
  [ "$(cat "$python/made-of" 2>/dev/null)" = "$needed" ] && return 0
  rm -rf "$python"
  # A tree asks for packages as this machine does, and trusts whom it trusts.
  trusted=/etc/ssl/certs/ca-certificates.crt
  cp -L /etc/resolv.conf "$cache/$1/etc/resolv.conf"
  cp -L "${PIP_CERT:-$trusted}" "$cache/$1$trusted"
  index=$(python3 -m pip config get global.index-url 2>/dev/null)
  # shellcheck disable=SC2086,SC2016  # one word a package; the inner shell's arguments
  if chroot "$cache/$1" env PIP_CERT=$trusted ${index:+PIP_INDEX_URL="$index"} sh -c 'python3 -m venv --system-site-packages /opt/envbench && exec /opt/envbench/bin/pip install --quiet --retries 8 "$@"' \
    sh $needed >"$cache/$1.log" 2>&1; then
    printf '%s\n' "$needed" >"$python/made-of"
    say "tree $1: its Python has what envbench needs"
  else
    missing "tree $1" "pip: $(tail -n 1 "$cache/$1.log")"
  fi
}

# `provision.sh platforms [SUITE...]`: only what the labs of other releases need, all of them unless told which.
if [ "${1:-}" = platforms ]; then
  shift
  [ $# -gt 0 ] || set -- trixie sid
  wanted="systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,kmod,procps,iproute2,iptables,nftables"
  wanted="$wanted,python3,python3-venv,python3-libvirt,ca-certificates,docker.io,docker-cli,containerd,runc,crun"
  wanted="$wanted,podman,netavark,aardvark-dns,passt,uidmap,slirp4netns,fuse-overlayfs,rootlesskit"
  wanted="$wanted,qemu-system-x86,qemu-utils,libvirt-daemon-system,libvirt-daemon-driver-qemu,libvirt-clients,busybox-static"
  # The kernel is for the machine that is made of the first tree, and for guests in both.
  for release; do
    if tree "platform-$release" --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt=force-unsafe-io \
      --include="$wanted,linux-image-cloud-amd64" $release; then
      python_in "platform-$release"
    fi
  done
  [ $failed -eq 0 ] || say "$failed part(s) missing"
  exit 0
fi

asked="python3,systemd,virt-what,busybox-static,procps"

tree tree --variant=minbase --include="$asked,runc" $suite

# foreign ARCHITECTURE KERNEL-PACKAGE SUITE: unpacked only, no program of a foreign architecture has to run.
foreign() {
  tree "$1" --variant=extract --architectures="$1" --include="$asked" "$3" || return
  for folder in bin sbin lib; do
    [ -e "$cache/$1/$folder" ] || ln -s "usr/$folder" "$cache/$1/$folder"
  done
  mkdir -p "$cache/$1/dev" "$cache/$1/proc" "$cache/$1/sys" "$cache/$1/run" "$cache/$1/tmp" "$cache/$1/root"
  # The compiled files of one Python are the same on every architecture; under emulation, compiling takes minutes.
  python=$(cd "$cache/$1" && echo usr/lib/python3.*)
  [ -d "$cache/tree/$python" ] && (cd "$cache/tree" && find "$python" usr/lib/python3 -name __pycache__ -print0 |
    tar --null --files-from=- -cf - | tar -C "$cache/$1" -xf - 2>/dev/null)
  if ! ls "$cache/$1"/boot/vmlinuz-* >/dev/null 2>&1; then
    if tree "$1-kernel" --variant=extract --architectures="$1" --include="$2" \
      --dpkgopt='path-exclude=/usr/share/*' --dpkgopt='path-exclude=*/lib/modules/*' "$3"; then
      mkdir -p "$cache/$1/boot" && cp "$cache/$1-kernel"/boot/vmlinuz-* "$cache/$1/boot/"
      rm -rf "$cache/$1-kernel" "$cache/$1-kernel.made-of"
    fi
  fi
}
foreign arm64 linux-image-cloud-arm64 $suite
# Mirrors list newer s390x packages than they hold; those of the older suite are all there.
foreign s390x linux-image-s390x bookworm

# What the image of examples/kubernetes is built on: a Python with pip, and what envinspect needs.
tree python --variant=minbase --include=python3-pip,python3-click,python3-psutil $suite

# mkosi's sandbox is one Python file, and no older suite has it.
if tree mkosi --variant=extract --dpkgopt='path-exclude=/usr/share/*' --include=mkosi $suite; then :; fi

if tree nested --variant=extract --include=qemu-system-x86,seabios $suite; then :; fi

# A kubectl that speaks to servers by WebSocket (from 1.31 on), which the stand-in for a server does too.
if tree kubectl --variant=extract --include=kubernetes-client $suite; then :; fi

# Apptainer is in Debian's unstable suite only, and needs that suite's C library: it gets a root tree of its own.
# A mirror's unstable may be a snapshot past its date.
if tree apptainer --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include=apptainer sid; then
  [ -e "$cache/apptainer/etc/hosts" ] || : >"$cache/apptainer/etc/hosts"
fi

[ $failed -eq 0 ] || say "$failed part(s) missing"
exit 0
