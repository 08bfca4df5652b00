"""chroot: the root of this process is not the root of its mount namespace."""

from __future__ import annotations

from envinspect.model import Absent, Denied, Evidence, Found, Kind, Reading, Strength, Unknown
from envinspect.model.facts import Facts, Stat
from envinspect.probes.cgroup import beyond_first, cgroups
from envinspect.probes.containers import lost_engine_files
from envinspect.probes.emulation import probe_emulation
from envinspect.probes.isolation import masks_proc
from envinspect.probes.mounts import (
    chain_in,
    filesystem_rows,
    has_engine_files,
    is_inherited,
    is_moved,
    on_whole_disk,
    storage_chains,
)
from envinspect.probes.namespaces import namespaces
from envinspect.probes.roots import (
    ELSEWHERE,
    FIRST_MOUNTINFO,
    NO_MOUNT,
    OWN,
    SAME,
    Place,
    first_is_outside,
    first_table,
    root_place,
    stands_on_hidden_mount,
)
from envinspect.sources.mounts import MOUNTINFO, MountTable, mount_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
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
    here = _shares_mounts(facts) or (table.root is None and not _may_be_apart(facts))
    if differs and here and isinstance(first, Found):
        observed = f"/ is inode {own.value.ino}, PID 1's root is inode {first.value.ino}"
        yield Evidence(Kind.CHROOT, "chroot", Strength.PROOF, "/proc/1/root", observed, _STAT)
        return
    if place.state == OWN:
        # The first mounts are another's: whoever made these changed the root as well, a container manager or a chroot.
        details = (("doubt", "own-root-inside" if _is_inside(facts, table) else "own-root"),)
        observed = place.observed[:200]
        yield Evidence(Kind.CHROOT, "chroot", Strength.STRONG, FIRST_MOUNTINFO, observed, _MOUNTINFO, details=details)
        return
    yield from _by_other_signs(facts, place, own.value, first)


def _is_inside(facts: Facts, table: MountTable) -> bool:
    """Say whether PID 1 is a container's, and nothing in the own mounts is what an engine makes for another one.

    Containers may share their processes (a pod's do); each then has mounts that its engine made.
    """
    if not facts.derived(first_is_outside) or masks_proc(table):
        return False
    made = has_engine_files(table) or any(storage_chains(table))
    return not made and not any(filesystem_rows(table))


def _by_other_signs(facts: Facts, place: Place, own: Stat, first: Reading[Stat]) -> Iterator[Evidence | Unknown]:
    """Look for what tells a changed root where PID 1's root is the same, or cannot be read."""
    table = facts.derived(mount_table)
    observed = _by_mounts(facts, table, own.dev, own.ino)
    if observed and (place.state == NO_MOUNT or (place.state != SAME and not isinstance(first, Found))):
        yield Evidence(Kind.CHROOT, "chroot", Strength.STRONG, table.source, observed, _MOUNTINFO)
    elif not table.mounts and proc_is_empty(facts):
        told = "whether this is a chroot, a sandbox or a container: nothing of /proc is here"
        yield Unknown("/proc", "not mounted", told, shows=(Kind.CONTAINER, Kind.SANDBOX, Kind.CHROOT))
    elif _is_hosts_root(facts, place, table):
        observed = "/ is the host's own root, in the mounts and the control group of a container"
        yield Evidence(Kind.CHROOT, "chroot", Strength.STRONG, table.source, observed, _MOUNTINFO)
    elif _is_root_without_names(facts, place, table):
        yield _root_without_names(table)
    elif facts.derived(lost_engine_files) and not masks_proc(table):
        observed = "/ is the container's root again, without what the engine mounts into it"
        yield Evidence(Kind.CHROOT, "chroot", Strength.STRONG, table.source, observed, _MOUNTINFO)
    elif _first_is_hidden(facts) and stands_on_hidden_mount(facts):
        yield Unknown(FIRST_MOUNTINFO, "hidden", _TOLD, shows=(Kind.CHROOT,))
    elif place.state != SAME:
        yield from _untold(facts, differs=isinstance(first, Found) and own.place != first.value.place)
        yield from _hosts_root_untold(facts, table)
    else:
        yield from _hosts_root_untold(facts, table)


def _first_is_hidden(facts: Facts) -> bool:
    """Say whether the host's first process is not shown: /proc was mounted with hidepid, for others than root."""
    return isinstance(facts.text(FIRST_MOUNTINFO), Absent) and "pid" in facts.derived(namespaces).initial


def _untold(facts: Facts, *, differs: bool) -> Iterator[Unknown]:
    """Say which of the questions that tell a chroot was denied; those of /proc/1 are asked only where it is there."""
    asked: list[tuple[str, Reading[Any]]] = [("/proc/1/root", facts.stat("/proc/1/root/."))]
    if differs:
        asked = [(path, facts.link(path)) for path in _MOUNT_NAMESPACES]
        asked += [(path, facts.text(path)) for path in (MOUNTINFO, FIRST_MOUNTINFO)]
    elif not facts.derived(mount_table).mounts:
        asked.append(("/proc", facts.listing("/proc")))
    for path, reading in asked:
        if isinstance(reading, Denied) and (reading.refused or path not in (MOUNTINFO, FIRST_MOUNTINFO)):
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
    if not table.mounts and facts.uname.sysname and proc_is_empty(facts) and is_folder_of_disk(dev, ino):
        return f"no /proc, and / is inode {ino} of a disk" if _is_no_sandbox(facts) else ""
    if root is None or root.root in {"", "/"} or not is_moved(root) or chain_in(root.root):
        return ""
    if "mnt" in facts.derived(namespaces).initial:
        return f"/ is {root.root} of its file system, in the host's own mount namespace"
    return ""


