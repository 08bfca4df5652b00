"""Everything on the host that an instance could leave behind, as sets of names that can be subtracted.

Other work on the same machine makes and removes things too: what is charged to a backend must be seen to belong to it
(`belongs`), or it is listed as foreign and not counted.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("processes", "cgroups", "mounts", "links", "namespaces", "loops", "files", "objects")
ENGINE_FOLDERS = (
    "/var/lib/docker/overlay2", "/var/lib/docker/containers", "/var/lib/docker/volumes",
    "/var/lib/containers/storage/overlay",
    "/var/lib/containers/storage/overlay-containers", "/run/runc", "/run/crun", "/run/docker/runtime-runc/moby",
    "/run/containerd/io.containerd.runtime.v2.task/moby", "/run/containerd/io.containerd.runtime.v2.task/default",
    "/run/netns", "/run/docker/netns", "/run/libvirt/qemu", "/etc/libvirt/qemu", "/proc/sys/fs/binfmt_misc",
    "/run/envbench", "/dev/shm",  # noqa: S108 -- looked at, not written
)  # fmt: skip
"""Folders whose entries engines make for instances."""


@dataclass(frozen=True, slots=True)
class HostState:
    """Names of things by kind, and amounts in bytes."""

    things: Mapping[str, frozenset[str]] = field(default_factory=dict)
    available_bytes: int = 0
    free_disk_bytes: int = 0


def take(objects: Iterable[str], disk: Path, available_bytes: int, ignore: Iterable[Path] = ()) -> HostState:
    """Return the state of the host now. `objects` are what the engines list; what lies under `ignore` is left out."""
    left_out = tuple(str(path) for path in ignore)
    things = {
        "processes": _processes(),
        "cgroups": _cgroups(),
        "mounts": _mounts(),
        "links": _names(Path("/sys/class/net")),
        "namespaces": _namespaces(),
        "loops": _loops(),
        "files": _files(),
        "objects": set(objects),
    }
    kept = {
        kind: frozenset(one for one in found if not one.startswith(left_out or ("\0",)))
        for kind, found in things.items()
    }
    usage = os.statvfs(disk)
    return HostState(kept, available_bytes, usage.f_bavail * usage.f_frsize)


def left_behind(before: HostState, after: HostState) -> dict[str, frozenset[str]]:
    """Return, kind by kind, what is there after and was not before."""
    return {kind: after.things.get(kind, frozenset()) - before.things.get(kind, frozenset()) for kind in KINDS}


def _processes() -> set[str]:
    """Return "pid start-ticks name" of every process; the kernel's own threads come and go by themselves."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                text = (folder / "stat").read_text("utf-8", errors="replace")
                name, fields = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
                if fields[1] != "2" and folder.name != "2":
                    found.add(f"{folder.name} {fields[19]} {name}")
    return found


def _cgroups() -> set[str]:
    root = Path("/sys/fs/cgroup")
    # One hierarchy stands for all of version 1's: runtimes make and remove the same folder in each.
    top = root / "memory" if (root / "memory/cgroup.procs").exists() else root
    return {folder for folder, _, _ in os.walk(top)}


def _mounts() -> set[str]:
    lines = Path("/proc/self/mountinfo").read_text("utf-8", errors="surrogateescape").splitlines()
    return {line.split(" ")[4] for line in lines}


def _names(folder: Path) -> set[str]:
    with contextlib.suppress(OSError):
        return set(os.listdir(folder))  # noqa: PTH208 -- names only
    return set()


def _namespaces() -> set[str]:
    found = set()
    for pid in _names(Path("/proc")):
        if pid.isdigit():
            for kind in ("mnt", "net", "pid", "ipc", "uts", "user", "cgroup"):
                with contextlib.suppress(OSError):
                    found.add(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))
    return found


def _loops() -> set[str]:
    return {path.parent.parent.name for path in Path("/sys/block").glob("loop*/loop/backing_file")}


def _files() -> set[str]:
    return {f"{folder}/{name}" for folder in ENGINE_FOLDERS for name in _names(Path(folder))}
