"""The mount table: what the root of this process is, and whose container storage its mounts come from."""

from __future__ import annotations

from envinspect.model import Absent, Evidence, Found, Kind, Record, Strength, Unknown
from envinspect.model.facts import Facts
from envinspect.signatures.containers import BOUND_FILES, FILESYSTEMS, STORAGE, Filesystem, Storage
from envinspect.sources.cgroups import is_container_id, is_pod_uid
from envinspect.sources.mounts import MOUNTINFO, MOUNTS, Mount, MountTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SHAPES: dict[str, Callable[[str], bool]] = {"*": bool, "<id>": is_container_id, "<uid>": is_pod_uid}
_PATTERNS = ("*", "<id>", "<n>")
_BY_FIRST_PART: dict[str, tuple[Storage, ...]] = {}
_PATTERN_FIRST: list[Storage] = []
for _row in STORAGE:
    if _row.parts[0].endswith(_PATTERNS) or _row.parts[0].startswith("*"):
        _PATTERN_FIRST.append(_row)
    else:
        _BY_FIRST_PART[_row.parts[0]] = (*_BY_FIRST_PART.get(_row.parts[0], ()), _row)

_DISK_FILESYSTEMS = frozenset(
    {
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "f2fs",
        "bcachefs",
        "jfs",
        "reiserfs",
        "nilfs2",
        "erofs",
        "squashfs",
        "zfs",
    }
)
_HOST_ROOTS = ("/", "/@", "/root", "/ostree/deploy/", "/sysroot")
"""Roots of a host's own root file system: all of it, a btrfs subvolume (openSUSE, Fedora), an OSTree deployment."""


class Stored(Record):
    """A piece of a mount's path that a row of STORAGE describes, with the mount that shows it."""

    row: Storage
    mount: Mount


def on_whole_disk(root: Mount | None) -> bool:
    """Say whether / is a block device's file system as a machine boots from it, not a folder of one and no overlay."""
    if root is None or not root.source.startswith("/dev/") or root.fstype not in _DISK_FILESYSTEMS:
        return False
    if root.source.startswith(("/dev/mapper/docker-", "/dev/loop", "/dev/fuse", "/dev/ploop")):
        return False
    if any(map(chain_in, (root.root, *_layer_folders(root)))):
        return False
    if root.root in {"", "/"}:
        return True
    return root.root.startswith(_HOST_ROOTS[1:]) and not root.root.startswith(("/root/", "/rootfs"))


def is_moved(root: Mount | None) -> bool:
    """Say whether / is what container managers and sandboxes make it: an overlay, a folder of a disk, a fresh tmpfs."""
    return root is not None and not on_whole_disk(root) and root.fstype not in {"rootfs", "ramfs", "nfs", "nfs4"}


def chain_in(path: str) -> tuple[Storage, ...]:
    """Return the container storages that a path leads through, outermost first."""
    parts = path.split("/")
    chain: list[Storage] = []
    position = 0
    while position < len(parts):
        row = _row_at(parts, position)
        if row is None:
            position += 1
        else:
            chain.append(row)
            position += len(row.parts)
    return tuple(chain)


def _row_at(parts: list[str], position: int) -> Storage | None:
    part = parts[position]
    for row in (*_PATTERN_FIRST, *_BY_FIRST_PART.get(part, ())):
        if position + len(row.parts) <= len(parts) and all(
            _fits(pattern, parts[position + offset]) for offset, pattern in enumerate(row.parts)
        ):
            return row
    return None


def _fits(pattern: str, part: str) -> bool:
    if pattern in _SHAPES:
        return _SHAPES[pattern](part)
    if pattern.endswith("<n>"):
        stem = pattern.removesuffix("<n>")
        return part.startswith(stem) and part[len(stem) :].isdecimal()
    if pattern.endswith("*"):
        return part.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return part.endswith(pattern[1:])
    return part == pattern


def has_engine_files(table: MountTable) -> bool:
    """Say whether something is mounted where engines bind files of theirs into each container."""
    return any(mount.target in BOUND_FILES for mount in table.mounts)


