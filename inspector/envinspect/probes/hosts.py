"""What this machine hosts: containers (their mounts, daemons, kernels), and as Hyper-V's root or by KVM machines."""

from __future__ import annotations

import stat as stat_bits

from envinspect.model import Evidence, Found, Kind, Origin, Strength, Trait
from envinspect.model.facts import Facts
from envinspect.probes.kernels import kernel_evidence
from envinspect.probes.mounts import on_whole_disk
from envinspect.probes.namespaces import namespaces
from envinspect.sources.mounts import Mount, mount_at, mount_table, parse_mountinfo, root_of
from envinspect.sources.process import own_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_DOCKER = "https://docs.docker.com/engine/storage/drivers/overlayfs-driver/"
_PODMAN = "https://github.com/containers/storage/blob/main/docs/containers-storage.conf.5.md"
_LXD = "https://documentation.ubuntu.com/lxd/en/latest/explanation/storage/"
_OPENVZ = "https://wiki.openvz.org/Download/kernel"
_VSERVER = "https://en.wikipedia.org/wiki/Linux-VServer"

_FOLDERS = (
    ("/docker/overlay2/", "docker-host", _DOCKER),
    ("/docker/overlay/", "docker-host", _DOCKER),
    ("/docker/btrfs/", "docker-host", _DOCKER),
    ("/docker/zfs/", "docker-host", _DOCKER),
    ("/docker/devicemapper/", "docker-host", _DOCKER),
    ("/docker/rootfs/", "docker-host", _DOCKER),
    ("/docker/containers/", "docker-host", _DOCKER),
    ("/run/docker/netns", "docker-host", _DOCKER),
    ("/containers/storage/overlay", "podman-host", _PODMAN),
    ("/lxd/storage-pools/", "lxd-host", _LXD),
    ("/lxd/shmounts", "lxd-host", _LXD),
    ("/lxd/devlxd", "lxd-host", _LXD),
    ("/lxd/guestapi", "lxd-host", _LXD),
    ("/incus/storage-pools/", "lxd-host", _LXD),
    ("/incus/shmounts", "lxd-host", _LXD),
    ("/incus/guestapi", "lxd-host", _LXD),
)
"""Parts of mount points that an engine uses on its host; a container sees none of its own kind."""

_HANDED_IN = ("/host/", "/hostfs/", "/rootfs/", "/mnt/")
"""Where monitoring agents in containers are shown the host's folders."""

_FILES = (
    ("/run/docker.sock", "docker-host", Strength.HINT, _DOCKER),
    ("/run/docker/containerd", "docker-host", Strength.STRONG, _DOCKER),
    ("/run/podman/podman.sock", "podman-host", Strength.HINT, _PODMAN),
    ("/var/lib/lxd/unix.socket", "lxd-host", Strength.STRONG, _LXD),
    ("/var/snap/lxd/common/lxd/unix.socket", "lxd-host", Strength.STRONG, _LXD),
    ("/var/lib/incus/unix.socket", "lxd-host", Strength.STRONG, _LXD),
)
"""What an engine's daemon keeps while it runs. Sockets get bound into containers, so the best known ones are hints."""

_HYPERV_BASE = 0x4000_0000
_HYPERV_FEATURES = 0x4000_0003
_CREATE_PARTITIONS = 1
_ISOLATION = 1 << 22
_HYPERV = "https://learn.microsoft.com/en-us/virtualization/hyper-v-on-windows/tlfs/feature-discovery"
_MODULES = "/proc/modules"
_KVM_MODULES = ("kvm_intel", "kvm_amd", "kvm_hv")

_DOCKER_PID = "/run/docker.pid"
"""Where dockerd writes its process number (dockerd --pidfile)."""


def _daemons(facts: Facts) -> Iterator[Evidence]:
    """Yield what daemons keep while they run: in its own place a socket is its daemon's, containers or not."""
    on_host = facts.derived(namespaces).on_host
    for path, role_id, usual, reference in _FILES:
        found = facts.stat(path)
        if not isinstance(found, Found) or _is_another(facts, path):
            continue
        is_socket = stat_bits.S_ISSOCK(found.value.mode)
        strength = Strength.STRONG if is_socket else usual
        made_here = not on_host and (
            (is_socket and _lies_on_root(facts, path)) or (role_id == "docker-host" and facts.derived(_runs_dockerd))
        )
        piece = Evidence(
            Kind.ROLE, role_id, strength if on_host or made_here else Strength.HINT, path, "present", reference
        )
        yield piece.replace(traits=(Trait.MADE_HERE,)) if made_here else piece


