"""chroot: the root of this process is not the root of its mount namespace."""

from __future__ import annotations

from collections.abc import Iterator

from envinspect.facts import Facts
from envinspect.model import Absent, Denied, Evidence, Found, Kind, Reading, Strength, Unknown
from envinspect.probes.containers import lost_engine_files
from envinspect.probes.emulation import probe_emulation
from envinspect.probes.isolation import masks_proc
from envinspect.probes.mounts import chain_in, on_whole_disk
from envinspect.probes.namespaces import namespaces
from envinspect.probes.roots import ELSEWHERE, FIRST_MOUNTINFO, OWN, SAME, root_place
from envinspect.sources.mounts import MountTable, mount_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TOLD = "whether this process is in a chroot"
_MOUNT_NAMESPACES = ("/proc/self/ns/mnt", "/proc/1/ns/mnt")
_STAT = "https://github.com/systemd/systemd/blob/main/src/basic/virt.c"
_MOUNTINFO = "https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html"


def probe_chroot(facts: Facts) -> Iterator[Evidence | Unknown]:
    """Compare / with PID 1's root: by the mounts, which anyone may read, and by its identity, which root may."""
    place, table = facts.derived(root_place), facts.derived(mount_table)
    if place.state == ELSEWHERE:
        yield Evidence(Kind.CHROOT, "chroot", Strength.PROOF, FIRST_MOUNTINFO, place.observed, _MOUNTINFO)
        return
    own, first = facts.stat(_own_root(facts)), facts.stat("/proc/1/root/.")
    if isinstance(own, Denied):
        yield Unknown("/", own.error, _TOLD, shows=(Kind.CHROOT,))
    if not isinstance(own, Found) or own.value.ino == 0:
        return  # 0: a captured tree that kept no identities
    differs = isinstance(first, Found) and own.value.place != first.value.place
    if differs and isinstance(first, Found) and (_shares_mounts(facts) or table.root is None):
        observed = f"/ is inode {own.value.ino}, PID 1's root is inode {first.value.ino}"
        yield Evidence(Kind.CHROOT, "chroot", Strength.PROOF, "/proc/1/root", observed, _STAT)
        return
    if place.state == OWN:
        # The first mounts are another's: whoever made these changed the root as well, a container manager or a chroot.
        details = (("doubt", "own-root"),)
        observed = place.observed[:200]
        yield Evidence(Kind.CHROOT, "chroot", Strength.STRONG, FIRST_MOUNTINFO, observed, _MOUNTINFO, details=details)
        return
    observed = _by_mounts(facts, table, own.value.dev, own.value.ino)
    if observed and not isinstance(first, Found):
        yield Evidence(Kind.CHROOT, "chroot", Strength.STRONG, table.source, observed, _MOUNTINFO)
    elif facts.derived(lost_engine_files) and not masks_proc(table):
        observed = "/ is the container's root again, without what the engine mounts into it"
        yield Evidence(Kind.CHROOT, "chroot", Strength.STRONG, table.source, observed, _MOUNTINFO)
    elif place.state != SAME:
        yield from _untold(facts, differs=differs)


def _untold(facts: Facts, *, differs: bool) -> Iterator[Unknown]:
    """Say which of the questions that tell a chroot was denied; those of /proc/1 are asked only where it is there."""
    asked: list[tuple[str, Reading[Any]]] = [("/proc/1/root", facts.stat("/proc/1/root/."))]
    if differs:
        asked = [(path, facts.link(path)) for path in _MOUNT_NAMESPACES]
    elif not facts.derived(mount_table).mounts:
        asked.append(("/proc", facts.listing("/proc")))
    for path, reading in asked:
        if isinstance(reading, Denied):
            yield Unknown(path, reading.error, _TOLD, shows=(Kind.CHROOT,))
            return


def _own_root(facts: Facts) -> str:
    """Return where to look for this process's root; QEMU's user mode shows another folder as / (-L)."""
    return "/proc/self/root/." if any(probe_emulation(facts)) else "/"


def _by_mounts(facts: Facts, table: MountTable, dev: int, ino: int) -> str:
    """Return what shows in the mounts that / is no mount namespace's root, "" for nothing."""
    root = table.root
    if table.mounts and root is None and table.source.endswith("mountinfo"):
        return f"no mount on /, which is inode {ino}"
    if not table.mounts and facts.uname.sysname and _proc_is_empty(facts) and is_folder_of_disk(dev, ino):
        return f"no /proc, and / is inode {ino} of a disk"
    if root is None or root.root in {"", "/"} or on_whole_disk(root) or chain_in(root.root):
        return ""
    if "mnt" in facts.derived(namespaces).initial:
        return f"/ is {root.root} of its file system, in the host's own mount namespace"
    return ""


def _proc_is_empty(facts: Facts) -> bool:
    listing = facts.listing("/proc")
    return isinstance(listing, Absent) or (isinstance(listing, Found) and not listing.value)


def is_folder_of_disk(dev: int, ino: int) -> bool:
    """Say whether an inode on a block device is too high to be a file system's root (ext4: 2, XFS: 64 to 1024)."""
    major = (dev >> 8) & 0xFFF  # 0 where no device is behind it: overlay, btrfs, tmpfs
    return major != 0 and ino > 4096


def _shares_mounts(facts: Facts) -> bool:
    """Say whether the first process is of this process's mount namespace; with the host's PIDs it may be the host's."""
    own, first = (facts.link(path) for path in _MOUNT_NAMESPACES)
    return isinstance(own, Found) and isinstance(first, Found) and own.value == first.value