def _is_no_sandbox(facts: Facts) -> bool:
    """Say whether it is no sandbox that gave this process a folder for a root and no /proc.

    Bubblewrap always takes away the chance to gain privileges, and makes a /dev of its own. Who calls chroot(2) by hand
    leaves the first as it was, and binds the host's /dev.
    """
    flag = facts.running.no_new_privs() if facts.running is not None else None
    if flag is not None:
        return not flag
    devices = facts.listing("/dev")
    return isinstance(devices, Found) and "kmsg" in devices.value


_ENGINES = frozenset({"docker", "podman", "containerd", "cri-o", "container"})
"""Who always gives a container another root than the host's, and binds files of its own into it."""


def _is_hosts_root(facts: Facts, place: Place, table: MountTable) -> bool:
    """Say whether a container's process has the host's root, and the host's /proc with it: `chroot /host`.

    The host may be a container itself: then PID 1, which /proc shows, has other mounts and is in no such container.
    """
    if place.state != SAME or "mnt" not in facts.derived(namespaces).others:
        return False
    if has_engine_files(table):
        return False
    if not any(level.id in _ENGINES and level.strength > Strength.HINT for level in facts.derived(cgroups).chain):
        return False
    if facts.str_or("/proc/2/comm") == "kthreadd":
        return on_whole_disk(table.root)
    first = facts.derived(first_table)
    return bool(first.mounts) and first.mounts != table.mounts and facts.derived(beyond_first)


def _hosts_root_untold(facts: Facts, table: MountTable) -> Iterator[Unknown]:
    """Say which of the questions of `_is_hosts_root` was refused, where the others do not speak against it."""
    if has_engine_files(table):
        return
    in_engine = any(level.id in _ENGINES and level.strength > Strength.HINT for level in facts.derived(cgroups).chain)
    first = facts.derived(first_table)
    # With the host's processes in sight nothing is determined without the own control group.
    beside_first = bool(first.mounts) and first.mounts != table.mounts and facts.str_or("/proc/2/comm") != "kthreadd"
    asked: list[tuple[str, Reading[Any], bool]] = [
        *((path, facts.text(path), in_engine) for path in (MOUNTINFO, FIRST_MOUNTINFO, "/proc/1/cgroup")),
        (_MOUNT_NAMESPACES[0], facts.link(_MOUNT_NAMESPACES[0]), in_engine),
        ("/proc/self/cgroup", facts.text("/proc/self/cgroup"), beside_first),
    ]
    for path, reading, fits in asked:
        if fits and isinstance(reading, Denied) and reading.refused:
            yield Unknown(path, reading.error, _TOLD, shows=(Kind.CHROOT,))
            return


def _root_without_names(table: MountTable) -> Evidence | Unknown:
    """Return a chroot; or that it cannot be told, where a system may run from such a mount and its mounts be here."""
    root, fstype = (table.root.root, table.root.fstype) if table.root is not None else ("", "")
    if root in {"", "/"} and is_inherited(table):
        told = "whether / is the root of a system that runs from such a mount, or a chroot's"
        return Unknown("/", "ambiguous", told, shows=(Kind.CHROOT,))
    observed = f"/ is {fstype} {root}, for all processes that are seen"
    details = (("doubt", "own-root"),)
    return Evidence(Kind.CHROOT, "chroot", Strength.STRONG, table.source, observed[:200], _MOUNTINFO, details=details)


def _is_root_without_names(facts: Facts, place: Place, table: MountTable) -> bool:
    """Say whether processes of their own have another root than the machine, and nothing else that containers have.

    That is a folder of a disk, or an overlay, an image or a tmpfs, which a live system has for a root as well.
    """
    seen, root = facts.derived(namespaces), table.root
    if place.state != SAME or root is None or not is_moved(root) or chain_in(root.root):
        return False
    return "pid" in seen.others and not seen.others & {"uts", "ipc", "net", "cgroup"} and not masks_proc(table)


def proc_is_empty(facts: Facts) -> bool:
    """Say whether /proc is not there, or an empty folder."""
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


def _may_be_apart(facts: Facts) -> bool:
    """Say whether this process may have other mounts than the first one: then its root is another as well."""
    own, first = (facts.link(path) for path in _MOUNT_NAMESPACES)
    if isinstance(own, Found) and isinstance(first, Found):
        return own.value != first.value
    mounts = facts.text(MOUNTINFO)
    if isinstance(mounts, Denied) and mounts.refused:
        return True
    seen = facts.derived(namespaces)
    return "pid" in seen.initial and "mnt" in seen.others