def _lies_on_root(facts: Facts, path: str) -> bool:
    """Say whether a socket was made on the root itself: what is handed in is a mount, or lies below one.

    gVisor's root may be the host's own, with the host's sockets on it and no mounts to show for them.
    """
    table = facts.derived(mount_table)
    if table.root is None or any(piece.id == "gvisor" for piece in facts.derived(kernel_evidence)):
        return False
    holder = mount_at(table.mounts, path)
    return holder is not None and holder.target == "/"


def _runs_dockerd(facts: Facts) -> bool:
    """Say whether the process that Docker's PID file names is a dockerd, with the same root as this process."""
    number = facts.str_or(_DOCKER_PID)
    if not number.isdecimal() or facts.str_or(f"/proc/{number}/comm") != "dockerd":
        return False
    own, daemon = facts.derived(mount_table).root, root_of(parse_mountinfo(facts.str_or(f"/proc/{number}/mountinfo")))
    if own is None or daemon is None:
        return False
    return (daemon.device, daemon.root) == (own.device, own.root)


def _is_another(facts: Facts, path: str) -> bool:
    """Say whether Docker's socket is a link to Podman's, which stands in for it."""
    link = facts.link(path) if path == "/run/docker.sock" else None
    return isinstance(link, Found) and "podman" in link.value


def _bound_disks(mounts: tuple[Mount, ...]) -> Iterator[str]:
    """Yield where whole disks are mounted below /: in a container that is where the host's root was handed in."""
    for mount in mounts:
        if mount.target != "/" and on_whole_disk(mount):
            yield f"{mount.target}/"


def probe_hosts(facts: Facts) -> Iterator[Evidence]:
    """Say which engines this machine hosts containers with."""
    table = facts.derived(mount_table)
    seen: set[str] = set()
    foreign = (*_HANDED_IN, *(() if facts.derived(namespaces).on_host else _bound_disks(table.mounts)))
    for mount in table.mounts:
        within = next((mount.target[len(place) - 1 :] for place in foreign if mount.target.startswith(place)), "")
        for folder, role_id, reference in _FOLDERS:
            if role_id not in seen and folder in mount.target and folder not in within:
                seen.add(role_id)
                yield Evidence(
                    Kind.ROLE,
                    role_id,
                    Strength.STRONG,
                    table.source,
                    mount.target[:200],
                    reference,
                    origin=Origin.MOUNT,
                )
    yield from _daemons(facts)
    if isinstance(facts.stat("/proc/vz"), Found) and isinstance(facts.stat("/proc/bc"), Found):
        yield Evidence(Kind.ROLE, "openvz-host", Strength.PROOF, "/proc/bc", "present beside /proc/vz", _OPENVZ)
    status = facts.derived(own_status)
    for name in ("VxID", "s_context"):
        if status.get(name) == "0":
            source = "/proc/self/status"
            yield Evidence(Kind.ROLE, "linux-vserver-host", Strength.PROOF, source, f"{name}: 0", _VSERVER)


def probe_machine_hosts(facts: Facts) -> Iterator[Evidence]:
    """Yield the Hyper-V root partition and KVM with guests running; a loaded module or a device node is no host."""
    base = facts.cpuid(_HYPERV_BASE)
    if isinstance(base, Found) and base.value.ascii() == "Microsoft Hv":
        features = facts.cpuid(_HYPERV_FEATURES)
        if (
            isinstance(features, Found)
            and features.value.ebx & _CREATE_PARTITIONS
            and not features.value.ebx & _ISOLATION
        ):
            source = f"CPUID 0x{_HYPERV_FEATURES:08X}"
            yield Evidence(
                Kind.ROLE,
                "hyper-v-root",
                Strength.PROOF,
                source,
                f"EBX {features.value.ebx:#x}: CreatePartitions",
                _HYPERV,
                origin=Origin.CPUID,
            )
    for line in facts.str_or(_MODULES).splitlines():
        # Name, size, use count: each running guest holds the module once (linux: virt/kvm/kvm_main.c, fops.owner).
        name, _, rest = line.partition(" ")
        if name in _KVM_MODULES:
            count = rest.split()[1:2]
            if count and count[0].isdigit() and int(count[0]) > 0:
                reference = "https://man7.org/linux/man-pages/man5/proc_modules.5.html"
                yield Evidence(
                    Kind.ROLE, "kvm-host", Strength.STRONG, _MODULES, f"{name} used by {count[0]}", reference
                )