def is_sandbox_root(root: Mount | None) -> bool:
    """Say whether / is the tmpfs that bubblewrap and mkosi-sandbox make, and put parts of the old root into."""
    return root is not None and root.root == "/newroot" and root.fstype == "tmpfs"


def is_inherited(table: MountTable) -> bool:
    """Say whether the mounts are another's with a /proc of one's own on top, as `unshare --mount-proc` leaves them.

    A container manager makes a table from nothing, with one /proc in it.
    """
    return sum(mount.target == "/proc" and mount.fstype == "proc" for mount in table.mounts) > 1


def storage_chains(table: MountTable) -> Iterator[tuple[Stored, ...]]:
    """Return the chains of the root mount and of what engines bind into containers; the rest is somebody else's."""
    in_sandbox = is_sandbox_root(table.root)
    for mount in table.mounts:
        if mount is table.root:
            paths = (mount.root, mount.source, *_layer_folders(mount))
        elif in_sandbox and mount.fstype == "overlay" and not chain_in(mount.target):
            paths = _layer_folders(mount)  # a part of the container's root, shown again
        elif mount.target in BOUND_FILES or (_may_be_bound(mount.root) and not _may_be_bound(mount.target)):
            paths = (mount.root,)
        else:
            continue
        chain = max(map(chain_in, paths), key=len)
        if chain:
            yield tuple(Stored(row, mount) for row in chain)


def _may_be_bound(path: str) -> bool:
    """Say whether a folder may be one that an engine binds into its containers, at a place of the user's choice."""
    return "/nspawn/" in path or "/volumes/" in path or "/pods/" in path


def is_of_pod(mount: Mount) -> bool:
    """Say whether the kubelet bound a file of its pod's folder here; on the node itself these lie below that folder."""
    if "/pods/" not in mount.root or "/pods/" in mount.target:
        return False
    return any(row.parts[0] == "pods" for row in chain_in(mount.root))


def _layer_folders(mount: Mount) -> tuple[str, ...]:
    """Return the folders of an overlay: writable ones first, of the lower ones the topmost and the bottom one.

    Who mounts it layer by layer leaves an option for each (docs.kernel.org/filesystems/overlayfs, "lowerdir+"). Of
    btrfs it is the subvolume, which stands in /proc/mounts too, where the root within the file system does not.
    """
    if mount.fstype == "btrfs":
        return (mount.option("subvol"),)
    if "overlay" not in mount.fstype:
        return ()
    lower = mount.all_of("lowerdir+") or mount.option("lowerdir").split(":")
    return mount.option("upperdir"), mount.option("workdir"), lower[0], lower[-1]


def filesystem_rows(table: MountTable) -> Iterator[tuple[Filesystem, Mount]]:
    """Return the mounts whose file system is one that a container is recognised by."""
    for mount in table.mounts:
        for row in FILESYSTEMS:
            if (
                (not row.fstype or mount.fstype == row.fstype)
                and mount.source.startswith(row.source)
                and any(
                    mount.target == target if target == "/" else mount.target.startswith(target)
                    for target in row.targets
                )
            ):
                yield row, mount
                break


def evidence_of_mount(
    mount: Mount, source: str, layer_id: str, strength: Strength, reference: str, depth: int = 0
) -> Evidence:
    """Return evidence that quotes a mount, its layers cut short."""
    where = mount.root if mount.root not in {"", "/"} else mount.source
    shown = f"{mount.target} is {mount.fstype} {where}"
    folder = next((folder for folder in _layer_folders(mount) if folder), "")
    if folder:
        shown += f" on {folder}"
    return Evidence(Kind.CONTAINER, layer_id, strength, source, shown[:240], reference, depth)


def probe_mounts(facts: Facts) -> Iterator[Evidence | Unknown]:
    """Say where there is no mount table: it names most containers to anyone, root or not."""
    if isinstance(facts.text(MOUNTINFO), Absent) and not isinstance(facts.text(MOUNTS), Found):
        yield Unknown(MOUNTINFO, "absent", "what this process's root is, and whose container storage it comes from")
