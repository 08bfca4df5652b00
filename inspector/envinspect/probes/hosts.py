"""What containers this machine hosts: mounts below the engines' folders, OpenVZ's and VServer's kernels."""

from __future__ import annotations

import stat as stat_bits
from collections.abc import Iterator

from envinspect.facts import Facts
from envinspect.model import Evidence, Found, Kind, Origin, Strength
from envinspect.probes.namespaces import namespaces
from envinspect.sources.mounts import mount_table
from envinspect.sources.status import parse_status

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


def _daemons(facts: Facts) -> Iterator[Evidence]:
    """Yield what daemons keep while they run: on the host itself a socket is its daemon's, containers or not."""
    on_host = facts.derived(namespaces).on_host
    for path, role_id, usual, reference in _FILES:
        found = facts.stat(path)
        if isinstance(found, Found) and not _is_another(facts, path):
            here = Strength.STRONG if stat_bits.S_ISSOCK(found.value.mode) else usual
            yield Evidence(Kind.ROLE, role_id, here if on_host else Strength.HINT, path, "present", reference)


def _is_another(facts: Facts, path: str) -> bool:
    """Say whether Docker's socket is a link to Podman's, which stands in for it."""
    link = facts.link(path) if path == "/run/docker.sock" else None
    return isinstance(link, Found) and "podman" in link.value


def probe_hosts(facts: Facts) -> Iterator[Evidence]:
    """Say which engines this machine hosts containers with."""
    table = facts.derived(mount_table)
    seen: set[str] = set()
    for mount in table.mounts:
        if mount.target.startswith(_HANDED_IN):
            continue
        for folder, role_id, reference in _FOLDERS:
            if role_id not in seen and folder in mount.target:
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
    status = parse_status(facts.str_or("/proc/self/status"))
    for name in ("VxID", "s_context"):
        if status.get(name) == "0":
            source = "/proc/self/status"
            yield Evidence(Kind.ROLE, "linux-vserver-host", Strength.PROOF, source, f"{name}: 0", _VSERVER)
